// Archives laid into a destination: hostile names and links, and what an archive does to what is there.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TarMember } from '../layer/index.ts';
import { unpackInto } from './copy-unpack.ts';
import { Draft } from './file-draft.ts';
import { expandGrafts } from './graft.ts';
import { type Literal, MemoryTree } from './memory-tree.ts';

const PLAIN: TarMember = {
  name: '',
  kind: 'file',
  mode: 0o644,
  uid: 8,
  gid: 9,
  size: 0,
  mtime: 1,
  mtimeNs: 0,
  link: '',
  devMajor: 0,
  devMinor: 0,
  xattrs: undefined,
  offset: 0,
};

function unpack(
  base: Readonly<Record<string, Literal>>,
  directory: string,
  members: readonly Partial<TarMember>[],
  owner?: number,
): string[] {
  const draft = new Draft(new MemoryTree(base));
  const whole = members.map((member) => ({ member: { ...PLAIN, ...member }, bytes: undefined }));
  unpackInto(draft, directory, whole, owner === undefined ? undefined : { uid: owner, gid: owner }, { mtime: 5, mtimeNs: 0 });
  return expandGrafts(draft.finish()).map(({ entry }) =>
    `${entry.path} ${entry.kind} ${entry.uid}:${entry.gid} ${entry.link ?? ''}`.trim(),
  );
}

test('names that lead out stay inside, whatever way they take', () => {
  assert.deepEqual(
    unpack({ in: null }, 'in', [
      { name: '../../up' },
      { name: '/abs/f' },
      { name: 'l', kind: 'symlink', link: '../../../..' },
      { name: 'l/through' },
      { name: 'r', kind: 'symlink', link: '/' },
      { name: 'r/etc/x' },
    ]),
    [
      'in dir 0:0',
      'in/abs dir 0:0',
      'in/abs/f file 8:9',
      'in/etc dir 0:0',
      'in/etc/x file 8:9',
      'in/l symlink 8:9 ../../../..',
      'in/r symlink 8:9 /',
      'in/through file 8:9',
      'in/up file 8:9',
    ],
  );
});

test('links of the destination are followed, but not by the last name', () => {
  const base = { bin: { link: 'usr/bin' }, 'usr/bin/sh': 'sh', 'etc/old': 'old' };
  assert.deepEqual(unpack(base, '', [{ name: 'bin/app' }]), ['usr dir 0:0', 'usr/bin dir 0:0', 'usr/bin/app file 8:9']);
  assert.deepEqual(unpack(base, '', [{ name: 'bin/', kind: 'dir' }, { name: 'bin/app' }]), ['bin dir 8:9', 'bin/app file 8:9']);
  // A file takes the place of a directory with all that is in it.
  assert.deepEqual(unpack(base, '', [{ name: 'etc' }]), ['etc file 8:9']);
});

test('the archive’s root and whiteout names change nothing else', () => {
  assert.deepEqual(unpack({ 'd/f': 'f' }, 'd', [{ name: './', kind: 'dir', mode: 0 }]), []);
  assert.deepEqual(unpack({ 'd/f': 'f' }, 'd', [{ name: '.wh.f' }]), ['d dir 0:0', 'd/.wh.f file 8:9']);
});

test('hard links: to members, to files that were there, to nothing', () => {
  assert.deepEqual(unpack({ in: null }, 'in', [{ name: 'a' }, { name: 'b', kind: 'hardlink', link: 'a', uid: 5 }]), [
    'in dir 0:0',
    'in/a file 5:9',
    'in/b hardlink 5:9 in/a',
  ]);
  assert.deepEqual(unpack({ 'in/a': 'a' }, 'in', [{ name: 'b', kind: 'hardlink', link: '/a' }], 7), [
    'in dir 0:0',
    'in/a file 7:7',
    'in/b hardlink 7:7 in/a',
  ]);
  assert.throws(() => unpack({ in: null, a: 'a' }, 'in', [{ name: 'b', kind: 'hardlink', link: '../a' }]), /link \/a \/b: no such file/);
});

test('labels of machines and overlay’s own attributes are not taken over', () => {
  const draft = new Draft(new MemoryTree({}));
  const xattrs = {
    'trusted.overlay.opaque': 'y',
    'user.overlay.whiteout': '',
    'security.selinux': 's',
    'security.capability': 'c',
    'user.x': 'u',
  };
  unpackInto(draft, '', [{ member: { ...PLAIN, name: 'f', xattrs }, bytes: undefined }], undefined, { mtime: 5, mtimeNs: 0 });
  assert.deepEqual(expandGrafts(draft.finish())[0]?.entry.xattrs, { 'security.capability': 'c', 'user.x': 'u' });
});
