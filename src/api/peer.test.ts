// Who a connection is from: the kernel's word, whatever the client says.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { peerUser } from '../sys/index.ts';
import { peerOf } from './peer.ts';
import type { MachineCalls } from './session/machine-calls.ts';

const machine = { peerUser } as unknown as MachineCalls;

/** The server's end of a connection to it. */
async function accepted(
  server: Server,
  where: { readonly path: string } | { readonly port: number; readonly host: string },
): Promise<string> {
  server.listen(where);
  await once(server, 'listening');
  const address = server.address();
  const client = connect(typeof address === 'string' ? { path: address } : { port: address?.port ?? 0, host: '127.0.0.1' });
  const [socket] = (await once(server, 'connection')) as [Socket];
  const peer = peerOf(socket, machine);
  client.destroy();
  socket.destroy();
  server.close();
  return peer;
}

void test('a unix socket is from a user; of another connection nothing is known', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-peer-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  assert.equal(await accepted(createServer(), { path: join(folder, 's') }), `user:${process.getuid?.()}`);
  assert.equal(await accepted(createServer(), { port: 0, host: '127.0.0.1' }), '');
  assert.equal(peerOf(new Duplex(), machine), '');
});
