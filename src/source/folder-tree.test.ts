// User folders as trees: patterns, the stat cache, and files that change.

import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { digestOf, isSlipwayError, quietJob } from '../base/index.ts';
import { encodeTarHeader, type Entry, pathDigest, type SelectedPath } from '../layer/index.ts';
import { FileDigester } from './digest-files.ts';
import type { FolderFilter } from './filter.ts';
import { FileSpool } from './file-spool.ts';
import { folderDigest } from './folder-digest.ts';
import type { FolderNode } from './folder-directory.ts';
import { FolderTree } from './folder-tree.ts';
import { rememberStats } from './remember-stats.ts';
import { isRacy } from './racy.ts';
import { encodeStatBlock } from './stat-block.ts';
import { StatCache, writeStatCache } from './stat-cache.ts';

const root = mkdtempSync(join(tmpdir(), 'slipway-folder-'));
after(() => rmSync(root, { recursive: true, force: true }));
const job = quietJob();
let count = 0;

function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = join(root, String((count += 1)));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

async function digestFiles(tree: FolderTree, files: readonly FolderNode[]): Promise<void> {
  await using digester = new FileDigester(tree, job);
  for (const node of files) digester.add(node);
  await digester.finish();
}

/** Later than anything in the folder: nothing is racy. */
const later = (): Date => new Date(Date.now() + 60_000);

function paths(tree: FolderTree, directory = ''): string[] {
  return tree.list(directory).flatMap((name) => {
    const path = directory === '' ? name : `${directory}/${name}`;
    return [path, ...(tree.lookup(path)?.kind === 'dir' ? paths(tree, path) : [])];
  });
}

/** Leaves out `drop`; looks into `search` for what is kept. */
const filter: FolderFilter = {
  check: (path) => ({ verdict: /(^|\/)drop/.test(path) ? 'drop' : /(^|\/)search$/.test(path) ? 'search' : 'keep', state: undefined }),
};

test('directories that are left out show only when something in them is kept', () => {
  const folder = folderOf({ 'a/drop1': '', 'search/keep': '', 'x/search/drop2': '', 'drop/f': '', z: '' });
  mkdirSync(join(folder, 'empty'));
  const tree = new FolderTree(folder, { filter, now: later });
  assert.deepEqual(paths(tree), ['a', 'empty', 'search', 'search/keep', 'x', 'z']);
  // The same when asked for one path.
  const single = new FolderTree(folder, { filter, now: later });
  assert.equal(single.lookup('x/search'), undefined);
  assert.equal(single.lookup('drop/f'), undefined);
  assert.equal(single.lookup('search/keep')?.kind, 'file');
  assert.equal(single.isIgnored('drop/f'), true);
  assert.equal(single.isIgnored('nothing'), false);
});

test('entries are root’s, with mode, time and link; a link is never followed', () => {
  const folder = folderOf({ f: 'x' });
  chmodSync(join(folder, 'f'), 0o4711);
  utimesSync(join(folder, 'f'), 1, 1234);
  symlinkSync('/etc', join(folder, 'l'));
  const tree = new FolderTree(folder, { now: later });
  const { mode, uid, gid, mtime, size } = tree.lookup('f') as Entry;
  assert.deepEqual({ mode, uid, gid, mtime, size }, { mode: 0o4711, uid: 0, gid: 0, mtime: 1234, size: 1 });
  assert.equal(tree.lookup('l')?.link, '/etc');
  assert.deepEqual(tree.list('l'), []);
  assert.equal(tree.lookup('l/hostname'), undefined);
});

test('a context may be a symlink to a folder, not a file or nothing', () => {
  const folder = folderOf({ f: 'x' });
  symlinkSync(folder, join(root, 'link'));
  assert.deepEqual(paths(new FolderTree(join(root, 'link'), { now: later })), ['f']);
  for (const path of [join(folder, 'f'), join(root, 'none')]) {
    assert.throws(
      () => new FolderTree(path, { now: later }),
      (error) => isSlipwayError(error, 'CONTEXT_NOT_FOUND'),
    );
  }
});

