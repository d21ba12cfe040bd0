// Chains of file actions: what is removed, replaced, made; and which layers come out of which action.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '../base/index.ts';
import type { FileAction, FileSpec } from '../graph/index.ts';
import type { Entry, Tree } from '../layer/index.ts';
import { COPY_EVERYTHING } from './copy.ts';
import { type DraftEntry, readSource } from './file-draft.ts';
import { parseModeChange } from './file-mode.ts';
import { type PlannedOutput, planFiles } from './file-plan.ts';
import { expandGrafts } from './graft.ts';
import { type Literal, MemoryTree } from './memory-tree.ts';

type Said = FileAction['action'];

function plan(spec: FileSpec, trees: readonly Tree[]): readonly PlannedOutput[] {
  return planFiles(spec, trees, { now: { mtime: 5, mtimeNs: 0 }, archive: () => undefined, unknownOwner: () => {} });
}

/** Actions one after another on a base, as one layer. */
function chain(base: Readonly<Record<string, Literal>>, ...actions: readonly Said[]): string[] {
  const spec: FileSpec = {
    type: 'file',
    actions: actions.map((action, index) => ({ input: index, secondaryInput: -1, output: index === actions.length - 1 ? 0 : -1, action })),
  };
  const [output] = plan(spec, [new MemoryTree(base)]);
  assert.equal(output?.layers.length, 1);
  return expandGrafts(output?.layers[0] ?? []).map(show);
}

function show({ entry, bytes }: DraftEntry): string {
  const content = entry.kind === 'file' ? readSource(bytes, 1000, entry.path).toString('latin1') : (entry.link ?? '');
  return `${entry.path} ${entry.kind}${entry.opaque === true ? ' opaque' : ''} ${content}`.trim();
}

const rm = (path: string, allowWildcard = false): Said => ({ kind: 'rm', path, allowNotFound: false, allowWildcard });
const mkdir = (path: string, makeParents = true): Said => ({ kind: 'mkdir', path, mode: 0o755, makeParents });
const mkfile = (path: string, data: string): Said => ({ kind: 'mkfile', path, mode: 0o600, data });

test('what is removed becomes a whiteout, once, and what was only planned leaves no trace', () => {
  assert.deepEqual(chain({ 'a/b': 'b', 'a/c': 'c' }, rm('/a/b')), ['a dir', 'a/b whiteout']);
  assert.deepEqual(chain({ 'a/b': 'b' }, rm('/a')), ['a whiteout']);
  assert.deepEqual(chain({ d: null }, mkfile('/d/f', 'x'), rm('/d/f')), []);
  assert.deepEqual(chain({ x1: '', x2: '', y: '', 'd/x3': '' }, rm('/x*', true)), ['x1 whiteout', 'x2 whiteout']);
  assert.deepEqual(chain({ 'd/x': '', 'e/x': '' }, rm('/*/x', true)), ['d dir', 'd/x whiteout', 'e dir', 'e/x whiteout']);
});

test('a directory made where another was removed hides what was in it', () => {
  assert.deepEqual(chain({ 'a/b/c': 'c' }, rm('/a/b'), mkdir('/a/b'), mkfile('/a/b/d', 'd')), ['a dir', 'a/b dir opaque', 'a/b/d file d']);
  assert.deepEqual(chain({ a: 'file' }, rm('/a'), mkdir('/a/b')), ['a dir', 'a/b dir']);
});

test('links lead removals to their directory, not to their end', () => {
  const base = { 'real/f': 'f', l: { link: 'real' }, dangling: { link: 'nowhere' } };
  assert.deepEqual(chain(base, rm('/l/f')), ['real dir', 'real/f whiteout']);
  assert.deepEqual(chain(base, rm('/l')), ['l whiteout']);
  assert.deepEqual(chain(base, rm('/dangling')), ['dangling whiteout']);
  assert.throws(
    () => chain(base, rm('/')),
    (error) => isSlipwayError(error, 'PATH_INVALID'),
  );
  assert.throws(
    () => chain(base, rm('/none')),
    (error) => isSlipwayError(error, 'PATH_MISSING'),
  );
});

