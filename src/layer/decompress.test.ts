import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { decompress, type DecompressOptions } from './decompress.ts';
import { gunzipOfIsal, hasIsalGunzip } from './gunzip-isal.ts';
import { crc32OfScript, gunzipOfZlib } from './gunzip-zlib.ts';
import { unzstdOfLibrary, unzstdOfScript } from './unzstd.ts';

const text = Buffer.concat([randomBytes(100_000), Buffer.alloc(3_000_000, 'abc '), randomBytes(10)]);

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void, void> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function all(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

const unpack = (bytes: Uint8Array, size = 1000, options: DecompressOptions = { maxBytes: 1 << 30 }): Promise<Buffer> =>
  all(decompress(pieces(bytes, size), options));

const pack = (program: string, input: Uint8Array = text): Buffer => execFileSync(program, ['-c'], { input, maxBuffer: 1 << 26 });

for (const program of ['gzip', 'zstd', 'bzip2', 'xz']) {
  test(`${program} data is recognized and unpacked, several streams after one another too`, async () => {
    assert.ok((await unpack(pack(program), 5)).equals(text));
    assert.ok((await unpack(Buffer.concat([pack(program), pack(program)]), 70_000)).equals(Buffer.concat([text, text])));
  });

  test(`damaged and cut ${program} data is refused`, async () => {
    const packed = pack(program);
    const damaged = Buffer.from(packed);
    damaged.fill(0x55, 50_000, 50_100);
    await assert.rejects(unpack(damaged), { code: 'STREAM_BROKEN' });
    await assert.rejects(unpack(packed.subarray(0, -100)), { code: 'STREAM_BROKEN' });
  });
}

test('other data passes as it is', async () => {
  for (const bytes of [text, Buffer.from('x'), Buffer.alloc(0)]) assert.ok((await unpack(bytes)).equals(bytes));
});

test('a bomb is stopped at the limit', async () => {
  for (const program of ['gzip', 'zstd', 'bzip2']) {
    await assert.rejects(unpack(pack(program, Buffer.alloc(20_000_000)), 100, { maxBytes: 1_000_000 }), { code: 'STREAM_TOO_LARGE' });
  }
});

test('a failing source fails the reader with its own error', async () => {
  const failing = async function* (): AsyncGenerator<Uint8Array, void, void> {
    yield pack('gzip').subarray(0, 1000);
    throw new Error('connection lost');
  };
  await assert.rejects(all(decompress(failing(), { maxBytes: 1 << 30 })), /connection lost/);
});

test('all zstd decompressors agree', async () => {
  const packed = Buffer.concat([pack('zstd'), pack('zstd', Buffer.from('second frame'))]);
  const wanted = Buffer.concat([text, Buffer.from('second frame')]);
  const library = unzstdOfLibrary(pieces(packed, 33_333));
  if (library !== undefined) assert.ok((await all(library)).equals(wanted));
  assert.ok((await all(unzstdOfScript(pieces(packed, 33_333)))).equals(wanted));
  if (library !== undefined)
    await assert.rejects(all(unzstdOfLibrary(pieces(packed.subarray(0, 5000), 100)) ?? library), { code: 'STREAM_BROKEN' });
});

test('gunzip by ISA-L agrees with zlib, whatever the pieces, and refuses what is damaged', { skip: !hasIsalGunzip() }, async () => {
  const large = Buffer.concat([text, randomBytes(2_500_000), Buffer.alloc(5_000_000, 'x y z ')]);
  const named = execFileSync('gzip', ['-c', '-N', fileURLToPath(import.meta.url)], { maxBuffer: 1 << 26 });
  const stored = gzipSync(large.subarray(0, 1 << 20), { level: 0 });
  const members = [pack('gzip', large), named, gzipSync(''), stored, gzipSync(text, { level: 9 })];
  const packed = Buffer.concat(members);
  const wanted = gunzipSync(packed);
  const isal = (bytes: Uint8Array, size: number): Promise<Buffer> => all(gunzipOfIsal(pieces(bytes, size)));
  for (const size of [997, 4096, 65_536, 1 << 20, packed.length]) assert.ok((await isal(packed, size)).equals(wanted), `pieces of ${size}`);
  const small = Buffer.concat([named, gzipSync(''), named]);
  for (const size of [1, 2, 7]) assert.ok((await isal(small, size)).equals(gunzipSync(small)), `pieces of ${size}`);
  assert.ok((await isal(Buffer.concat([small, Buffer.alloc(600)]), 100)).equals(gunzipSync(small)));
  // A content whose length is that of the buffers.
  for (const length of [1 << 20, 2 << 20]) {
    const even = Buffer.alloc(length, 'even ');
    for (const size of [10, 1 << 20]) assert.ok((await isal(gzipSync(even), size)).equals(even));
  }
  const checked = (at: number): Buffer => {
    const damaged = Buffer.from(named);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    return damaged;
  };
  for (const bytes of [
    named.subarray(0, -1),
    named.subarray(0, -9),
    named.subarray(0, 5),
    checked(0),
    checked(named.length - 8),
    checked(named.length - 1),
    checked(900),
  ])
    await assert.rejects(isal(bytes, 100), { code: 'STREAM_BROKEN' });
  const failing = async function* (): AsyncGenerator<Uint8Array, void, void> {
    yield packed.subarray(0, 1000);
    throw new Error('connection lost');
  };
  await assert.rejects(all(gunzipOfIsal(failing())), /connection lost/);
  for await (const _ of gunzipOfIsal(pieces(packed, 1000))) break;
});

test('gunzip member by member agrees with zlib, whatever the pieces, and gives all that stands before what is no member', async () => {
  const named = execFileSync('gzip', ['-c', '-N', fileURLToPath(import.meta.url)], { maxBuffer: 1 << 26 });
  const packed = Buffer.concat([pack('gzip'), named, gzipSync(''), gzipSync(text, { level: 0 })]);
  const wanted = gunzipSync(packed);
  const zlib = (bytes: Uint8Array, size: number): Promise<Buffer> => all(gunzipOfZlib(pieces(bytes, size)));
  for (const size of [997, 65_536, packed.length]) assert.ok((await zlib(packed, size)).equals(wanted), `pieces of ${size}`);
  const small = Buffer.concat([gzipSync('first'), gzipSync(''), gzipSync(text.subarray(0, 300))]);
  for (const rest of ['', 'x', '\x1f', 'garbage', '\x1f\x8bgarbage', '\0'.repeat(600)]) {
    const followed = Buffer.concat([small, Buffer.from(rest, 'latin1')]);
    for (const size of [1, 2, 7, 100, followed.length]) {
      assert.ok((await zlib(followed, size)).equals(gunzipSync(small)), `${JSON.stringify(rest.slice(0, 9))}, pieces of ${size}`);
    }
  }
  const checked = (at: number): Buffer => {
    const damaged = Buffer.from(named);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    return damaged;
  };
  const cut = [named.subarray(0, -1), named.subarray(0, -9), named.subarray(0, 5), Buffer.concat([named, named.subarray(0, -1)])];
  for (const bytes of [...cut, checked(0), checked(named.length - 8), checked(named.length - 1), checked(900)])
    for (const size of [100, bytes.length]) await assert.rejects(zlib(bytes, size), { code: 'STREAM_BROKEN' });
  const failing = async function* (): AsyncGenerator<Uint8Array, void, void> {
    yield packed.subarray(0, 1000);
    throw new Error('connection lost');
  };
  await assert.rejects(all(gunzipOfZlib(failing())), /connection lost/);
  for await (const _ of gunzipOfZlib(pieces(packed, 1000))) break;
  // Highly compressed: the reader leaves while a piece is being looked at.
  for await (const _ of gunzipOfZlib(pieces(gzipSync(Buffer.alloc(20_000_000)), 1 << 20))) break;
});

test('the checksum for a Node without one is that of gzip', () => {
  const bytes = randomBytes(1000);
  assert.equal(crc32OfScript(bytes.subarray(500), crc32OfScript(bytes.subarray(0, 500), 0)), gzipSync(bytes).readUInt32LE(1015));
});
