// Directories that are not listed again: only as long as their own stamps say that nothing was made, removed or renamed in them.

import assert from 'node:assert/strict';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, mock, test } from 'node:test';
import { DirectoryReader } from '../sys/index.ts';
import type { FolderFilter } from './filter.ts';
import { folderDigest } from './folder-digest.ts';
import { FolderTree } from './folder-tree.ts';
import { showsNewNames } from './listing-times.ts';
import { rememberStats } from './remember-stats.ts';
import { StatCache } from './stat-cache.ts';

const root = mkdtempSync(join(tmpdir(), 'slipway-listing-'));
after(() => rmSync(root, { recursive: true, force: true }));
const folder = join(root, 'folder');
const cacheFile = join(root, 'cache');
/** Later than anything in the folder: nothing is racy. */
const later = (): Date => new Date(Date.now() + 60_000);
const KEEP: FolderFilter = { id: '', check: () => ({ verdict: 'keep', state: undefined }) };
const opened = mock.method(DirectoryReader.prototype, 'open');
const compared = mock.method(DirectoryReader.prototype, 'statAll');

/** A look at all, or at what `what` looks at. How many directories were listed. */
function look(what: (tree: FolderTree) => void = (tree) => void tree.scan('', () => {}), now = later): number {
  const cache = StatCache.read(cacheFile);
  const tree = new FolderTree(folder, { cache, now, filter: KEEP });
  opened.mock.resetCalls();
  what(tree);
  const listed = opened.mock.callCount();
  const digest = folderDigest(tree, '', tree.lookup('') ?? assert.fail());
  const fresh = new FolderTree(folder, { now: later });
  assert.equal(digest, folderDigest(fresh, '', fresh.lookup('') ?? assert.fail()), 'what is there, and nothing else');
  rememberStats(cacheFile, tree, cache);
  return listed;
}

/** As `look`, but only this directory is looked into, and that is remembered. */
function lookInto(directory: string): void {
  const cache = StatCache.read(cacheFile);
  const tree = new FolderTree(folder, { cache, now: later, filter: KEEP });
  for (const entry of tree.entries(directory)) if (entry.kind === 'file') tree.digest(entry);
  rememberStats(cacheFile, tree, cache);
}

test(
  'unchanged directories are not listed; whatever changes in one is seen',
  { skip: !showsNewNames(tmpdir()) && 'another filesystem' },
  () => {
    for (let at = 0; at < 1600; at += 1) {
      const directory = join(folder, `d${at % 8}`, `g${at % 40}`);
      mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, `f${at}`), `text ${at}`);
    }
    for (let again = 0; again < 3; again += 1) look();
    assert.equal(look(), 0);
    const at = (path: string): string => join(folder, path);
    const changes: readonly (() => void)[] = [
      () => writeFileSync(at('d1/g1/new'), 'new'),
      () => rmSync(at('d1/g1/new')),
      () => renameSync(at('d2/g2/f2'), at('d2/g2/renamed')),
      () => renameSync(at('d3/g3'), at('d3/g3b')),
      () => (renameSync(at('d4/g4'), at('aside')), renameSync(at('d4/g12'), at('d4/g4')), renameSync(at('aside'), at('d4/g12'))),
      () => mkdirSync(at('d5/g5/empty')),
      // Its times are set back, as archives do: when it changed is told all the same.
      () => {
        const { atime, mtime } = statSync(at('d6/g6'));
        writeFileSync(at('d6/g6/hidden'), 'hidden');
        utimesSync(at('d6/g6'), atime, mtime);
      },
    ];
    for (const [index, change] of changes.entries()) {
      change();
      assert.ok(look() > 0, `change ${index}`);
      assert.equal(look(), 0, `after change ${index}`);
    }
  },
);

test(
  'what is as it was is compared in place; only the directory of a changed file is looked at closely',
  { skip: !showsNewNames(tmpdir()) && 'another filesystem' },
  () => {
    const scan = (): readonly [same: boolean, closely: number, count: number | undefined] => {
      const cache = StatCache.read(cacheFile);
      const tree = new FolderTree(folder, { cache, now: later, filter: KEEP });
      compared.mock.resetCalls();
      const same = tree.scan('', () => {});
      assert.equal(tree.countBelow('d2/g10'), readdirSync(join(folder, 'd2/g10')).length);
      return [same, compared.mock.callCount(), tree.countBelow('')];
    };
    for (let again = 0; again < 2; again += 1) look();
    const [same, closely, count] = scan();
    assert.deepEqual([same, closely], [true, 0]);
    assert.equal(count, readdirSync(folder, { recursive: true }).length);
    const file = join(folder, 'd2/g2/f42');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.toUpperCase());
    // Its directory, which has the same names.
    assert.deepEqual(scan(), [false, 1, count]);
    // Several names of one file are not counted on.
    look();
    assert.deepEqual(scan(), [true, 0, count]);
    linkSync(file, join(folder, 'd2/g2/linked'));
    look();
    look();
    const tree = new FolderTree(folder, { cache: StatCache.read(cacheFile), now: later, filter: KEEP });
    assert.equal(
      tree.scan('', () => {}),
      true,
    );
    assert.equal(tree.countBelow(''), undefined);
    const [a, b] = ['d2/g2/f42', 'd2/g2/linked'].map((path) => tree.linkKey(tree.lookup(path) ?? assert.fail()));
    assert.ok(a !== undefined && a === b);
    rmSync(join(folder, 'd2/g2/linked'));
    look();
  },
);

test(
  'a folder that turned into a symlink behind its stamp is not followed',
  { skip: !showsNewNames(tmpdir()) && 'another filesystem' },
  () => {
    look();
    assert.equal(look(), 0);
    const outside = join(root, 'outside');
    renameSync(join(folder, 'd3/g11'), outside);
    symlinkSync(outside, join(folder, 'd3/g11'));
    look();
    const tree = new FolderTree(folder, { cache: StatCache.read(cacheFile), now: later, filter: KEEP });
    tree.scan('', () => {});
    assert.equal(tree.lookup('d3/g11')?.kind, 'symlink');
    assert.deepEqual(tree.list('d3/g11'), []);
    rmSync(join(folder, 'd3/g11'));
    renameSync(outside, join(folder, 'd3/g11'));
    look();
    assert.equal(tree.lookup('d3/g11')?.kind, 'symlink', 'what was seen stays');
  },
);

test(
  'a directory that was only seen from above after it changed is listed',
  { skip: !showsNewNames(tmpdir()) && 'another filesystem' },
  () => {
    look();
    assert.equal(look(), 0);
    writeFileSync(join(folder, 'd7/g7/late'), 'late');
    // The new stamp of d7/g7 is remembered, what is in it is not.
    lookInto('d7');
    assert.equal(look(), 1);
    assert.equal(look(), 0);
  },
);

test(
  'a directory that changed a moment before it was listed is listed again',
  { skip: !showsNewNames(tmpdir()) && 'another filesystem' },
  () => {
    writeFileSync(join(folder, 'd0/g0/soon'), 'soon');
    const now = (): Date => new Date(statSync(join(folder, 'd0/g0')).ctimeMs + 1);
    look(undefined, now);
    assert.ok(look() > 0);
    look();
    assert.equal(look(), 0);
  },
);
