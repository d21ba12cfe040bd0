// Which copy of a folder a client is lent: its own of the last time, never another client's.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { toBytePath } from '../../base/index.ts';
import { streamPair } from '../testing/stream-pair.ts';
import { syncFolder } from './folders.ts';
import type { MachineCalls } from './machine-calls.ts';
import { MirrorPool } from './mirror.ts';
import { decodePacket, PACKET } from './packet.ts';
import { sendFolder } from './send.ts';
import type { Session } from './session.ts';

const machine = { setMtime: () => {}, setXattr: () => {}, listXattrs: () => [] } as unknown as MachineCalls;

void test('the copy is kept for who the client is, beside what it says: no other one is lent bytes that it did not send', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-folders-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const from = join(folder, 'from');
  mkdirSync(from);
  writeFileSync(join(from, 'secret'), 'hidden words');
  const store = { lock: () => ({ [Symbol.dispose]: () => {} }), use: () => {} };
  const sync = { mirrors: new MirrorPool(join(folder, 'mirrors'), folder, store), machine, owners: false };

  /** Sends the folder as `peer`, by the same shared key and name each time. */
  const send = async (peer: string): Promise<{ readonly asked: number; readonly got: string }> => {
    let asked = 0;
    let sending: Promise<void> | undefined;
    const stream = (): unknown => {
      const [receiver, sender] = streamPair();
      sending = sendFolder(sender, toBytePath(from), machine);
      const counted = (message: Uint8Array): Promise<void> => {
        if (decodePacket(Buffer.from(message)).type === PACKET.request) asked += 1;
        return receiver.send(message);
      };
      return { ...receiver, send: counted };
    };
    const session = { peer, header: { sharedKey: 'known' }, supports: () => true, channel: { stream } } as unknown as Session;
    using lease = await syncFolder(session, { name: 'context' }, sync, () => {}, new AbortController().signal);
    await sending;
    return { asked, got: readFileSync(join(lease.folder, 'secret'), 'utf8') };
  };

  assert.deepEqual(await send('user:1'), { asked: 1, got: 'hidden words' });
  assert.deepEqual(await send('user:1'), { asked: 0, got: 'hidden words' }, 'what is unchanged does not travel again');
  assert.deepEqual(await send('user:2'), { asked: 1, got: 'hidden words' }, 'another user has to have the bytes');
  assert.deepEqual(await send('user:1'), { asked: 0, got: 'hidden words' });
});
