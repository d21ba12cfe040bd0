// Lists of paths: what is written is read, and two lists are taken apart where they differ and nowhere else.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparePathLists, pathListOf, PathListWriter, readPathList } from './path-list.ts';
import type { ListedPath } from './types.ts';

const file = (path: string, content = 'sha256:aa', extra: Partial<ListedPath> = {}): ListedPath => ({
  path,
  kind: 'file',
  content,
  mode: 0o644,
  ...extra,
});

const ODD: readonly ListedPath[] = [
  file('\nstarts with a line'),
  { path: 'dir', kind: 'dir', content: '', mode: 0o755 },
  { path: 'dir/link', kind: 'symlink', content: '\ntarget\n', mode: 0o777 },
  file('dir/ünï', 'sha256:bb', { owner: '1:2', mode: 0o4755 }),
  { path: 'pipe', kind: 'other', content: '', mode: 0o600 },
];

test('what was added is read again, whatever its names are', () => {
  assert.deepEqual([...readPathList(pathListOf(ODD)).values()], ODD);
  assert.equal(readPathList(pathListOf([])).size, 0);
});

test('rows of bytes give what items give', () => {
  const names = Buffer.from('xabcx');
  const digest = Buffer.alloc(32, 0xab);
  const rows = new PathListWriter();
  rows.addDirectory(Buffer.from('p/'), names, 1, 3, 0o755);
  rows.addFile(Buffer.from('p/ab/'), names, 1, 4, 0o640, digest, 0);
  const items = [
    { path: 'p/ab', kind: 'dir', content: '', mode: 0o755 } as const,
    file('p/ab/abc', `sha256:${'ab'.repeat(32)}`, { mode: 0o640 }),
  ];
  assert.deepEqual(rows.finish(), pathListOf(items));
  const joined = new PathListWriter();
  joined.append(pathListOf(ODD));
  joined.append(pathListOf(items));
  assert.deepEqual(joined.finish(), pathListOf([...ODD, ...items]));
});

test('only what differs is taken apart, and the rest is counted', () => {
  // Longer than what is compared at once, at both ends.
  const many = Array.from({ length: 1000 }, (_, at) => file(`f${String(at).padStart(5, '0')}`));
  const changes: readonly ((list: ListedPath[]) => void)[] = [
    (list) => (list[0] = file('f00000', 'sha256:cc')),
    (list) => (list[500] = file('f00500', 'sha256:cc')),
    (list) => (list[999] = file('f00999', 'sha256:cc')),
    (list) => list.splice(300, 2),
    (list) => list.splice(300, 0, file('f00299a'), { path: 'f00299b', kind: 'dir', content: '', mode: 0o755 }),
    (list) => list.splice(0, 1000),
    (list) => list.unshift(file('a')),
    (list) => list.push(file('z')),
    () => {},
  ];
  for (const change of changes) {
    const now = [...many];
    change(now);
    for (const [a, b] of [
      [many, now],
      [now, many],
    ] as const) {
      const compared = comparePathLists(pathListOf(a), pathListOf(b));
      const differing = (from: readonly ListedPath[], other: readonly ListedPath[]): readonly string[] =>
        from.filter((item) => !other.some((one) => one.path === item.path && one.content === item.content)).map(({ path }) => path);
      for (const path of differing(a, b)) assert.ok(compared.before.has(path), path);
      for (const path of differing(b, a)) assert.ok(compared.now.has(path), path);
      assert.ok(compared.now.size <= differing(b, a).length + 1, 'at most one item more than what differs');
      const files = b.filter(({ kind }) => kind !== 'dir').length;
      assert.equal(compared.same + [...compared.now.values()].filter(({ kind }) => kind !== 'dir').length, files);
    }
  }
});

test('what is no list is refused', () => {
  const whole = pathListOf(ODD);
  assert.throws(() => readPathList(whole.subarray(0, whole.length - 3)));
  assert.throws(() => comparePathLists(Buffer.alloc(0), Buffer.alloc(0)));
});
