// Directories that are copied as one piece: what comes out is what a copy of their entries gives, with and without an earlier layer.

import assert from 'node:assert/strict';
import { chmodSync, linkSync, mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mock, test } from 'node:test';
import type { CopyAction, FileAction, FileSpec } from '../graph/index.ts';
import { LayerWriter, type Tree } from '../layer/index.ts';
import type { RootFS } from '../snapshot/index.ts';
import { FolderTree } from '../source/index.ts';
import { type DraftEntry, readSource } from './file-draft.ts';
import { createFileOp } from './file-op.ts';
import { parseModeChange } from './file-mode.ts';
import { planFiles } from './file-plan.ts';
import { expandGrafts } from './graft.ts';
import { createLocalOp } from './local-op.ts';
import { MemoryTree } from './memory-tree.ts';
import { COPY as COPY_ALL, job, type TestPlace, testPlace, vertexOf } from './test-deps.ts';
import { keepFolders } from './trees.ts';

const COPY: CopyAction = { ...COPY_ALL, src: '/src', dest: '/app/' };

/** So many files that a folder is remembered as a large one. */
const MANY = 1600;
const PER_FOLDER = 50;

function makeFolder(folder: string, files: number): void {
  for (let at = 0; at < files; at += 1) {
    const directory = join(folder, 'src', `d${Math.floor(at / PER_FOLDER) % 7}`, `g${Math.floor(at / PER_FOLDER)}`);
    if (at % PER_FOLDER === 0) mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, `f${at}`), `text ${at}`);
  }
  writeFileSync(join(folder, 'src/empty'), '');
  writeFileSync(join(folder, 'src/d0/program'), 'p', { mode: 0o4755 });
  chmodSync(join(folder, 'src/d0/program'), 0o4755);
  symlinkSync('program', join(folder, 'src/d0/link'));
  mkdirSync(join(folder, 'src/hollow'), { mode: 0o700 });
}

function show({ entry, bytes }: DraftEntry): unknown {
  return [entry, entry.size === 0 ? '' : readSource(bytes, 1000, entry.path).toString()];
}

const place = testPlace();

test('grafts and entries are the same changes, whatever is done to them', () => {
  const folder = join(place.root, 'plain');
  makeFolder(folder, 120);
  const copy = (action: Partial<CopyAction>): FileAction['action'] => ({ ...COPY, ...action });
  const after = (action: FileAction['action'], source = -1): readonly [FileAction['action'], number] => [action, source];
  const base = new MemoryTree({ 'app/old': { data: 'old' }, 'app/d1/g1/f50': { data: 'old' }, 'none/x': { kind: 'dir' } });
  const empty = new MemoryTree({});
  const owner = { user: { id: 5 }, group: { id: 6 } };
  const cases: readonly (readonly [Tree, ...(readonly [FileAction['action'], number])[]])[] = [
    [empty, after(copy({}), 1)],
    [empty, after(copy({ src: '/', dest: '/' }), 1)],
    [base, after(copy({}), 1)],
    [base, after(copy({ dest: '/none/x' }), 1)],
    [base, after(copy({ dirCopyContents: false }), 1)],
    [base, after(copy({ alwaysReplaceExistingDestPaths: true }), 1)],
    [empty, after(copy({ owner, timestamp: 77 }), 1)],
    [empty, after(copy({ mode: 0o640 }), 1)],
    [empty, after(copy({ mode: 'g+w,o=' }), 1)],
    [empty, after(copy({ excludePatterns: ['**/f1*'] }), 1)],
    [empty, after(copy({}), 1), after(copy({ src: '/src/d1' }), 1)],
    [empty, after(copy({}), 1), after({ kind: 'rm', path: '/app/d0/g0', allowNotFound: false, allowWildcard: false })],
    [empty, after(copy({}), 1), after({ kind: 'rm', path: '/app', allowNotFound: false, allowWildcard: false })],
    [empty, after(copy({}), 1), after(copy({ src: '/app/d0', dest: '/again' }), 2)],
  ];
  assert.equal(parseModeChange('g+w,o=')(0o644, false), 0o660);
  for (const [below, ...actions] of cases) {
    const spec: FileSpec = {
      type: 'file',
      actions: actions.map(([action, secondaryInput], at) => ({
        input: at === 0 ? 0 : at + 1,
        secondaryInput,
        output: at === actions.length - 1 ? 0 : -1,
        action,
      })),
    };
    const planned = (isScanned: boolean): readonly unknown[] => {
      const tree = new FolderTree(folder, { now: () => new Date() });
      if (isScanned) tree.scan('', () => {});
      const around = { now: { mtime: 5000, mtimeNs: 0 }, archive: () => undefined, unknownOwner: () => {} };
      const [output] = planFiles(spec, [below, tree], around);
      const items = output?.layers.at(-1) ?? [];
      if (!isScanned) assert.ok(items.every((item) => 'entry' in item));
      return expandGrafts(items).map(show);
    };
    assert.deepEqual(planned(true), planned(false), JSON.stringify(actions));
  }
});

