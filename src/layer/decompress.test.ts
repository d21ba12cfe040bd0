import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { decompress, type DecompressOptions } from './decompress.ts';
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
