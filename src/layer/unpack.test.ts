import assert from 'node:assert/strict';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { getXattr } from '../sys/index.ts';
import { diffFolder } from './diff-folder.ts';
import type { Entry } from './entry.ts';
import { cleanPath, type Unpacked } from './unpack.ts';
import { dir, entry, hardlink, symlink, tarOf, testFolder, unpackTar, whiteout } from './testing.ts';

const isRoot = process.getuid?.() === 0;
const root = testFolder();
let count = 0;

function unpack(...members: (Entry | readonly [Entry, string])[]): { folder: string; paths: string[]; unpacked: Unpacked } {
  const folder = `${root}/${(count += 1)}/layer`;
  mkdirSync(folder, { recursive: true });
  const unpacked = unpackTar(tarOf(members), { folder });
  return { folder, unpacked, paths: unpacked.index.entries.map(({ path }) => path) };
}

test('names are paths in the root, whatever they say', () => {
  const cases = [
    ['a/b', 'a/b'],
    ['/etc/passwd', 'etc/passwd'],
    ['./a//b/', 'a/b'],
    ['../../a', 'a'],
    ['a/../../../b', 'b'],
    ['..', ''],
    ['a/..b/.c', 'a/..b/.c'],
  ] as const;
  for (const [name, path] of cases) assert.equal(cleanPath(name), path);
});

test('a layer unpacks into the entries that walking its folder finds again', { skip: !isRoot && 'needs root' }, () => {
  const { folder, unpacked } = unpack(
    dir('bin', { mode: 0o1755, uid: 7 }),
    [entry('bin/tool', { mode: 0o4755, uid: 1000, gid: 50, mtime: -3 }), 'binary'],
    hardlink('bin/twin', 'bin/tool'),
    symlink('bin/sh', '/bin/tool'),
    entry('bin/null', { kind: 'char', devMajor: 1, devMinor: 3 }),
    entry('bin/pipe', { kind: 'fifo' }),
    [entry('caf\xe9', { xattrs: { 'user.a': 'b' } }), 'x'],
    whiteout('gone'),
    dir('hides', { opaque: true }),
  );
  const walked = diffFolder(folder, { overlay: 'trusted' });
  const plain = unpacked.index.entries.map(({ offset: _, ...facts }) => (facts.kind === 'whiteout' ? { ...facts, mtime: 0 } : facts));
  assert.deepEqual(
    walked?.map((found) => (found.kind === 'whiteout' ? { ...found, mtime: 0, mtimeNs: 0 } : found)),
    plain.map((facts) => (facts.kind === 'hardlink' ? { ...facts, mode: 0o4755, uid: 1000, gid: 50, mtime: -3 } : facts)),
  );
  assert.equal(lstatSync(`${folder}/gone`).isCharacterDevice(), true);
  assert.equal(getXattr(`${folder}/hides`, 'trusted.overlay.opaque'), 'y');
});

test('nothing is written through a symlink of the layer', () => {
  mkdirSync(`${root}/victim`);
  writeFileSync(`${root}/victim/file`, 'safe');
  const { folder, paths } = unpack(symlink('out', `${root}/victim`), [entry('out/file'), 'evil'], [entry('out/new'), 'evil']);
  assert.equal(readFileSync(`${root}/victim/file`, 'utf8'), 'safe');
  assert.deepEqual(readdirSync(`${root}/victim`), ['file']);
  // As for a process whose root the layer is: the link leads to that path inside.
  const inside = `${root}/victim/file`.slice(1);
  assert.ok(paths.includes(inside));
  assert.equal(readFileSync(`${folder}/${inside}`, 'utf8'), 'evil');
});

test('relative links are followed inside, and circles end', () => {
  const { paths } = unpack(symlink('a', '../../b'), dir('b'), [entry('a/x'), '1'], dir('c'), symlink('c/up', '..'), [entry('c/up/y'), '2']);
  assert.deepEqual(paths, ['a', 'b', 'b/x', 'c', 'c/up', 'y']);
  assert.throws(() => unpack(symlink('a', 'b'), symlink('b', 'a'), [entry('a/x'), '']), { code: 'TAR_BROKEN' });
  assert.throws(() => unpack([entry('file'), ''], [entry('file/x'), '']), { code: 'LAYER_BROKEN' });
});