test('a folder with files of several names is taken apart', () => {
  const folder = join(place.root, 'linked');
  makeFolder(folder, 60);
  linkSync(join(folder, 'src/d0/program'), join(folder, 'src/hollow/same'));
  const tree = new FolderTree(folder, { now: () => new Date() });
  tree.scan('', () => {});
  const spec: FileSpec = { type: 'file', actions: [{ input: 0, secondaryInput: 1, output: 0, action: COPY }] };
  const around = { now: { mtime: 5000, mtimeNs: 0 }, archive: () => undefined, unknownOwner: () => {} };
  const items = planFiles(spec, [new MemoryTree({}), tree], around)[0]?.layers[0] ?? [];
  assert.ok(items.some((item) => 'entry' in item && item.entry.kind === 'hardlink'));
  assert.ok(items.every((item) => 'entry' in item));
});

/** A build of its own, long after anything changed. */
async function build(at: TestPlace, folder: string, action: Partial<CopyAction>): Promise<RootFS> {
  at.folders.set('context', folder);
  const later = { ...job, now: () => new Date(Date.now() + 60_000) };
  const deps = { ...at.deps };
  const context = await createLocalOp({ kind: 'local', name: 'context', exclude: [] }, '', deps).exec([], later);
  const spec: FileSpec = { type: 'file', actions: [{ input: -1, secondaryInput: 0, output: 0, action: { ...COPY, ...action } }] };
  const vertex = vertexOf(spec, [vertexOf({ type: 'source', source: { kind: 'local', name: 'context', exclude: [] } })]);
  const op = createFileOp(vertex, spec, 'Dockerfile\0main\0linux/COPY 1', deps);
  await op.cacheMap(context, later);
  const [rootfs] = await op.exec(context, later);
  keepFolders(deps);
  return rootfs as RootFS;
}

test('what an earlier layer has is taken over, and the layer is the one that is made without it', async () => {
  const folder = join(place.root, 'many');
  makeFolder(folder, MANY);
  const file = join(folder, 'src/d0/g0/f7');
  const changes: readonly (() => void)[] = [
    () => {},
    () => writeFileSync(file, 'other'),
    () => writeFileSync(join(folder, 'src/d3/a-new-one'), 'new'),
    () => unlinkSync(join(folder, 'src/d6/g6/f300')),
    () => renameSync(join(folder, 'src/d2/g2'), join(folder, 'src/d2/g2b')),
    () => chmodSync(join(folder, 'src/d4/g4/f200'), 0o600),
    () => chmodSync(join(folder, 'src/d5'), 0o711),
    () => rmSync(join(folder, 'src/d1'), { recursive: true }),
    () => writeFileSync(join(folder, 'src/empty'), 'no more'),
  ];
  const taken = mock.method(LayerWriter.prototype, 'addRow');
  for (const [at, change] of changes.entries()) {
    change();
    taken.mock.resetCalls();
    const layer = (await build(place, folder, {})).layers[0];
    const rows = taken.mock.calls.filter(({ result }) => result === true).length;
    // The first build has nothing; the second one learns how the first directories list.
    if (at > 1) assert.ok(rows > MANY - 500, `${rows} after change ${at}`);
    const other = testPlace();
    const fresh = (await build(other, folder, {})).layers[0];
    assert.ok(layer !== undefined && fresh !== undefined);
    const [index, plain] = [place.layers.written.get(layer.id)?.index, other.layers.written.get(fresh.id)?.index];
    assert.equal(layer.contentDigest, fresh.contentDigest);
    const withoutPlaces = (entries: NonNullable<typeof index>['entries'] | undefined): readonly unknown[] =>
      (entries ?? []).map(({ offset, pack, headerBytes, ...facts }) => ({ ...facts, placed: [offset, pack, headerBytes].length }));
    // But for directories that are made on the way, which have the build's time.
    const facts = (made: typeof index): readonly unknown[] => withoutPlaces(made?.entries.slice(1));
    assert.deepEqual(facts(index), facts(plain));
    assert.deepEqual(
      await place.show({ identity: layer.contentDigest, layers: [layer] } as RootFS),
      await other.show({ identity: fresh.contentDigest, layers: [fresh] } as RootFS),
    );
  }
  // Other owners and times are other headers: nothing is taken over but the bytes.
  taken.mock.resetCalls();
  await build(place, folder, { owner: { user: { id: 5 }, group: { id: 6 } }, timestamp: 9 });
  assert.equal(taken.mock.calls.filter(({ result }) => result === true).length, 0);
  taken.mock.resetCalls();
  await build(place, folder, { owner: { user: { id: 5 }, group: { id: 6 } }, timestamp: 9 });
  assert.ok(taken.mock.calls.filter(({ result }) => result === true).length > MANY - 500);
  mock.restoreAll();
});
