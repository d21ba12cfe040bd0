import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Dice, dice } from '../../test/rig/dice.ts';
import type { Entry } from './entry.ts';
import { makeLayerIndex } from './layer-index.ts';
import { StackTree } from './stack-tree.ts';
import { dir, file, hardlink, symlink, whiteout } from './testing.ts';
import { notedOwner, ownerNote, withKeptOwner } from './kept-owners.ts';
import { trimUnchanged } from './trim-unchanged.ts';

function stack(...layers: Entry[][]): StackTree {
  return new StackTree(
    layers.map((entries, number) => ({
      id: `layer${number}`,
      index: makeLayerIndex(entries),
      open: (entry) => assert.fail(`open of ${entry.path} in ${number}`),
    })),
  );
}

/** Every path of the tree, files with the layer they come from. */
function show(tree: StackTree, path = ''): string[] {
  return tree.list(path).flatMap((name) => {
    const child = path === '' ? name : `${path}/${name}`;
    const entry = tree.lookup(child) ?? assert.fail(child);
    return entry.kind === 'dir' ? [`${child}/`, ...show(tree, child)] : [`${child}@${tree.layerOf(entry)?.slice(5)}`];
  });
}

test('upper layers win, directories merge, whiteouts and opaque directories hide', () => {
  const tree = stack(
    [
      dir('etc'),
      file('etc/a', '1'),
      file('etc/b', '1'),
      dir('var'),
      dir('var/lib'),
      file('var/lib/x', '1'),
      file('f', '1'),
      dir('d'),
      file('d/x'),
    ],
    [dir('etc'), file('etc/b', '2'), whiteout('etc/a'), dir('var', { opaque: true }), file('var/new', '2'), whiteout('d')],
    [dir('etc', { mode: 0o700 }), file('etc/a', '3'), dir('f'), file('f/in', '3'), dir('d'), file('d/y', '3')],
  );
  assert.deepEqual(show(tree), ['d/', 'd/y@2', 'etc/', 'etc/a@2', 'etc/b@1', 'f/', 'f/in@2', 'var/', 'var/new@1']);
  assert.equal(tree.lookup('etc')?.mode, 0o700);
  assert.equal(tree.lookup('var')?.opaque, undefined);
  assert.equal(tree.lookup('var/lib/x'), undefined);
  assert.equal(tree.lookup('f/in/deeper'), undefined);
  assert.deepEqual(tree.list('f/in'), []);
  assert.equal(tree.lookup('')?.kind, 'dir');
});

test('directories that a layer does not list itself come from below, or are plain', () => {
  const tree = stack([dir('a', { mode: 0o711 })], [file('a/b/c', 'x')]);
  assert.equal(tree.lookup('a')?.mode, 0o711);
  assert.deepEqual([tree.lookup('a/b')?.kind, tree.lookup('a/b')?.mode], ['dir', 0o755]);
  assert.deepEqual(show(tree), ['a/', 'a/b/', 'a/b/c@1']);
});

test('names next to a directory that begin like it are not in it', () => {
  const tree = stack([dir('a'), file('a/x'), file('a-b'), file('a.b'), dir('a0'), file('a0/y')], [file('a/z'), file('a.c')]);
  assert.deepEqual(tree.list(''), ['a', 'a-b', 'a.b', 'a.c', 'a0']);
  assert.deepEqual(tree.list('a'), ['x', 'z']);
});

test('hard links are the file they share, and stay it when the first name is replaced', () => {
  const tree = stack([file('a', 'shared'), hardlink('b', 'a'), file('c', 'alone')], [file('a', 'new')]);
  const b = tree.lookup('b') ?? assert.fail();
  assert.deepEqual([b.kind, b.path, b.size], ['file', 'b', 6]);
  assert.equal(tree.linkKey(b), 'layer0:a');
  assert.equal(tree.linkKey(tree.lookup('c') ?? assert.fail()), undefined);
  assert.equal(tree.linkKey(tree.lookup('a') ?? assert.fail()), undefined);
  assert.equal(tree.digest({ ...b }), b.digest);
});

