// COPY as BuildKit does it: each row is a destination, a source, an action, and the change set that must come out.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '../base/index.ts';
import type { CopyAction, FileSpec } from '../graph/index.ts';
import type { Tree } from '../layer/index.ts';
import { type DraftEntry, readSource } from './file-draft.ts';
import { planFiles } from './file-plan.ts';
import { expandGrafts } from './graft.ts';
import { type Literal, MemoryTree } from './memory-tree.ts';
import { COPY } from './test-deps.ts';

type Files = Readonly<Record<string, Literal>>;

function spec(actions: readonly Partial<CopyAction>[]): FileSpec {
  return {
    type: 'file',
    actions: actions.map((action, index) => ({
      input: index === 0 ? 0 : index + 1,
      secondaryInput: 1,
      output: index === actions.length - 1 ? 0 : -1,
      action: { ...COPY, ...action },
    })),
  };
}

function run(base: Files, source: Files, ...actions: readonly Partial<CopyAction>[]): string[] {
  return plan([new MemoryTree(base), new MemoryTree(source)], spec(actions));
}

function plan(trees: readonly Tree[], what: FileSpec): string[] {
  const [output] = planFiles(what, trees, { now: { mtime: 5000, mtimeNs: 0 }, archive: () => undefined, unknownOwner: () => {} });
  return expandGrafts(output?.layers.at(-1) ?? []).map(show);
}

function show({ entry, bytes }: DraftEntry): string {
  const head = `${entry.path} ${entry.kind}`;
  if (entry.kind === 'whiteout') return head;
  const facts = `${entry.mode.toString(8)} ${entry.uid}:${entry.gid}`;
  if (entry.kind === 'symlink') return `${head} -> ${entry.link ?? ''}`;
  if (entry.kind === 'hardlink') return `${head} = ${entry.link ?? ''}`;
  if (entry.kind !== 'file') return `${head} ${facts}${entry.opaque === true ? ' opaque' : ''}`;
  return `${head} ${facts} ${readSource(bytes, 1000, entry.path).toString()}`;
}

const CONTEXT: Files = { 'top.txt': 'top', 'src/main.c': 'main', 'src/util.h': 'head', 'src/deep/more.c': 'more', 'docs/a.txt': 'a' };

test('a directory gives its content, made 0755, with slash or without', () => {
  const expected = ['one dir 755 0:0', 'one/a.txt file 644 0:0 a'];
  assert.deepEqual(run({}, CONTEXT, { src: '/docs', dest: '/one' }), expected);
  assert.deepEqual(run({}, CONTEXT, { src: '/docs/', dest: '/one/' }), expected);
  assert.deepEqual(run({}, CONTEXT, { src: '/docs/.', dest: '/one' }), expected);
  assert.deepEqual(run({}, { 'd/inner': { kind: 'dir', mode: 0o700 } }, { src: '/d/inner', dest: '/only/' }), ['only dir 755 0:0']);
});

test('a file goes to the path, or into the directory', () => {
  assert.deepEqual(run({}, CONTEXT, { src: '/top.txt', dest: '/w/x' }), ['w dir 755 0:0', 'w/x file 644 0:0 top']);
  assert.deepEqual(run({}, CONTEXT, { src: '/top.txt', dest: '/w/x/' }), [
    'w dir 755 0:0',
    'w/x dir 755 0:0',
    'w/x/top.txt file 644 0:0 top',
  ]);
  assert.deepEqual(run({ w: null }, CONTEXT, { src: '/top.txt', dest: '/w' }), ['w dir 755 0:0', 'w/top.txt file 644 0:0 top']);
  assert.deepEqual(run({ w: 'old' }, CONTEXT, { src: '/top.txt', dest: '/w' }), ['w file 644 0:0 top']);
});

test('several sources make one layer; the last one wins', () => {
  const into = { dest: '/all/' };
  assert.deepEqual(run({}, CONTEXT, { src: '/top.txt', ...into }, { src: '/src', ...into }), [
    'all dir 755 0:0',
    'all/deep dir 755 0:0',
    'all/deep/more.c file 644 0:0 more',
    'all/main.c file 644 0:0 main',
    'all/top.txt file 644 0:0 top',
    'all/util.h file 644 0:0 head',
  ]);
  assert.deepEqual(run({}, CONTEXT, { src: '/top.txt', dest: '/x' }, { src: '/docs/a.txt', dest: '/x' }), ['x file 644 0:0 a']);
});

