import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeBlocks, encodeBlocks } from './block-map.ts';

test('blocks are read back, also from another thread', () => {
  const blocks = [
    { key: Buffer.alloc(32, 1), offset: 2 ** 40, length: 7 },
    { key: Buffer.alloc(32, 2), offset: 2 ** 40 + 7, length: 2 ** 31 },
  ];
  assert.deepEqual(decodeBlocks(encodeBlocks(blocks)), blocks);
  const [first] = decodeBlocks(structuredClone(encodeBlocks(blocks)));
  assert.equal(first?.key.toString('hex'), '01'.repeat(32));
  assert.deepEqual(decodeBlocks(encodeBlocks(blocks).subarray(0, 50)), blocks.slice(0, 1));
});