test('hard links reach only what the layer has before them', () => {
  for (const target of ['/etc/passwd', '../../etc/passwd', 'later', 'directory']) {
    assert.throws(() => unpack(dir('directory'), hardlink('x', target)), { code: 'LAYER_BROKEN' }, target);
  }
  assert.throws(() => unpack(symlink('e', '/etc'), hardlink('x', 'e/passwd')), { code: 'LAYER_BROKEN' });
  // A link onto a symlink is a second name of the symlink, never of what it names.
  const { folder } = unpack(symlink('s', '/etc/passwd'), hardlink('t', 's'), [entry('t'), 'own']);
  assert.equal(readFileSync(`${folder}/t`, 'utf8'), 'own');
});

test('the last member of a name counts, and links keep the file they shared', () => {
  const { folder, unpacked } = unpack(
    [entry('a'), 'first'],
    hardlink('b', 'a'),
    hardlink('c', 'a'),
    [entry('a'), 'second'],
    dir('d'),
    [entry('d/e'), 'e'],
    [entry('d'), 'file'],
  );
  const facts = unpacked.index.entries.map(({ path, kind, link, size }) => [path, kind, link, size]);
  assert.deepEqual(facts, [
    ['a', 'file', undefined, 6],
    ['b', 'file', undefined, 5],
    ['c', 'hardlink', 'b', 0],
    ['d', 'file', undefined, 4],
  ]);
  assert.equal(readFileSync(`${folder}/c`, 'utf8'), 'first');
  assert.equal(statSync(`${folder}/c`).nlink, 2);
  assert.equal(unpacked.size, 15);
});

test('whiteouts speak of lower layers only, wherever they stand', () => {
  const { paths, unpacked } = unpack(
    [entry('kept'), 'x'],
    whiteout('kept'),
    whiteout('again'),
    dir('again'),
    [entry('again/f'), ''],
    whiteout('deep/er'),
    entry('.wh..wh.plnk', { kind: 'file' }),
    entry('.wh..'),
    entry('.wh.'),
  );
  assert.deepEqual(paths, ['again', 'again/f', 'deep/er', 'kept']);
  assert.equal(unpacked.index.entries[0]?.opaque, true);
  assert.deepEqual(unpacked.implied, ['deep']);
});

test('a whiteout below what turns out to be a link or a file is resolved at the end', () => {
  const { paths } = unpack(whiteout('a/gone'), symlink('a', 'b'), whiteout('f/gone'), [entry('f'), '']);
  assert.deepEqual(paths, ['a', 'b/gone', 'f']);
});

test('a directory named twice keeps what is in it and gets the last owner', { skip: !isRoot && 'needs root' }, () => {
  const { folder, unpacked } = unpack(dir('d', { uid: 1000, xattrs: { 'user.a': '1' } }), [entry('d/f'), 'x'], dir('d', { mode: 0o700 }));
  assert.deepEqual([lstatSync(`${folder}/d`).uid, lstatSync(`${folder}/d`).mode & 0o7777], [0, 0o700]);
  assert.deepEqual(unpacked.index.entries[0]?.xattrs, { 'user.a': '1' });
  assert.equal(readFileSync(`${folder}/d/f`, 'utf8'), 'x');
});

test("overlay's own attributes and a device 0:0 cannot be smuggled in", () => {
  const { folder, unpacked } = unpack(
    entry('f', { xattrs: { 'trusted.overlay.redirect': '/etc', 'user.overlay.opaque': 'y', 'security.selinux': 'x', 'user.ok': '1' } }),
    entry('zero', { kind: 'char', devMajor: 0, devMinor: 0 }),
  );
  assert.deepEqual(
    unpacked.index.entries.map(({ path, xattrs }) => [path, xattrs]),
    [['f', { 'user.ok': '1' }]],
  );
  assert.equal(existsSync(`${folder}/zero`), false);
});

test('what the rights do not allow stays in the index', () => {
  const folder = `${root}/poor`;
  mkdirSync(folder);
  const { index } = unpackTar(
    tarOf([entry('dev', { kind: 'block', devMajor: 8, devMinor: 1 }), hardlink('dev2', 'dev'), [entry('f', { uid: 12345, mode: 0 }), 'x']]),
    { folder, rights: { overlay: 'user', owners: false, devices: false } },
  );
  assert.deepEqual(readdirSync(folder), ['f']);
  assert.equal(lstatSync(`${folder}/f`).uid, process.getuid?.());
  assert.equal(index.entries.find(({ path }) => path === 'f')?.uid, 12345);
  assert.equal(index.entries.find(({ path }) => path === 'f')?.mode, 0);
});