test('globs match one level; nothing matched copies nothing', () => {
  const files: Files = { a1: '1', ab: 'b', b1: '4', 'd/x.c': 'x', 'd/e/y.c': 'y', 'd/e/f/z.c': 'z' };
  assert.deepEqual(run({}, files, { src: '/a?', dest: '/q/' }), ['q dir 755 0:0', 'q/a1 file 644 0:0 1', 'q/ab file 644 0:0 b']);
  assert.deepEqual(run({}, files, { src: '/[^ad]*', dest: '/q/' }), ['q dir 755 0:0', 'q/b1 file 644 0:0 4']);
  assert.deepEqual(run({}, files, { src: '/d/**/*.c', dest: '/q/' }), ['q dir 755 0:0', 'q/y.c file 644 0:0 y']);
  assert.deepEqual(run({}, files, { src: '/none*', dest: '/q/' }), []);
  assert.throws(() => run({}, files, { src: '/gone/*', dest: '/q/' }), /"\/gone": not found$/);
  assert.throws(() => run({}, {}, { src: '/gone/*', dest: '/q/' }), /"\/gone": not found/);
  assert.deepEqual(run({}, {}, { src: '/*', dest: '/q/' }), []);
  assert.deepEqual(run({}, files, { src: '/gone*/x', dest: '/q/' }), []);
  assert.deepEqual(run({}, files, { src: '/[2-1]', dest: '/q/' }), []);
  assert.deepEqual(run({}, files, { src: '/a1/*', dest: '/q/' }), []);
});

test('links at the source: named ones are followed, those inside are kept', () => {
  const files: Files = { 'real/f': 'f', to: { link: 'real/f' }, todir: { link: 'real' }, 'd/l': { link: 'f' }, 'd/f': 'f' };
  assert.deepEqual(run({}, files, { src: '/to', dest: '/x' }), ['x file 644 0:0 f']);
  assert.deepEqual(run({}, files, { src: '/todir/f', dest: '/x' }), ['x file 644 0:0 f']);
  assert.deepEqual(run({}, files, { src: '/todir', dest: '/x' }), ['x dir 755 0:0', 'x/f file 644 0:0 f']);
  assert.deepEqual(run({}, files, { src: '/d/l*', dest: '/x/' }), ['x dir 755 0:0', 'x/l file 644 0:0 f']);
  assert.deepEqual(run({}, files, { src: '/d', dest: '/x' }), ['x dir 755 0:0', 'x/f file 644 0:0 f', 'x/l symlink -> f']);
});

test('links at the destination are followed inside the root and stay', () => {
  const base: Files = {
    bin: { link: 'usr/bin' },
    'usr/bin/sh': 'sh',
    out: { link: '../../../etc' },
    loop: { link: 'loop' },
    far: { link: '/not/yet' },
  };
  assert.deepEqual(run(base, CONTEXT, { src: '/top.txt', dest: '/bin/app' }), [
    'usr dir 755 0:0',
    'usr/bin dir 755 0:0',
    'usr/bin/app file 644 0:0 top',
  ]);
  assert.deepEqual(run(base, CONTEXT, { src: '/top.txt', dest: '/out/x' }), ['etc dir 755 0:0', 'etc/x file 644 0:0 top']);
  assert.deepEqual(run(base, CONTEXT, { src: '/top.txt', dest: '/far/x' }), [
    'not dir 755 0:0',
    'not/yet dir 755 0:0',
    'not/yet/x file 644 0:0 top',
  ]);
  assert.throws(() => run(base, CONTEXT, { src: '/top.txt', dest: '/loop/x' }), /too many links/);
  // Below the top nothing is followed.
  assert.deepEqual(run({ 'd/x': { link: '/etc/passwd' } }, { 's/x': 'x' }, { src: '/s', dest: '/d' }), [
    'd dir 755 0:0',
    'd/x file 644 0:0 x',
  ]);
});

test('a directory that was there keeps its metadata at the top and takes the source’s below', () => {
  const base: Files = { 'd/sub': { kind: 'dir', mode: 0o700, uid: 9, xattrs: { 'user.a': '1' } }, d: { kind: 'dir', mode: 0o711, uid: 8 } };
  const source: Files = { 'sub/f': 'f', sub: { kind: 'dir', mode: 0o750, gid: 3, xattrs: { 'user.b': '2' } } };
  assert.deepEqual(run(base, source, { src: '/', dest: '/d' }), ['d dir 711 8:0', 'd/sub dir 750 0:3', 'd/sub/f file 644 0:0 f']);
});

