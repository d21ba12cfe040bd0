import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { streamPair } from '../testing/stream-pair.ts';
import type { RpcStream } from '../wire/channel.ts';
import { RpcError } from '../wire/rpc-error.ts';
import type { MachineCalls } from './machine-calls.ts';
import { MirrorPool } from './mirror.ts';
import { decodePacket, encodePacket, encodeStat, GO_MODE, PACKET, type Stat } from './packet.ts';
import { type Listing, receiveFolder } from './receive.ts';
import { sendFolder } from './send.ts';

const machine: MachineCalls = {
  setMtime: (path, nanoseconds) => {
    if (!lstatSync(path).isSymbolicLink()) utimesSync(path, Number(nanoseconds) / 1e9, Number(nanoseconds) / 1e9);
  },
  makeNode: () => {},
  setXattr: () => {},
  listXattrs: () => [],
  peerUser: () => undefined,
};

function scratch(t: { after: (fn: () => void) => void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-sync-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Counts the requests that the receiver made. */
function counting(call: RpcStream, requests: { count: number }): RpcStream {
  return {
    ...call,
    send: (message) => {
      if (decodePacket(Buffer.from(message)).type === PACKET.request) requests.count += 1;
      return call.send(message);
    },
  };
}

async function sync(from: string, to: string, previous: Listing): Promise<{ listing: Listing; requests: number }> {
  const [receiver, sender] = streamPair();
  const requests = { count: 0 };
  const [listing] = await Promise.all([
    receiveFolder(counting(receiver, requests), { folder: to, previous, machine, owners: false, onBytes: () => {} }),
    sendFolder(sender, from, machine),
  ]);
  return { listing, requests: requests.count };
}

test('a folder arrives with links and modes; then only changes travel', async (t) => {
  const folder = scratch(t);
  const from = join(folder, 'from');
  const to = join(folder, 'to');
  mkdirSync(join(from, 'sub/deep'), { recursive: true });
  mkdirSync(to);
  writeFileSync(join(from, 'a'), 'one');
  writeFileSync(join(from, 'sub/deep/b'), 'two'.repeat(50_000));
  writeFileSync(join(from, 'sub.txt'), 'between');
  chmodSync(join(from, 'a'), 0o751);
  linkSync(join(from, 'a'), join(from, 'hard'));
  symlinkSync('../a', join(from, 'sub/link'));
  writeFileSync(join(from, 'empty'), '');

  const first = await sync(from, to, Buffer.alloc(0));
  assert.equal(readFileSync(join(to, 'a'), 'utf8'), 'one');
  assert.equal(lstatSync(join(to, 'a')).mode & 0o7777, 0o751);
  assert.equal(lstatSync(join(to, 'a')).ino, lstatSync(join(to, 'hard')).ino);
  assert.equal(readlinkSync(join(to, 'sub/link')), '../a');
  assert.equal(readFileSync(join(to, 'sub/deep/b'), 'utf8').length, 150_000);
  assert.equal(lstatSync(join(to, 'empty')).size, 0);
  assert.equal(first.requests, 3);

  const again = await sync(from, to, first.listing);
  assert.equal(again.requests, 0);

  rmSync(join(from, 'sub'), { recursive: true });
  writeFileSync(join(from, 'sub'), 'a file now');
  rmSync(join(from, 'a'));
  rmSync(join(from, 'hard'));
  mkdirSync(join(from, 'a'));
  writeFileSync(join(from, 'a/inside'), 'x');
  const third = await sync(from, to, again.listing);
  assert.equal(third.requests, 2);
  assert.equal(readFileSync(join(to, 'sub'), 'utf8'), 'a file now');
  assert.equal(readFileSync(join(to, 'a/inside'), 'utf8'), 'x');
  assert.equal(existsSync(join(to, 'hard')), false);
});

test('a file whose time was set by hand is asked for again', async (t) => {
  const folder = scratch(t);
  const from = join(folder, 'from');
  const to = join(folder, 'to');
  mkdirSync(from);
  mkdirSync(to);
  writeFileSync(join(from, 'a'), 'old');
  utimesSync(join(from, 'a'), 1_700_000_000, 1_700_000_000);
  const first = await sync(from, to, Buffer.alloc(0));
  writeFileSync(join(from, 'a'), 'new');
  utimesSync(join(from, 'a'), 1_700_000_000, 1_700_000_000);
  await sync(from, to, first.listing);
  assert.equal(readFileSync(join(to, 'a'), 'utf8'), 'new');
});

const plain: Stat = { path: '', mode: 0o644, uid: 0, gid: 0, size: 1, modTime: 1n, linkname: '', devmajor: 0, devminor: 0, xattrs: [] };
const dir = (path: string): Stat => ({ ...plain, path, mode: GO_MODE.dir + 0o755 });

/** What the receiver says to a listing. */
async function refusal(t: { after: (fn: () => void) => void }, stats: readonly Stat[]): Promise<RpcError> {
  const folder = scratch(t);
  const [receiver, sender] = streamPair();
  for (const stat of stats) await sender.send(encodePacket({ type: PACKET.stat, id: 0, stat: encodeStat(stat) }));
  await sender.send(encodePacket({ type: PACKET.stat, id: 0 }));
  const failure = await receiveFolder(receiver, { folder, previous: Buffer.alloc(0), machine, owners: false, onBytes: () => {} }).then(
    () => assert.fail('nothing was refused'),
    (error: unknown) => error,
  );
  assert.ok(failure instanceof RpcError, String(failure));
  return failure;
}

test('hostile listings are refused', async (t) => {
  const cases: readonly (readonly [readonly Stat[], RegExp])[] = [
    [[{ ...plain, path: '../x' }], /leads out/],
    [[{ ...plain, path: '/etc/x' }], /absolute/],
    [[{ ...plain, path: 'a//b' }], /unclean/],
    [[{ ...plain, path: 'a/../../b' }], /leads out/],
    [
      [
        { ...plain, path: 'b' },
        { ...plain, path: 'a' },
      ],
      /out of order/,
    ],
    [
      [
        { ...plain, path: 'a' },
        { ...plain, path: 'a' },
      ],
      /out of order/,
    ],
    [[{ ...plain, path: 'a/b' }], /out of order/],
    // Through a symlink of the listing itself.
    [
      [
        { ...plain, path: 'a', mode: GO_MODE.symlink + 0o777, linkname: '/etc' },
        { ...plain, path: 'a/passwd' },
      ],
      /out of order/,
    ],
    [[dir('a'), { ...plain, path: 'b', linkname: 'a/none' }], /did not come before/],
    [[{ ...plain, path: 'b', linkname: '../../etc/passwd' }], /did not come before/],
  ];
  for (const [stats, message] of cases) {
    const failure = await refusal(t, stats);
    assert.equal(failure.code, 'invalidArgument');
    assert.match(failure.message, message);
  }
});

test('data nobody asked for, and messages that are none, are refused', async (t) => {
  for (const message of [encodePacket({ type: PACKET.data, id: 7, data: Buffer.from('x') }), Buffer.from([0x12, 0xff, 0xff, 0xff])]) {
    const [receiver, sender] = streamPair();
    await sender.send(message);
    await assert.rejects(
      receiveFolder(receiver, { folder: scratch(t), previous: Buffer.alloc(0), machine, owners: false, onBytes: () => {} }),
      (error: RpcError) => error.code === 'invalidArgument',
    );
  }
});

test('two builds never share a mirror; a broken one is forgotten', (t) => {
  const held = new Set<string>();
  const lock = (name: string): Disposable | undefined =>
    held.has(name) ? undefined : (held.add(name), { [Symbol.dispose]: () => void held.delete(name) });
  const pool = new MirrorPool(scratch(t), scratch(t), { lock, use: () => {} });
  const first = pool.take('key');
  const second = pool.take('key');
  assert.notEqual(first.folder, second.folder);
  writeFileSync(join(first.folder, 'x'), '');
  first.keep(Buffer.from('listing'));
  first[Symbol.dispose]();
  second[Symbol.dispose](); // without keep
  const again = pool.take('key');
  assert.equal(again.folder, first.folder);
  assert.equal(again.previous.toString(), 'listing');
  again[Symbol.dispose](); // taken and not kept: its content is unknown now
  assert.equal(pool.take('key').previous.length, 0);
});