/** Hashes everything and remembers it; `read` says which files were really read. */
async function scan(
  folder: string,
  cacheFile: string,
  now = later,
): Promise<{ digests: Record<string, string>; known: string[]; wrote: boolean }> {
  const cache = StatCache.read(cacheFile);
  const tree = new FolderTree(folder, { cache, now });
  const nodes = paths(tree)
    .flatMap((path) => (tree.lookup(path)?.kind === 'file' ? [tree.node(path)] : []))
    .filter((node) => node !== undefined);
  const known = nodes.filter((node) => node.digest !== undefined).map((node) => node.entry.path);
  await digestFiles(tree, nodes);
  const digests = Object.fromEntries(nodes.map((node) => [node.entry.path, tree.digest(node.entry)]));
  return { digests, known, wrote: rememberStats(cacheFile, tree, cache) };
}

test('the stat cache remembers digests until something that stat shows changes', async () => {
  const folder = folderOf({ 'd/a': 'a', 'd/b': 'b', 'e/c': 'c' });
  const cacheFile = join(root, 'cache1');
  const first = await scan(folder, cacheFile);
  assert.deepEqual(first.known, []);
  assert.equal(first.digests['d/a'], digestOf('a'));
  const second = await scan(folder, cacheFile);
  assert.deepEqual(second, { digests: first.digests, known: ['d/a', 'd/b', 'e/c'], wrote: false });
  // Same size, same mtime, other bytes.
  utimesSync(join(folder, 'd/a'), 5, 5);
  await scan(folder, cacheFile);
  writeFileSync(join(folder, 'new'), 'A');
  utimesSync(join(folder, 'new'), 5, 5);
  renameSync(join(folder, 'new'), join(folder, 'd/a'));
  const third = await scan(folder, cacheFile);
  assert.deepEqual(third.known, ['d/b', 'e/c']);
  assert.equal(third.digests['d/a'], digestOf('A'));
  rmSync(join(folder, 'e'), { recursive: true });
  assert.equal((await scan(folder, cacheFile)).wrote, true);
  assert.deepEqual([...StatCache.read(cacheFile).directories()], ['', 'd']);
});

test('all of a large folder is remembered from the first look, also what was listed before anybody knew that it is large', async () => {
  const folder = folderOf(Object.fromEntries(Array.from({ length: 2000 }, (_, at) => [`d${at % 4}/f${at}`, `${at}`])));
  const cacheFile = join(root, 'cache7');
  const look = async (): Promise<{ isLarge: boolean; same: boolean; read: number }> => {
    const cache = StatCache.read(cacheFile);
    const tree = new FolderTree(folder, { cache, now: later });
    const found: FolderNode[] = [];
    const same = tree.scan('', (node) => found.push(node));
    await digestFiles(tree, found);
    rememberStats(cacheFile, tree, cache);
    return { isLarge: tree.isLarge, same, read: found.length };
  };
  assert.deepEqual(await look(), { isLarge: true, same: false, read: 2000 });
  assert.deepEqual(await look(), { isLarge: true, same: true, read: 0 });
});

test('a file that was looked at alone is remembered beside the others', async () => {
  const folder = folderOf({ 'd/a': 'a', 'd/b': 'b', 'd/c': 'c' });
  const cacheFile = join(root, 'cache5');
  const alone = async (path: string): Promise<boolean> => {
    const cache = StatCache.read(cacheFile);
    const tree = new FolderTree(folder, { cache, now: later });
    tree.lookup(path);
    const node = tree.node(path);
    const known = node?.digest !== undefined;
    await digestFiles(tree, node === undefined ? [] : [node]);
    rememberStats(cacheFile, tree, cache);
    return known;
  };
  assert.deepEqual([await alone('d/b'), await alone('d/a'), await alone('d/b'), await alone('d/a')], [false, false, true, true]);
  assert.deepEqual((await scan(folder, cacheFile)).known, ['d/a', 'd/b']);
  assert.deepEqual((await scan(folder, cacheFile)).known, ['d/a', 'd/b', 'd/c']);
});