test('directories, files and symlinks are made where their parents are', () => {
  assert.deepEqual(chain({ w: { link: 'v' } }, mkdir('/w/x')), ['v dir', 'v/x dir']);
  assert.deepEqual(chain({ d: { kind: 'dir', mode: 0o700 } }, mkdir('/d')), []);
  assert.throws(() => chain({}, mkdir('/a/b', false)), /mkdir \/a: no such file or directory/);
  assert.throws(() => chain({}, mkfile('/a/b', '')), /no such file or directory/);
  assert.throws(() => chain({ f: '' }, mkdir('/f/x')), /mkdir \/f: not a directory/);
  assert.deepEqual(chain({}, { kind: 'symlink', path: '/s', target: 't\xff' }), ['s symlink t\xff']);
  assert.throws(() => chain({ s: '' }, { kind: 'symlink', path: '/s', target: 't' }), /file exists/);
  // A file that was there keeps its mode, the bytes are the new ones, through a link too.
  assert.deepEqual(chain({ f: { data: 'old', mode: 0o755 }, l: { link: 'f' } }, mkfile('/l', '\xff')), ['f file \xff']);
});

test('a result that others use too is a layer of its own', () => {
  const copyFrom = (input: number, secondaryInput: number, output: number, dest: string): FileAction => ({
    input,
    secondaryInput,
    output,
    action: { ...COPY_EVERYTHING, dest },
  });
  const first: FileAction = { input: -1, secondaryInput: -1, output: 0, action: mkfile('/one', '1') };
  const second: FileAction = { input: 0, secondaryInput: -1, output: -1, action: mkfile('/two', '2') };
  const outputs = plan({ type: 'file', actions: [first, second, copyFrom(1, 0, 1, '/in'), copyFrom(-1, 2, 2, '/all')] }, []);
  assert.deepEqual(
    outputs.map(({ layers }) => layers.map((layer) => expandGrafts(layer).map(show))),
    [
      [['one file 1']],
      [['one file 1'], ['in dir', 'in/one file 1', 'two file 2']],
      [['all dir', 'all/in dir', 'all/in/one file 1', 'all/one file 1', 'all/two file 2']],
    ],
  );
  assert.equal(outputs[1]?.layers[0], outputs[0]?.layers[0]);
});

test('symbolic modes as BSD’s chmod reads them', () => {
  const cases: readonly (readonly [change: number | string, before: number, after: number, isDirectory?: boolean])[] = [
    [0o4711, 0, 0o4711],
    ['0640', 0o777, 0o640],
    ['u=rwX,go=rX', 0o600, 0o644],
    ['u=rwX,go=rX', 0o700, 0o755],
    ['u=rwX,go=rX', 0o600, 0o755, true],
    ['+x', 0o644, 0o755],
    ['go-rwx', 0o755, 0o700],
    ['g=u', 0o740, 0o770],
    ['g=u-w', 0o740, 0o750],
    ['o=', 0o4777, 0o4770],
    ['u+s,g+s', 0o755, 0o6755],
    ['+t', 0o777, 0o1777],
    ['=r', 0o6777, 0o444],
    ['a=rw', 0o1777, 0o1666],
  ];
  for (const [change, before, after, isDirectory = false] of cases) {
    assert.equal(parseModeChange(change)(before, isDirectory).toString(8), after.toString(8), `${change} on ${before.toString(8)}`);
  }
  for (const wrong of ['u+q', 'x', '9', '77777', '0888', '', '+x,']) {
    assert.throws(
      () => parseModeChange(wrong),
      (error) => isSlipwayError(error, 'CHMOD_INVALID'),
      wrong,
    );
  }
});

test('twenty thousand files are planned without asking twice for any', () => {
  let lookups = 0;
  const entry = (path: string, kind: Entry['kind']): Entry => ({
    path,
    kind,
    mode: 0o755,
    uid: 0,
    gid: 0,
    size: kind === 'file' ? 1 : 0,
    mtime: 1,
    mtimeNs: 0,
  });
  const names = Array.from({ length: 200 }, (_, index) => `d${index}`);
  const files = Array.from({ length: 100 }, (_, index) => `f${index}`);
  const tree: Tree = {
    lookup: (path) => {
      lookups += 1;
      return entry(path, path.includes('/') ? 'file' : 'dir');
    },
    list: (path) => (path === '' ? names : files),
    open: () => assert.fail('no byte is read'),
    digest: () => assert.fail('no byte is hashed'),
    linkKey: () => undefined,
  };
  const [output] = plan(
    { type: 'file', actions: [{ input: -1, secondaryInput: 0, output: 0, action: { ...COPY_EVERYTHING, dest: '/x' } }] },
    [tree],
  );
  assert.equal(output?.layers[0]?.length, 20_201);
  assert.equal(lookups, 20_201);
});