test('a walk comes by everything that names lead to, in their order, whatever the layers are', () => {
  for (let seed = 1; seed <= 500; seed += 1) {
    const chance = dice(seed);
    const tree = stack(...Array.from({ length: 1 + chance.below(3) }, () => randomLayer(chance)));
    const met = Array.from(tree.walk(), ({ entry, linkKey }) => ({ entry, linkKey }));
    assert.deepEqual(met, byName(tree), `seed ${seed}`);
  }
});

/** Entries as layers of strangers may have them: without their directories, below files, hard links of all orders, marks in any place. */
function randomLayer({ below, pick }: Dice): Entry[] {
  const entries = new Map<string, Entry>();
  const targets = new Set<string>();
  for (let count = below(13); count > 0; count -= 1) {
    const path = Array.from({ length: 1 + below(4) }, () => pick(['a', 'b', 'a-', 'a0'])).join('/');
    if (targets.has(path)) continue;
    const files = [...entries.values()].filter((other) => other.kind === 'file' && other.path !== path);
    const made = [file(path, String(count)), dir(path), dir(path, { opaque: true }), whiteout(path), symlink(path, 'x')];
    const target = files.length > 0 && below(4) === 0 ? pick(files).path : undefined;
    if (target !== undefined) targets.add(target);
    entries.set(path, target === undefined ? pick(made) : hardlink(path, target));
  }
  return [...entries.values()];
}

function byName(tree: StackTree, path = ''): { readonly entry: Entry; readonly linkKey: string | undefined }[] {
  return tree.entries(path).flatMap((entry) => {
    const own = { entry, linkKey: tree.linkKey(entry) };
    return entry.kind === 'dir' ? [own, ...byName(tree, entry.path)] : [own];
  });
}

test('what did not change is left out of a step, with marks that hide nothing', () => {
  const below = stack([dir('d'), file('d/same', 'x'), file('d/old', 'x'), dir('e'), dir('full'), file('full/x'), symlink('s', 't')]);
  const kept = trimUnchanged(
    [
      dir('d'),
      file('d/old', 'changed'),
      file('d/same', 'x'),
      dir('e'),
      dir('fresh', { opaque: true }),
      dir('full', { opaque: true }),
      whiteout('never'),
      symlink('s', 't'),
      whiteout('s2'),
    ],
    below,
  );
  assert.deepEqual(
    kept.map(({ path, opaque }) => [path, opaque]),
    [
      ['d', undefined],
      ['d/old', undefined],
      ['fresh', undefined],
      ['full', true],
    ],
  );
});

test('owners that the disk cannot hold are noted on it, modes too unless a step changed them', () => {
  const shadow = file('shadow', 'x', { uid: 7, gid: 42, mode: 0o040 });
  const note = ownerNote(shadow, 0, 0);
  assert.equal(note, '7:42:40');
  assert.deepEqual(notedOwner(note, file('shadow', 'y', { mode: 0o640 })), { uid: 7, gid: 42, mode: 0o040 });
  assert.deepEqual(notedOwner(note, file('shadow', 'y', { mode: 0o644 })), { uid: 7, gid: 42, mode: 0o644 });
  assert.deepEqual(notedOwner(ownerNote(dir('home', { uid: 1000, mode: 0o500 }), 0, 0), dir('home', { mode: 0o700 })), {
    uid: 1000,
    gid: 0,
    mode: 0o500,
  });
  assert.equal(ownerNote(file('ours', 'x', { mode: 0o644 }), 0, 0), undefined);
  for (const bad of [undefined, '', 'x', '1:2', '4294967295:0:644', '1:2:99999'])
    assert.equal(notedOwner(bad, file('new', 'y')), undefined, bad);
});

test('what can carry no note keeps the owner of the layers below', () => {
  const link: Entry = { path: 'l', kind: 'symlink', link: 'x', mode: 0o777, uid: 5, gid: 6, size: 0, mtime: 0, mtimeNs: 0 };
  assert.deepEqual(withKeptOwner({ ...link, uid: 0, gid: 0 }, stack([link])), link);
  assert.deepEqual(withKeptOwner(file('new', 'y'), stack([link])), file('new', 'y'));
});