test('the first look at a file that was written just now leaves a cache file, so that the next look makes none', async () => {
  const folder = folderOf({ a: 'a' });
  const cacheFile = join(root, 'cache6');
  const alone = async (now: () => Date): Promise<{ known: boolean; wrote: boolean }> => {
    const cache = StatCache.read(cacheFile);
    const tree = new FolderTree(folder, { cache, now });
    const node = tree.node('a');
    assert.ok(node !== undefined);
    const known = node.digest !== undefined;
    await digestFiles(tree, [node]);
    return { known, wrote: rememberStats(cacheFile, tree, cache) };
  };
  const atOnce = (): Date => new Date(0);
  assert.deepEqual(await alone(atOnce), { known: false, wrote: true });
  assert.deepEqual(await alone(atOnce), { known: false, wrote: false });
  assert.deepEqual(await alone(later), { known: false, wrote: true });
  assert.deepEqual(await alone(later), { known: true, wrote: false });
});

test('what was written just now is not remembered: it could change again unseen', async () => {
  const folder = folderOf({ a: 'a' });
  const cacheFile = join(root, 'cache2');
  const atOnce = new Date(statSync(join(folder, 'a')).ctimeMs + 1);
  await scan(folder, cacheFile, () => atOnce);
  assert.deepEqual((await scan(folder, cacheFile, () => atOnce)).known, []);
  const stamp = { ino: 1, size: 1, mtime: 0, mtimeNs: 0, ctime: 1000, ctimeNs: 500 };
  assert.equal(isRacy(stamp, 1_000_001), true);
  assert.equal(isRacy(stamp, 1_000_100), false);
  // Whole seconds: a filesystem that cannot tell finer.
  assert.equal(isRacy({ ...stamp, ctimeNs: 0 }, 1_001_000), true);
});

test('a damaged cache file costs reading, nothing else', async () => {
  const folder = folderOf({ 'd/a': 'a' });
  const cacheFile = join(root, 'cache3');
  await scan(folder, cacheFile);
  const bytes = readFileSync(cacheFile);
  for (let length = 0; length < bytes.length; length += 7) {
    writeFileSync(cacheFile, bytes.subarray(0, length));
    assert.equal((await scan(folder, cacheFile)).digests['d/a'], digestOf('a'));
  }
  const wrong = Buffer.from(bytes);
  wrong.writeUInt32LE(0xffffffff, 8);
  writeStatCache(cacheFile, [], new Map());
  writeFileSync(cacheFile, wrong);
  assert.deepEqual((await scan(folder, cacheFile)).known, []);
  assert.equal(new StatCache(Buffer.concat([Buffer.from('SLWSTAT2'), Buffer.alloc(4), encodeStatBlock('d', [])])).block('d'), undefined);
});

test('a file that changes after it was seen is noticed when it is read, and while it is read', () => {
  const folder = folderOf({ a: 'one', b: 'one', c: 'one' });
  // Written a while ago: many kernels cannot tell two changes within one tick of their clock apart.
  for (const name of ['a', 'b', 'c']) utimesSync(join(folder, name), 1000, 1000);
  const tree = new FolderTree(folder, { now: later });
  const [a, b, c] = ['a', 'b', 'c'].map((path) => tree.lookup(path) as Entry) as [Entry, Entry, Entry];
  const changed = (error: unknown): boolean => isSlipwayError(error, 'FILE_CHANGED');
  writeFileSync(join(folder, 'a'), 'two');
  assert.throws(() => tree.open(a), changed);
  rmSync(join(folder, 'b'));
  symlinkSync('/etc/passwd', join(folder, 'b'));
  assert.throws(() => tree.digest(b), changed);
  const open = tree.open(c);
  writeFileSync(join(folder, 'c'), 'more');
  assert.throws(() => open[Symbol.dispose](), changed);
});

