import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contentDigest, pathDigest } from './content-digest.ts';
import { compareEntryPaths } from './entry.ts';
import { decodeLayerIndex, encodeLayerIndex } from './index-file.ts';
import { makeLayerIndex } from './layer-index.ts';
import { StackTree } from './stack-tree.ts';
import { dir, entry, file, hardlink, symlink, whiteout } from './testing.ts';

const index = makeLayerIndex([
  file('a.b', 'x', { offset: 512, headerBytes: 512 }),
  dir('a', { opaque: true }),
  file('a/b\xff', 'content', { mtime: -5, mtimeNs: 999_999_999, uid: 4_000_000_000, xattrs: { 'user.a': '\n\xff"', 'user.b': '' } }),
  file('big', '', { size: 2 ** 40, offset: 2 ** 41, pack: 3 }),
  hardlink('c', 'a.b'),
  symlink('s', '/caf\xe9'),
  entry('dev', { kind: 'block', devMajor: 4095, devMinor: 1_048_575 }),
  entry('sock', { kind: 'socket' }),
  whiteout('gone'),
]);

test('an index file gives back every fact, in order', () => {
  const bytes = encodeLayerIndex(index);
  const read = decodeLayerIndex(bytes);
  assert.deepEqual(read.entries, index.entries);
  assert.equal(read.contentDigest, index.contentDigest);
  // Written from columns, and from entries.
  assert.equal(read.contentDigest, contentDigest(index.entries));
  assert.deepEqual(encodeLayerIndex(read), bytes);
  assert.deepEqual(
    read.entries.map(({ path }) => path),
    ['a', 'a/b\xff', 'a.b', 'big', 'c', 'dev', 'gone', 's', 'sock'],
  );
  assert.deepEqual(decodeLayerIndex(encodeLayerIndex(makeLayerIndex([]))).entries, []);
});

test('any changed or missing byte is noticed', () => {
  const bytes = encodeLayerIndex(index);
  for (let at = 0; at < bytes.length; at += 7) {
    const broken = Buffer.from(bytes);
    broken[at] = (broken[at] ?? 0) ^ 0x40;
    assert.throws(() => decodeLayerIndex(broken), { code: 'LAYER_INDEX_BROKEN' }, `byte ${at}`);
  }
  for (const length of [0, 8, 95, 200, bytes.length - 1]) {
    assert.throws(() => decodeLayerIndex(bytes.subarray(0, length)), { code: 'LAYER_INDEX_BROKEN' });
  }
});

test('an index with paths that lead outside is refused though its checksum is right', () => {
  for (const path of ['../x', 'a/../b', '/abs', 'a//b', 'a/', '.', 'nul\0']) {
    assert.throws(() => decodeLayerIndex(encodeLayerIndex({ entries: [file(path)], contentDigest: index.contentDigest })), {
      code: 'LAYER_INDEX_BROKEN',
    });
  }
  const unsorted = { entries: [file('b'), file('a')], contentDigest: index.contentDigest };
  assert.throws(() => decodeLayerIndex(encodeLayerIndex(unsorted)), { code: 'LAYER_INDEX_BROKEN' });
});

test('hard links are told in order: the first path has the file', () => {
  const { entries } = makeLayerIndex([file('z', 'data', { uid: 5 }), hardlink('m', 'z'), hardlink('b', 'z')]);
  assert.deepEqual(
    entries.map(({ path, kind, link, uid }) => [path, kind, link, uid]),
    [
      ['b', 'file', undefined, 5],
      ['m', 'hardlink', 'b', 5],
      ['z', 'hardlink', 'b', 5],
    ],
  );
});

test('times and places are not content, everything else is', () => {
  const base = [file('a', 'x')];
  const same = contentDigest([file('a', 'x', { mtime: 5, mtimeNs: 6, offset: 99 })]);
  assert.equal(contentDigest(base), same);
  const others = [
    [file('b', 'x')],
    [file('a', 'y')],
    [file('a', 'x', { mode: 0o600 })],
    [file('a', 'x', { uid: 1 })],
    [file('a', 'x', { xattrs: { 'user.a': '' } })],
    [symlink('a', 'x')],
    [dir('a')],
    [dir('a', { opaque: true })],
    [],
  ];
  assert.equal(new Set([same, ...others.map(contentDigest)]).size, others.length + 1);
});

test('a path digest counts hard links as files and looks at paths as selected', () => {
  const layer = {
    id: 'l',
    index: makeLayerIndex([file('a', 'x'), hardlink('b', 'a'), dir('d', { opaque: true })]),
    open: () => assert.fail(),
  };
  const tree = new StackTree([layer]);
  const select = (path: string, as: string) => ({ path: as, entry: tree.lookup(path) ?? assert.fail() });
  assert.equal(pathDigest(tree, [select('a', 'x')]), pathDigest(tree, [select('b', 'x')]));
  assert.notEqual(pathDigest(tree, [select('a', 'x')]), pathDigest(tree, [select('a', 'y')]));
});

test('a directory comes right before what is in it', () => {
  const paths = ['a.b', 'a', 'a/b', 'a-b', 'a/b/c', 'b', ''];
  assert.deepEqual([...paths].sort(compareEntryPaths), ['', 'a', 'a/b', 'a/b/c', 'a-b', 'a.b', 'b']);
});
