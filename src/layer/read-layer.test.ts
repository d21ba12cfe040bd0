import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type DiffID, digestOf } from '../base/index.ts';
import { readLayer, type ReadLayerOptions } from './read-layer.ts';
import { file, tarOf } from './testing.ts';

// Large: its tar is hashed beside its files.
const text = randomBytes(6 << 20).toString('latin1');
const tar = tarOf([
  [file('big', text), text],
  [file('small', 'x'), 'x'],
]);
const blob = gzipSync(tar, { level: 1 });
const diffID = digestOf(tar) as DiffID;

async function* pieces(size: number): AsyncGenerator<Uint8Array, void, void> {
  for (let at = 0; at < blob.length; at += size) yield blob.subarray(at, at + size);
}

const read = (size: number, options: Partial<ReadLayerOptions> = {}): ReturnType<typeof readLayer> =>
  readLayer(pieces(size), { expected: { digest: digestOf(blob), size: blob.length }, ...options });

for (const size of [65_536, 1 << 20, blob.length]) {
  test(`a large layer is verified and indexed in one pass, in pieces of ${size} bytes`, async () => {
    const { index, diffID: got } = await read(size, { diffID });
    assert.equal(got, diffID);
    assert.deepEqual(
      index.entries.map(({ path, digest }) => [path, digest]),
      [
        ['big', digestOf(Buffer.from(text, 'latin1'))],
        ['small', digestOf('x')],
      ],
    );
  });
}

test('a large layer with another tar than was promised is refused', async () => {
  await assert.rejects(read(1 << 20, { diffID: digestOf('another') as DiffID }), { code: 'LAYER_DIFF_ID_MISMATCH' });
  await assert.rejects(read(1 << 20, { expected: { digest: digestOf('another'), size: blob.length } }), { code: 'BLOB_DIGEST_MISMATCH' });
});