test('many files are hashed in threads, to the same digests', async () => {
  const files = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`d${index % 7}/f${index}`, `text ${index}`]));
  const folder = folderOf(files);
  const { digests } = await scan(folder, join(root, 'cache4'));
  assert.deepEqual(
    digests,
    Object.fromEntries(
      Object.entries(files)
        .map(([path, text]) => [path, digestOf(text)])
        .sort(),
    ),
  );
});

test('a file too large to be hashed beside other work is left to a thread, whoever hashes the small ones around it', async () => {
  const small = Object.fromEntries(Array.from({ length: 900 }, (_, index) => [`s${index % 3}/f${index}`, `small ${index}`]));
  const heavy = Object.fromEntries(['a', 's1/m', 'z'].map((path) => [path, path.at(-1)?.repeat(34 << 20) ?? '']));
  const folder = folderOf({ ...small, ...heavy });
  const { digests } = await scan(folder, join(root, 'cache-heavy'));
  const expected = Object.entries({ ...small, ...heavy }).map(([path, text]) => [path, digestOf(text)]);
  assert.deepEqual(digests, Object.fromEntries(expected.sort()));
});

test('files that threads hashed are read from the spool: what is copied is what was hashed', async () => {
  const files = Object.fromEntries(
    Array.from({ length: 450 }, (_, index) => [`d${index % 9}/f${index}`, `bytes of ${index} `.repeat(index)]),
  );
  const folder = folderOf({ ...files, 'd0/large': 'x'.repeat((1 << 20) + 1), 'd0/empty': '' });
  const tree = new FolderTree(folder, { now: later });
  const nodes = paths(tree).flatMap((path) => tree.node(path) ?? []);
  let count = 0;
  using spool = new FileSpool(() => join(root, 'spool', `file${(count += 1)}`));
  await using digester = new FileDigester(tree, job, { spool, owner: { uid: 7, gid: 8 } });
  for (const node of nodes) digester.add(node, `app/${node.entry.path}`);
  await digester.finish();
  // One processor hashes without threads.
  const threads = availableParallelism() > 1;
  if (threads) writeFileSync(join(folder, 'd1/f1'), 'written after');
  let spooled = 0;
  for (const { entry } of nodes.filter((node) => node.entry.kind === 'file')) {
    using bytes = tree.open(entry);
    const found = Buffer.alloc(entry.size);
    assert.equal(readSync(bytes.fd, found, 0, entry.size, bytes.offset), entry.size);
    assert.equal(digestOf(found), tree.digest(entry), entry.path);
    if (bytes.pack === undefined) continue;
    spooled += 1;
    // Where a header is promised it stands, so that the file is as good as a layer's tar.
    const { header } = bytes.pack;
    const length = header?.headerBytes ?? assert.fail('no header');
    assert.deepEqual(header, { ...entry, path: `app/${entry.path}`, uid: 7, gid: 8, headerBytes: length });
    const before = Buffer.alloc(length);
    readSync(bytes.fd, before, 0, length, bytes.offset - length);
    assert.deepEqual(before, encodeTarHeader(header));
  }
  assert.equal(spooled, threads ? 449 : 0); // all but the empty ones and the large one
  spool[Symbol.dispose]();
  if (threads) assert.deepEqual(readdirSync(join(root, 'spool')), []);
});

/** All below a directory of a tree, as a selection. */
function* everything(tree: FolderTree, path: string, relative: string): Generator<SelectedPath> {
  for (const name of tree.list(path)) {
    const entry = tree.lookup(`${path}/${name}`) as Entry;
    const below = relative === '' ? name : `${relative}/${name}`;
    yield { path: below, entry };
    if (entry.kind === 'dir') yield* everything(tree, entry.path, below);
  }
}

