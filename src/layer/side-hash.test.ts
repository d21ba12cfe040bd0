import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { InlineHash, openSideHash } from './side-hash.ts';

const MB = 1 << 20;
const bytes = randomBytes(3 * MB);

test('a hash beside other work is that of all bytes in their order, however they were cut', async () => {
  assert.ok(!(openSideHash() instanceof InlineHash), 'this Node shows its OpenSSL');
  const cuts = [
    [],
    [1, 63, 64, 65],
    [MB, 1, 100, MB, 70_000, 70_000],
    [1 << 16, (1 << 16) + 1, 1 << 16],
    Array.from({ length: 40 }, () => MB), // more than may wait
  ];
  for (const lengths of cuts) {
    const side = openSideHash();
    const inline = new InlineHash();
    const expected = createHash('sha256');
    for (const [index, length] of lengths.entries()) {
      const piece = bytes.subarray(index * 1001, index * 1001 + length);
      side.update(piece);
      inline.update(piece);
      expected.update(piece);
      await side.room();
    }
    const hex = expected.digest('hex');
    assert.equal(await side.digest(), hex, String(lengths));
    assert.equal(await inline.digest(), hex, String(lengths));
  }
});

test('several streams are hashed beside each other', async () => {
  const hashes = Array.from({ length: 6 }, openSideHash);
  for (let round = 0; round < 4; round += 1) for (const [at, hash] of hashes.entries()) hash.update(bytes.subarray(at, at + MB));
  const digests = await Promise.all(hashes.map((hash) => hash.digest()));
  for (const [at, digest] of digests.entries()) {
    const expected = createHash('sha256');
    for (let round = 0; round < 4; round += 1) expected.update(bytes.subarray(at, at + MB));
    assert.equal(digest, expected.digest('hex'));
  }
});
