// File ops over real folders: what keys them, what they write, what they say when something is missing or changes.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, renameSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { isSlipwayError, type SlipwayError } from '../base/index.ts';
import type { CopyAction, FileSpec, LocalSource } from '../graph/index.ts';
import type { RootFS } from '../snapshot/index.ts';
import { type CacheMap, KeyChanged, MemoryCache, NeedsBytes, type Op, readPathList, Solver } from '../solver/index.ts';
import { createFileOp } from './file-op.ts';
import { createLocalOp } from './local-op.ts';
import { snapshotFolder } from './selection.ts';
import { COPY, job, testPlace, vertexOf } from './test-deps.ts';

const place = testPlace();
let folders = 0;

/** A context folder with these files. */
function context(files: Readonly<Record<string, string>>): string {
  const folder = join(place.root, `context${(folders += 1)}`);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

async function local(folder: string, exclude: readonly string[] = []): Promise<RootFS> {
  place.folders.set('context', folder);
  const source: LocalSource = { kind: 'local', name: 'context', exclude };
  const [rootfs] = await createLocalOp(source, '', place.deps).exec([], job);
  return rootfs as RootFS;
}

/** A COPY from the context; every call is a build of its own. */
function copyOp(action: Partial<CopyAction>, base = false): Op<RootFS> {
  const spec: FileSpec = {
    type: 'file',
    actions: [{ input: base ? 1 : -1, secondaryInput: 0, output: 0, action: { ...COPY, ...action } }],
  };
  const source = vertexOf({ type: 'source', source: { kind: 'local', name: 'context', exclude: [] } });
  const vertex = vertexOf(spec, base ? [source, source] : [source], { instruction: 'COPY . .' });
  return createFileOp(vertex, spec, 'Dockerfile\0main\0linux/COPY 1', { ...place.deps });
}

async function build(
  folder: string,
  action: Partial<CopyAction>,
  exclude: readonly string[] = [],
): Promise<{ map: CacheMap; rootfs: RootFS }> {
  const op = copyOp(action);
  const inputs = [await local(folder, exclude)];
  const map = await op.cacheMap(inputs, job);
  const [rootfs] = await op.exec(inputs, job);
  return { map, rootfs: rootfs as RootFS };
}

test('a context is copied without what is ignored, owned by root', async () => {
  const folder = context({ 'a/x.txt': 'x', 'a/y.log': 'y', 'keep.log': 'k', '.git/config': 'g' });
  chmodSync(join(folder, 'a/x.txt'), 0o640);
  const { map, rootfs } = await build(folder, { dest: '/app/' }, ['**/*.log', '!keep.log', '.git']);
  assert.deepEqual(await place.show(rootfs), [
    'app dir 755 0:0',
    'app/a dir 755 0:0',
    'app/a/x.txt file 640 0:0 x',
    'app/keep.log file 644 0:0 k',
  ]);
  const files = map.fields.find(({ name }) => name === 'files');
  assert.deepEqual(
    [...readPathList(files?.list?.() ?? Buffer.alloc(0)).values()].map(({ path, kind, mode }) => [path, kind, mode]),
    [
      ['a', 'dir', 0o755],
      ['a/x.txt', 'file', 0o640],
      ['keep.log', 'file', 0o644],
    ],
  );
  assert.deepEqual(map.notes, [{ name: 'ignore', value: '**/*.log\n!keep.log\n.git' }]);
});

test('what keys a copy: bytes, modes and names; not times, not the folder’s place, not what is not selected', async () => {
  const files = { 'src/a': 'a', 'src/b': 'b', other: 'o' };
  const folder = context(files);
  const key = async (action: Partial<CopyAction> = {}, at = folder, exclude: readonly string[] = []): Promise<string> =>
    (await copyOp({ src: '/src', dest: '/d', ...action }).cacheMap([await local(at, exclude)], job)).key;
  const first = await key();
  utimesSync(join(folder, 'src/a'), 1, 1);
  writeFileSync(join(folder, 'other'), 'changed');
  assert.equal(await key(), first);
  assert.equal(await key({}, context(files)), first);
  assert.equal(await key({ src: '/src/' }), first);
  assert.notEqual(await key({ dest: '/e' }), first);
  assert.notEqual(await key({ owner: { user: { id: 1 } } }), first);
  const excluded = await key({ excludePatterns: ['b'] });
  assert.notEqual(excluded, first);
  writeFileSync(join(folder, 'src/b'), 'B');
  assert.notEqual(await key(), first);
  assert.equal(await key({ excludePatterns: ['b'] }), excluded);
  writeFileSync(join(folder, 'src/b'), 'b');
  assert.equal(await key(), first);
  chmodSync(join(folder, 'src/b'), 0o755);
  assert.notEqual(await key(), first);
  chmodSync(join(folder, 'src/b'), 0o644);
  renameSync(join(folder, 'src/b'), join(folder, 'src/c'));
  assert.notEqual(await key(), first);
});

test('a file replaced by one of the same size and time is noticed', async () => {
  const folder = context({ f: 'one' });
  utimesSync(join(folder, 'f'), 1000, 1000);
  const first = await build(folder, { src: '/f', dest: '/f' });
  writeFileSync(join(folder, 'new'), 'two');
  utimesSync(join(folder, 'new'), 1000, 1000);
  renameSync(join(folder, 'new'), join(folder, 'f'));
  const second = await build(folder, { src: '/f', dest: '/f' });
  assert.notEqual(second.map.key, first.map.key);
  assert.deepEqual(await place.show(second.rootfs), ['f file 644 0:0 two']);
});

test('a file that changes after it was keyed is not copied under the old key', async () => {
  const folder = context({ f: 'one' });
  // Written a while ago: many kernels cannot tell two changes within one tick of their clock apart.
  utimesSync(join(folder, 'f'), 1000, 1000);
  const op = copyOp({ src: '/f', dest: '/f' });
  const inputs = [await local(folder)];
  await op.cacheMap(inputs, job);
  writeFileSync(join(folder, 'f'), 'two');
  await assert.rejects(op.exec(inputs, job), (error) => error instanceof KeyChanged && isSlipwayError(error.cause, 'FILE_CHANGED'));
  // Written anew with the same bytes: the key still holds.
  const again = copyOp({ src: '/f', dest: '/f' });
  await again.cacheMap(inputs, job);
  writeFileSync(join(folder, 'f'), 'two');
  const [rootfs] = await again.exec(inputs, job);
  assert.deepEqual(await place.show(rootfs as RootFS), ['f file 644 0:0 two']);
});

test('the engine keys such a copy anew, once', async () => {
  const folder = context({ f: 'one' });
  const rootfs = await local(folder);
  const op = copyOp({ src: '/f', dest: '/f' });
  let writes = 0;
  const meddled: Op<RootFS> = {
    ...op,
    exec: (inputs, about) => {
      // Longer each time: seen also within one tick of the kernel's clock.
      if ((writes += 1) <= limit) writeFileSync(join(folder, 'f'), `write ${'1'.repeat(writes)}`);
      return op.exec(inputs, about);
    },
  };
  let limit = 1;
  const run = (name: string): Promise<readonly RootFS[]> => {
    const progress = { id: name, name, inputs: [] };
    const source = {
      digest: `${name} source`,
      inputs: [],
      progress,
      ignoreCache: false,
      op: { ...createLocalOp({ kind: 'local', name: 'context', exclude: [] }, '', place.deps), exec: () => Promise.resolve([rootfs]) },
    };
    const vertex = { digest: name, inputs: [{ vertex: source, output: 0 }], progress, ignoreCache: false, op: meddled };
    const solver = new Solver<RootFS>(new MemoryCache(), { process: 1, files: 1, network: 1 });
    return solver.solve([{ vertex, output: 0 }], job).then(({ outputs }) => outputs);
  };
  const [made] = await run('once');
  assert.deepEqual(await place.show(made as RootFS), ['f file 644 0:0 write 1']);
  limit = 100;
  await assert.rejects(run('always'), (error) => isSlipwayError(error, 'FILE_CHANGED'));
});

test('a missing path says what is near, or what hides it', async () => {
  const folder = context({ 'src/main.go': 'm', 'secret.txt': 's' });
  const fails = async (src: string, message: RegExp, hint: RegExp): Promise<void> => {
    await assert.rejects(build(folder, { src }, ['*.txt']), (error) => {
      const { code, hint: given = '' } = error as SlipwayError;
      assert.equal(code, 'COPY_NOT_FOUND');
      assert.match((error as Error).message, message);
      assert.match(given, hint);
      return true;
    });
  };
  await fails('/src/mian.go', /^"\/src\/mian\.go": not found$/, /did you mean "\/src\/main\.go"/);
  await fails('/scr/main.go', /^"\/scr\/main\.go": not found$/, /did you mean "\/src"/);
  await fails('/secret.txt', /not found/, /pattern "\*\.txt" of \.dockerignore leaves it out/);
  await fails('/src/main.go/*', /^"\/src\/main\.go\/\*": not found$/, /"\/src\/main\.go" is a file/);
  await fails('/src/*.rs', /^"\/src\/\*\.rs": not found$/, /nothing in "\/src" matches/);
  symlinkSync('nowhere', join(folder, 'src/dangling'));
  await fails('/src/dangling', /not found/, /^"\/src\/dangling" is a symlink to "nowhere", which is not there$/);
  await fails('/src/dangling/x', /not found/, /^"\/src\/dangling" is a symlink to "nowhere"/);
  await fails('/nothing-like-it', /not found/, /no such file or directory in the build context/);
});

test('symlinks of the context never lead out of it', async () => {
  const folder = context({ 'd/f': 'f' });
  symlinkSync('../../../../../etc/hostname', join(folder, 'out'));
  symlinkSync('/d', join(folder, 'in'));
  await assert.rejects(build(folder, { src: '/out' }), /"\/out": not found/);
  const { rootfs } = await build(folder, { src: '/in/f', dest: '/f' });
  assert.deepEqual(await place.show(rootfs), ['f file 644 0:0 f']);
  const all = await build(folder, { dest: '/all' });
  assert.ok((await place.show(all.rootfs)).includes('all/out symlink 777 0:0 ../../../../../etc/hostname'));
});

test('names that are no UTF-8 survive', async () => {
  const folder = context({ 'd/x': 'x' });
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/d/`), Buffer.from([0xff, 0xfe])]), 'raw');
  const { rootfs } = await build(folder, { src: '/d', dest: '/d' });
  assert.deepEqual(await place.show(rootfs), ['d dir 755 0:0', 'd/x file 644 0:0 x', 'd/\xff\xfe file 644 0:0 raw']);
});

test('copies onto a base: only the change set is written, owners come from its files', async () => {
  const base = await build(context({ 'etc/passwd': 'ann:x:501:601::/:/bin/sh\n', 'usr/bin/sh': 'sh' }), {});
  const folder = context({ app: 'app' });
  const op = copyOp(
    { src: '/app', dest: '/usr/bin/', owner: { user: { name: 'ann', input: 1 }, group: { name: 'gone', input: 1 } } },
    true,
  );
  const inputs = [await local(folder), base.rootfs];
  await op.cacheMap(inputs, job);
  const [rootfs] = await op.exec(inputs, job);
  assert.equal(rootfs?.layers.length, 2);
  assert.deepEqual((await place.show(rootfs)).slice(-2), ['usr/bin/app file 644 501:601 app', 'usr/bin/sh file 644 0:0 sh']);
  const own = place.layers.written.get(rootfs?.layers[1]?.id ?? '')?.index.entries.map(({ path }) => path);
  assert.deepEqual(own, ['usr', 'usr/bin', 'usr/bin/app']);
  assert.match(place.notices.join(), /group "gone" is not in the image's \/etc\/group/);
});

test('a remembered selection keys without bytes; an unknown one asks for them', async () => {
  const made = await build(context({ bin: 'bin' }), {});
  const spec: FileSpec = {
    type: 'file',
    actions: [{ input: -1, secondaryInput: 0, output: 0, action: { ...COPY, src: '/bin', dest: '/bin' } }],
  };
  const stage = vertexOf({ type: 'merge' }, [], { stage: 'build' });
  const keyOf = (rootfs: RootFS): Promise<CacheMap> => createFileOp(vertexOf(spec, [stage]), spec, '', place.deps).cacheMap([rootfs], job);
  const known = await keyOf(made.rootfs);
  assert.equal(known.fields.find(({ name }) => name === 'files build')?.name, 'files build');
  const gone: RootFS = { identity: made.rootfs.identity, layers: [{ id: 'elsewhere', createdAt: 0 }] };
  assert.equal((await keyOf(gone)).key, known.key);
  await assert.rejects(keyOf({ ...gone, identity: made.map.key }), (error) => error instanceof NeedsBytes && error.input === 0);
});

test('archives are taken apart by content, as a tar would in a chroot', async () => {
  const folder = context({ 'in/d/f': 'packed', 'plain.tar.gz': 'not an archive' });
  const tar = (...args: readonly string[]): void => {
    execFileSync('tar', ['--owner=8', '--group=9', '--sort=name', '-C', join(folder, 'in'), ...args]);
  };
  tar('-cf', join(folder, 'a.tar'), 'd');
  tar('-cJf', join(folder, 'b.bin'), 'd/f');
  writeFileSync(join(folder, 'c'), gzipSync(execFileSync('cat', [join(folder, 'a.tar')])));
  const add = async (src: string, dest: string): Promise<string[]> =>
    await place.show((await build(folder, { src, dest, attemptUnpack: true })).rootfs);
  const members = ['x dir 755 0:0', 'x/d dir 755 8:9', 'x/d/f file 644 8:9 packed'];
  assert.deepEqual(await add('/a.tar', '/x'), members);
  assert.deepEqual(await add('/c', '/x/'), members);
  assert.deepEqual(await add('/b.bin', '/x'), ['x dir 755 0:0', 'x/d dir 755 0:0', 'x/d/f file 644 8:9 packed']);
  // An owner is for all members, a mode for none of them.
  const changed = await build(folder, {
    src: '/a.tar',
    dest: '/x',
    attemptUnpack: true,
    owner: { user: { id: 5 }, group: { id: 6 } },
    mode: 0o700,
  });
  assert.deepEqual(await place.show(changed.rootfs), ['x dir 755 5:6', 'x/d dir 755 5:6', 'x/d/f file 644 5:6 packed']);
  assert.deepEqual(await add('/plain.tar.gz', '/x/'), ['x dir 755 0:0', 'x/plain.tar.gz file 644 0:0 not an archive']);
});

test('a large copy that is repeated refers to what the last one wrote', async () => {
  const files = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`f${index}`, `content ${index} `.repeat(50)]));
  const folder = context(files);
  const first = await build(folder, {});
  writeFileSync(join(folder, 'f7'), 'changed');
  const second = await build(folder, {});
  const written = place.layers.written.get(second.rootfs.layers[0]?.id ?? '');
  assert.deepEqual(written?.packs, ['tar', 'tar.1']);
  const shown = await place.show(second.rootfs);
  assert.equal(shown.length, 300);
  assert.ok(shown.includes('f7 file 644 0:0 changed'));
  assert.notEqual(first.rootfs.identity, second.rootfs.identity);
});

test('a bind mount sees a snapshot: what is selected, as it was keyed', async () => {
  const folder = context({ 'src/f': 'one', 'other/g': 'g', ignored: 'i' });
  chmodSync(join(folder, 'src'), 0o750);
  // As above: what is written below is to differ in its time.
  for (const name of ['src/f', 'other/g']) utimesSync(join(folder, name), 1000, 1000);
  const rootfs = await local(folder, ['ignored']);
  const first = await snapshotFolder(rootfs, '/src', place.deps, job);
  assert.deepEqual(await place.show({ identity: rootfs.identity, layers: [first] }), ['src dir 750 0:0', 'src/f file 644 0:0 one']);
  assert.equal((await snapshotFolder(rootfs, 'src/', place.deps, job)).id, first.id);
  const whole = await snapshotFolder(rootfs, '/', place.deps, job);
  assert.deepEqual((await place.show({ identity: rootfs.identity, layers: [whole] })).length, 4);
  // Keyed and changed: what was keyed is still had, what was not yet copied must be keyed anew.
  writeFileSync(join(folder, 'src/f'), 'two');
  writeFileSync(join(folder, 'other/g'), 'h');
  assert.equal((await snapshotFolder(rootfs, '/src', place.deps, job)).id, first.id);
  await assert.rejects(snapshotFolder(rootfs, '/other', place.deps, job), (error) => error instanceof KeyChanged);
  const second = await snapshotFolder(rootfs, '/src', place.deps, job);
  assert.deepEqual(await place.show({ identity: rootfs.identity, layers: [second] }), ['src dir 750 0:0', 'src/f file 644 0:0 two']);
});