for (const top of ['top', ''])
  test(`many files are only compared with what is remembered, ${top === '' ? 'of a whole folder' : 'of a part'}: any change shows, and nothing else`, async () => {
    const inTop = (path: string): string => (top === '' ? path : `${top}/${path}`);
    const files = Object.fromEntries(Array.from({ length: 1800 }, (_, index) => [inTop(`d${index % 40}/f${index}`), `text ${index}`]));
    const folder = folderOf({
      ...files,
      [inTop('search/keep')]: 'k',
      [inTop('drop/f')]: 'f',
      [inTop('caf\u00e9/f')]: 'f',
      [inTop('empty')]: '',
    });
    symlinkSync('d1/f1', join(folder, inTop('link')));
    const cacheFile = join(root, `cache6${top}`);
    const plain = { check: filter.check };
    /** Whether all was remembered, and whether the digest of the selection was. */
    const look = async (with_ = { ...filter, id: 'a' }): Promise<readonly [same: boolean, known: boolean]> => {
      const cache = StatCache.read(cacheFile);
      const tree = new FolderTree(folder, { cache, now: later, filter: with_ });
      await using digester = new FileDigester(tree, job);
      const same = tree.scan(top, (file) => digester.add(file));
      const entry = tree.lookup(top) as Entry;
      const known = same ? tree.selection('all', top) : undefined;
      await digester.finish();
      const digest = folderDigest(tree, top, entry);
      // The truth: without any memory.
      const fresh = new FolderTree(folder, { now: later, filter: plain });
      assert.equal(digest, pathDigest(fresh, [{ path: '', entry }, ...everything(fresh, top, '')]));
      // A remembered entry tells its digest.
      const plainly = [...everything(tree, top, '')].map(({ path, entry: { digest: _, ...entry } }) => ({ path, entry }));
      assert.deepEqual(plainly, [...everything(fresh, top, '')]);
      if (known !== undefined) assert.equal(known, digest);
      tree.learnSelection('all', top, digest);
      rememberStats(cacheFile, tree, cache);
      return [same, known !== undefined];
    };
    await look();
    // Directories that were read before there were many are listed anew once.
    await look();
    assert.deepEqual(await look(), [true, true]);
    const at = (path: string): string => join(folder, top, path);
    const changes: readonly (() => void)[] = [
      () => writeFileSync(at('d3/f3'), 'other 3'),
      () => writeFileSync(at('d3/new'), 'new'),
      () => rmSync(at('d3/new')),
      () => chmodSync(at('d7/f7'), 0o600),
      () => utimesSync(at('d8/f8'), 1, 1),
      () => chmodSync(at('d9'), 0o700),
      () => renameSync(at('d9'), at('d9b')),
      () => (rmSync(at('link')), symlinkSync('d1/f2', at('link'))),
      () => (rmSync(at('d5/f5')), mkdirSync(at('d5/f5'))),
      () => writeFileSync(at('search/drop1'), ''),
      () => (mkdirSync(at('x/search'), { recursive: true }), writeFileSync(at('x/search/drop2'), '')),
    ];
    for (const [index, change] of changes.entries()) {
      change();
      assert.deepEqual(await look(), [false, false], `change ${index}`);
      // A folder that shows nothing might show something next time: it is looked at each time.
      assert.deepEqual(await look(), index < changes.length - 1 ? [true, true] : [false, false], `after change ${index}`);
    }
    rmSync(at('x'), { recursive: true });
    await look();
    rmSync(at('search/keep'));
    assert.deepEqual(await look(), [false, false]);
    writeFileSync(at('search/keep'), 'again');
    await look();
    assert.deepEqual(await look(), [true, true]);
    // Another filter: nothing of what this one left is believed, but digests are.
    assert.deepEqual(await look({ ...filter, id: 'b' }), [false, false]);
    assert.deepEqual(await look({ ...filter, id: 'b' }), [true, true]);
  });