test('directory over file and file over directory are refused', () => {
  const fails = (base: Files, source: Files, action: Partial<CopyAction>, message: RegExp): void => {
    assert.throws(
      () => run(base, source, action),
      (error) => isSlipwayError(error) && message.test(error.message),
    );
  };
  fails({ x: 'file' }, { 'd/x/y': 'y' }, { src: '/d', dest: '/' }, /^cannot copy to non-directory: \/x$/);
  fails({ 'd/x': { link: '/tmp' } }, { 's/x/y': 'y' }, { src: '/s', dest: '/d' }, /non-directory: \/d\/x/);
  fails({ 'd/x/y': 'y' }, { 's/x': 'x' }, { src: '/s', dest: '/d' }, /^cannot replace to directory \/d\/x with file$/);
  fails({ f: 'file' }, CONTEXT, { src: '/top.txt', dest: '/f/g' }, /^mkdir \/f: not a directory$/);
  fails({}, CONTEXT, { src: '/gone', dest: '/' }, /^"\/gone": not found$/);
  fails({}, CONTEXT, { src: '/src/[', dest: '/' }, /syntax error in pattern/);
});

test('always replacing takes away what is in the way', () => {
  const always = { alwaysReplaceExistingDestPaths: true };
  assert.deepEqual(run({ 'd/x/y': 'y' }, { 's/x': 'x' }, { src: '/s', dest: '/d', ...always }), ['d dir 755 0:0', 'd/x file 644 0:0 x']);
  assert.deepEqual(run({ 'd/x': 'old' }, { 's/x/y': 'y' }, { src: '/s', dest: '/d', ...always }), [
    'd dir 755 0:0',
    'd/x dir 755 0:0',
    'd/x/y file 644 0:0 y',
  ]);
});

test('modes, owners and created parents', () => {
  const source: Files = { m: { kind: 'dir', mode: 0o700 }, 'm/sub': { kind: 'dir', mode: 0o711 }, 'm/sub/f': 'f', 'm/l': { link: 'f' } };
  assert.deepEqual(run({}, source, { src: '/m', dest: '/e/f', mode: 0o4755 }), [
    'e dir 755 0:0',
    'e/f dir 755 0:0',
    'e/f/l symlink -> f',
    'e/f/sub dir 4755 0:0',
    'e/f/sub/f file 4755 0:0 f',
  ]);
  assert.deepEqual(run({}, source, { src: '/m', dest: '/g', mode: 'u+s,go=u', owner: { user: { id: 7 } } }), [
    'g dir 755 7:7',
    'g/l symlink -> f',
    'g/sub dir 4777 7:7',
    'g/sub/f file 4666 7:7 f',
  ]);
});

test('a directory with setgid gives its group and that bit to those made in it, not to what is copied', () => {
  const base: Files = { g: { kind: 'dir', mode: 0o2775, uid: 9, gid: 9 } };
  assert.deepEqual(run(base, CONTEXT, { src: '/docs', dest: '/g/new/deep' }), [
    'g dir 2775 9:9',
    'g/new dir 2755 0:9',
    'g/new/deep dir 2755 0:9',
    'g/new/deep/a.txt file 644 0:0 a',
  ]);
  assert.deepEqual(run(base, CONTEXT, { src: '/docs/a.txt', dest: '/g/new/', owner: { user: { id: 3 }, group: { id: 4 } } }), [
    'g dir 2775 9:9',
    'g/new dir 2755 3:4',
    'g/new/a.txt file 644 3:4 a',
  ]);
});

test('owners by name come from the files of the destination', () => {
  const base: Files = { 'etc/passwd': 'root:x:0:0::/:/bin/sh\nann:x:501:601::/:/bin/sh\n', 'etc/group': 'root:x:0:\nstaff:x:777:\n' };
  const by = (owner: CopyAction['owner']): string | undefined =>
    run(base, CONTEXT, { src: '/top.txt', dest: '/f', ...(owner && { owner }) })[0];
  const named = (name: string): { name: string; input: number } => ({ name, input: 0 });
  assert.equal(by({ user: named('ann') }), 'f file 644 501:601 top');
  assert.equal(by({ user: named('ann'), group: named('staff') }), 'f file 644 501:777 top');
  assert.equal(by({ group: { id: 34 } }), 'f file 644 0:34 top');
  assert.equal(by({ user: named('ann'), group: { id: 9 } }), 'f file 644 501:9 top');
  assert.equal(by({ user: named('nobody') }), 'f file 644 0:0 top');
  assert.equal(by({ user: named('ann'), group: named('nogroup') }), 'f file 644 501:601 top');
  assert.throws(() => by({ user: { name: 'ann', input: -1 } }), /empty filesystem/);
});

