import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { testFolder } from './testing.ts';
import { BatchWriter, FACTS, type FileBatch } from './write-batch.ts';

const MTIME = 1_600_000_000;

/** A file of a batch: which pack has its bytes, and where. */
interface Place {
  readonly fd: number;
  readonly offset: number;
  readonly size: number;
}

function batchOf(folder: string, places: readonly Place[], isNew = true): FileBatch {
  const facts = new Float64Array(places.length * FACTS);
  for (const [index, { fd, offset, size }] of places.entries()) facts.set([size, 0o640, MTIME, 0, fd, offset], index * FACTS);
  return { folder: { fd: openSync(folder, 'r'), path: folder }, isNew, names: places.map((_, index) => `f${index}`), facts };
}

test('files get their own bytes, however they lie in their packs', () => {
  const folder = testFolder();
  const packs = [randomBytes(900_000), randomBytes(10_000)];
  for (const [index, bytes] of packs.entries()) writeFileSync(join(folder, `pack${index}`), bytes);
  const [one = -1, two = -1] = packs.map((_, index) => openSync(join(folder, `pack${index}`), 'r'));
  const places: readonly Place[] = [
    { fd: one, offset: 512, size: 1000 },
    { fd: one, offset: 2048, size: 1 }, // after a header
    { fd: one, offset: 2049, size: 100 }, // directly behind
    { fd: two, offset: 0, size: 10_000 }, // another pack
    { fd: one, offset: 2149, size: 5000 },
    { fd: -1, offset: 0, size: 0 },
    { fd: one, offset: 20_000, size: 10 }, // far behind
    { fd: one, offset: 512, size: 2000 }, // back
    { fd: one, offset: 600, size: 3000 }, // into the one before
    { fd: one, offset: 4000, size: 200_000 },
    { fd: one, offset: 204_000, size: 100_000 }, // more than is read at once
    { fd: one, offset: 304_000, size: 596_000 },
  ];
  mkdirSync(join(folder, 'out'));
  const writer = new BatchWriter('.temporary');
  assert.deepEqual(writer.write(batchOf(join(folder, 'out'), places)), {});
  const check = (): void => {
    for (const [index, { fd, offset, size }] of places.entries()) {
      const path = join(folder, `out/f${index}`);
      assert.ok(readFileSync(path).equals((packs[fd === two ? 1 : 0] as Buffer).subarray(offset, offset + size)), `f${index}`);
      assert.equal(statSync(path).mode & 0o7777, 0o640);
      assert.equal(statSync(path).mtimeMs, MTIME * 1000);
    }
  };
  check();

  // What is there and right stays; what is not is replaced, and nothing else is left.
  writeFileSync(join(folder, 'out/f2'), Buffer.alloc(100));
  const kept = statSync(join(folder, 'out/f1')).ino;
  assert.deepEqual(writer.write(batchOf(join(folder, 'out'), places, false)), {});
  check();
  assert.equal(statSync(join(folder, 'out/f1')).ino, kept);
  assert.equal(readdirSync(join(folder, 'out')).length, places.length);
  for (const fd of [one, two]) closeSync(fd);
});

test('a temporary name that a killed builder left is passed by', () => {
  const folder = testFolder();
  writeFileSync(join(folder, 'pack'), 'right');
  const fd = openSync(join(folder, 'pack'), 'r');
  mkdirSync(join(folder, 'out'));
  for (const name of ['f0', '.temporary-1', '.temporary-2']) writeFileSync(join(folder, 'out', name), 'left');
  assert.deepEqual(new BatchWriter('.temporary').write(batchOf(join(folder, 'out'), [{ fd, offset: 0, size: 5 }], false)), {});
  assert.equal(readFileSync(join(folder, 'out/f0'), 'utf8'), 'right');
  closeSync(fd);
});

test('a pack that ends early is told for the file that it ends in: those before are written, those after are not', () => {
  const folder = testFolder();
  const pack = join(folder, 'pack');
  writeFileSync(pack, Buffer.alloc(3000, 'x'));
  truncateSync(pack, 2500);
  const fd = openSync(pack, 'r');
  const places = [0, 1000, 2000, 2600].map((offset) => ({ fd, offset, size: offset === 2600 ? 10 : 1000 }));
  const batch: FileBatch = {
    ...batchOf(folder, places),
    directory: { name: 'made', facts: { size: 0, mode: 0o755, mtime: MTIME, mtimeNs: 0 } },
  };
  const { failed } = new BatchWriter('.temporary').write(batch);
  assert.equal(failed?.name, 'f2');
  assert.equal(failed.code, 'FILE_CHANGED');
  assert.match(failed.message, /ends after 500 of 1000 bytes/);
  assert.deepEqual(readdirSync(join(folder, 'made')).sort(), ['f0', 'f1']);
  assert.ok(!existsSync(join(folder, 'f0')));
  closeSync(fd);
});