test('hard links stay together inside one copy and only there', () => {
  const source: Files = { 'd/a': 'same', 'd/b': { same: 'd/a' }, 'd/s/c': { same: 'd/a' } };
  assert.deepEqual(run({}, source, { src: '/d', dest: '/d', owner: { user: { id: 5 } } }), [
    'd dir 755 5:5',
    'd/a file 644 5:5 same',
    'd/b hardlink = d/a',
    'd/s dir 755 5:5',
    'd/s/c hardlink = d/a',
  ]);
  assert.deepEqual(run({}, source, { src: '/d/a', dest: '/two/' }, { src: '/d/b', dest: '/two/' }), [
    'two dir 755 0:0',
    'two/a file 644 0:0 same',
    'two/b file 644 0:0 same',
  ]);
  // A later source replaces the first name: the others keep their content.
  assert.deepEqual(run({}, { ...source, 'e/a': 'new' }, { src: '/d', dest: '/d' }, { src: '/e', dest: '/d' }).slice(1, 3), [
    'd/a file 644 0:0 new',
    'd/b file 644 0:0 same',
  ]);
});

test('exclude and include patterns', () => {
  assert.deepEqual(run({}, CONTEXT, { src: '/src', dest: '/o', excludePatterns: ['**/*.c'] }), [
    'o dir 755 0:0',
    'o/deep dir 755 0:0',
    'o/util.h file 644 0:0 head',
  ]);
  assert.deepEqual(run({}, CONTEXT, { src: '/src', dest: '/o', excludePatterns: ['*', '!util.*'] }), [
    'o dir 755 0:0',
    'o/util.h file 644 0:0 head',
  ]);
  // As BuildKit: what a glob names itself is copied whatever --exclude says.
  assert.deepEqual(run({}, CONTEXT, { src: '/top*', dest: '/o/', excludePatterns: ['*.txt'] }), [
    'o dir 755 0:0',
    'o/top.txt file 644 0:0 top',
  ]);
  // --parents
  const modes: Files = { 'a/b/c/f': 'f', 'a/b': { kind: 'dir', mode: 0o700 }, 'a/x': 'x' };
  assert.deepEqual(run({}, modes, { dest: '/o', includePatterns: ['a/b/c'] }), [
    'o dir 755 0:0',
    'o/a dir 755 0:0',
    'o/a/b dir 700 0:0',
    'o/a/b/c dir 755 0:0',
    'o/a/b/c/f file 644 0:0 f',
  ]);
  assert.deepEqual(run({}, modes, { dest: '/o', includePatterns: ['**/x'] }), ['o dir 755 0:0', 'o/a dir 755 0:0', 'o/a/x file 644 0:0 x']);
  assert.equal(run({}, modes, { src: '/a/b', dest: '/o', includePatterns: [''] }).length, 3);
  // A file that the glob in front of a pivot matches is no folder with something in it.
  const mixed: Files = { 'a/c/f': 'f', 'b/x': 'x', top: 'top' };
  assert.deepEqual(run({}, mixed, { src: '/*', dest: '/o/', includePatterns: ['c'] }), [
    'o dir 755 0:0',
    'o/c dir 755 0:0',
    'o/c/f file 644 0:0 f',
  ]);
});

test('devices, sockets, xattrs and names that are no UTF-8 go through', () => {
  const source: Files = {
    null: { kind: 'char', devMajor: 1, devMinor: 3, mode: 0o666 },
    sock: { kind: 'socket' },
    'gr\u00f6\u00dfe': { data: 'x', xattrs: { 'security.capability': '\x01\xff' } },
  };
  const [output] = planFiles(spec([{}]), [new MemoryTree({}), new MemoryTree(source)], {
    now: { mtime: 0, mtimeNs: 0 },
    archive: () => undefined,
    unknownOwner: () => {},
  });
  const entries = expandGrafts(output?.layers[0] ?? []).map(({ entry }) => entry);
  assert.deepEqual(
    entries.map((entry) => [entry.path, entry.kind, entry.devMajor, entry.xattrs?.['security.capability']]),
    [
      ['gr\xc3\xb6\xc3\x9fe', 'file', undefined, '\x01\xff'],
      ['null', 'char', 1, undefined],
      ['sock', 'socket', undefined, undefined],
    ],
  );
});

test('timestamps: the sources’ own, or the one that is asked for', () => {
  const times = (action: Partial<CopyAction>): number[] => {
    const trees = [new MemoryTree({}), new MemoryTree({ 'd/f': { data: 'f', mtime: 77 } })];
    const [output] = planFiles(spec([{ src: '/d', dest: '/x/y', ...action }]), trees, {
      now: { mtime: 5000, mtimeNs: 0 },
      archive: () => undefined,
      unknownOwner: () => {},
    });
    return expandGrafts(output?.layers[0] ?? []).map(({ entry }) => entry.mtime);
  };
  assert.deepEqual(times({}), [5000, 1000, 77]);
  assert.deepEqual(times({ timestamp: 3 }), [3, 3, 3]);
});
