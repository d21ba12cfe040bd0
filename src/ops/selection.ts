// A path of an input, as a bind mount or a copy takes it: what it says (for keys), and folders that a process can be given.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BytePath, type Digest, digestHex, errnoOf, isSlipwayError, type JobContext, parseDigest } from '../base/index.ts';
import { pathDigest, type SelectedPath, type Tree } from '../layer/index.ts';
import { KeyChanged, type PathList } from '../solver/index.ts';
import type { FolderRef, Layer, RootFS } from '../snapshot/index.ts';
import { type FileDigester, folderDigest, FolderTree } from '../source/index.ts';
import { copy, COPY_EVERYTHING } from './copy.ts';
import { listDirectory, listPaths } from './copy-list.ts';
import {
  type CopyDestination,
  type CopySelector,
  explainMissing,
  refuseUnsent,
  selectedDirectory,
  selectorDigest,
  selectPaths,
} from './copy-select.ts';
import type { OpDeps } from './deps.ts';
import { Draft, type DraftItem, EMPTY_TREE } from './file-draft.ts';
import { cleanPath } from './file-path.ts';
import { foldersOf, placeName, snapshotDigest, treeOf } from './trees.ts';
import { writeLayer } from './write-layer.ts';

/** Who asks, for people. */
export interface SelectionAbout {
  /** What they call the input; undefined: the build context, or nothing in particular. */
  readonly name?: string | undefined;
  /** The step that reading files is a part of. */
  readonly vertex?: string;
  /** Where selected files go. */
  readonly destination?: CopyDestination | undefined;
}

/** The facts of selected paths. */
export interface Selection {
  readonly digest: Digest;
  /** Path by path; undefined when only the digest is remembered. */
  readonly list: (() => PathList) | undefined;
}

/** A path with everything below it, its own metadata included. */
function whole(path: BytePath): CopySelector {
  return {
    src: path,
    allowWildcard: false,
    followSymlink: true,
    dirCopyContents: false,
    includePatterns: [],
    excludePatterns: [],
    requiredPaths: [],
  };
}

/** Content digest of a path of input `index` (`''` or `/`: all of it), remembered by the input's identity. */
export function selectionDigest(input: RootFS, index: number, path: BytePath, deps: OpDeps, job: JobContext): Promise<Selection> {
  return selected(input, index, whole(path), {}, deps, job);
}

/**
 * Content digest of what a copy takes from input `index`. Throws NeedsBytes when nobody remembers it and the layers are not at hand,
 * `COPY_NOT_FOUND` with a way out when there is no such path.
 */
export async function selected(
  input: RootFS,
  index: number,
  selector: CopySelector,
  about: SelectionAbout,
  deps: OpDeps,
  job: JobContext,
): Promise<Selection> {
  const id = selectorDigest(selector);
  if (input.folder === undefined) {
    const known = await deps.pathDigests.get(input.identity, id);
    if (known !== undefined) return { digest: known, list: undefined };
  }
  const look = async (): Promise<Selection> => {
    // What was never looked into was never copied here: it is going to be read.
    const tree = await treeOf(input, index, 'index-then-bytes', deps, job);
    const whole = await wholeDirectory(input, tree, selector, about, deps, job);
    if (whole !== undefined) return whole;
    const paths = await selectAndHash(input, tree, selector, about, deps, job);
    return { digest: pathDigest(tree, paths), list: () => listPaths(selector, paths, (entry) => tree.digest(entry)) };
  };
  if (input.folder !== undefined) return await withNewLook(input.folder, deps, look, look);
  const selection = await look();
  await deps.pathDigests.set(input.identity, id, selection.digest);
  return selection;
}

/** A directory of the user's folder with all that is in it: most of it is only compared with what is remembered. Undefined: it is another selection. */
async function wholeDirectory(
  input: RootFS,
  tree: Tree,
  selector: CopySelector,
  about: SelectionAbout,
  deps: OpDeps,
  job: JobContext,
): Promise<Selection | undefined> {
  const directory = input.folder === undefined || !(tree instanceof FolderTree) ? undefined : selectedDirectory(tree, selector);
  if (input.folder === undefined || !(tree instanceof FolderTree) || directory === undefined) return undefined;
  const { path, top } = directory;
  const list = (): PathList => listDirectory(selector, tree, path, top);
  const key = `${selectorDigest(selector)} ${top.mode}`;
  const prefix = path === '' ? 0 : path.length + 1;
  const { vertex, destination } = about;
  const scan = (files: FileDigester): boolean =>
    tree.scan(path, (node) => files.add(node, destination?.place(node.entry.path.slice(prefix), node.entry)));
  const { found: same, read } = await foldersOf(deps).digest(input.folder, { vertex, owner: destination }, scan, job);
  const known = same ? tree.selection(key, path) : undefined;
  if (known !== undefined) return { digest: known, list };
  const digest = folderDigest(tree, path, top);
  tree.learnSelection(key, path, digest);
  if (read || tree.isLarge) foldersOf(deps).learn(input.folder, job);
  return { digest, list };
}

/** When a file of the folder changes under `work`, the folder is looked at anew, and `then` is done. */
async function withNewLook<T>(folder: FolderRef, deps: OpDeps, work: () => Promise<T>, then: (changed: Error) => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isSlipwayError(error, 'FILE_CHANGED')) throw error;
    foldersOf(deps).forget(folder);
    return await then(error);
  }
}

/** Selects; of a user's folder files are hashed as they are found. */
async function selectAndHash(
  input: RootFS,
  tree: Tree,
  selector: CopySelector,
  { name, vertex, destination }: SelectionAbout,
  deps: OpDeps,
  job: JobContext,
): Promise<readonly SelectedPath[]> {
  if (input.folder === undefined || !(tree instanceof FolderTree)) return select(tree, input, selector, name, deps);
  const find = (files: FileDigester): readonly SelectedPath[] =>
    select(tree, input, selector, name, deps, ({ path, entry }) => {
      const node = entry.kind === 'file' ? tree.node(entry.path) : undefined;
      if (node !== undefined) files.add(node, destination?.place(path, entry));
    });
  const { found, read } = await foldersOf(deps).digest(input.folder, { vertex, owner: destination }, find, job);
  if (read) foldersOf(deps).learn(input.folder, job);
  return found;
}

function select(
  tree: Tree,
  input: RootFS,
  selector: CopySelector,
  name: string | undefined,
  deps: OpDeps,
  onLeaf?: (leaf: SelectedPath) => void,
): readonly SelectedPath[] {
  try {
    const paths = selectPaths(tree, selector, onLeaf);
    const taken = input.folder === undefined ? undefined : deps.takenPaths?.(input.folder.name);
    if (taken !== undefined) refuseUnsent(tree, selector, paths, taken);
    return paths;
  } catch (error) {
    if (!isSlipwayError(error, 'COPY_NOT_FOUND')) throw error;
    throw explainMissing(error, tree, {
      where: placeName(input, name),
      ...(tree instanceof FolderTree ? { ignored: (path) => tree.isIgnored(path), patterns: input.folder?.exclude ?? [] } : {}),
    });
  }
}

/**
 * Folders in overlay's form, lowest first, that show an input: its layers', or those of a snapshot of the user's folder (only `selector`
 * and what leads to it), so that nothing changes under a running process.
 */
export async function materialize(
  input: RootFS | undefined,
  deps: OpDeps,
  job: JobContext,
  selector: BytePath = '',
): Promise<readonly string[]> {
  if (input === undefined) return [];
  const layers = input.folder === undefined ? input.layers : [await snapshotFolder(input, selector, deps, job)];
  return await Promise.all(layers.map((layer) => deps.layers.folder(layer, job)));
}

/** The selected path of a user's folder as a layer. An unchanged one is found again. Throws KeyChanged when a file changes under it. */
export async function snapshotFolder(input: RootFS, selector: BytePath, deps: OpDeps, job: JobContext): Promise<Layer> {
  if (input.folder === undefined) throw new Error('internal: a snapshot of what is no folder');
  return await withNewLook(
    input.folder,
    deps,
    () => snapshot(input, selector, deps, job),
    (changed) => Promise.reject(new KeyChanged(changed)),
  );
}

async function snapshot(input: RootFS, selector: BytePath, deps: OpDeps, job: JobContext): Promise<Layer> {
  const { digest } = await selectionDigest(input, -1, selector, deps, job);
  const tree = await treeOf(input, -1, 'bytes', deps, job);
  const path = cleanPath(selector);
  const entries = copyOf(tree, path);
  const memory = join(deps.stateFolder('snapshots'), digestHex(parseDigest(snapshotDigest(`${path}\0${digest}`, entries))));
  const known = rememberedLayer(memory, deps);
  if (known !== undefined) return known;
  const layer = await writeLayer(entries, { vertex: input.identity }, deps, job);
  mkdirSync(deps.stateFolder('snapshots'), { recursive: true });
  writeFileSync(memory, layer.id);
  return layer;
}

/** The path with its parents, on an empty tree. */
function copyOf(tree: Tree, path: BytePath): readonly DraftItem[] {
  const draft = new Draft(EMPTY_TREE);
  // A directory with its own mode and owner: it is what the process sees as the mount.
  const all = { ...COPY_EVERYTHING, src: path, dest: path, followSymlink: true, dirCopyContents: false };
  copy(draft, all, { source: tree, owner: undefined, now: { mtime: 0, mtimeNs: 0 }, unpack: () => false });
  return draft.finish();
}

/** A layer whose id a file keeps, if the store still has its bytes. */
export function rememberedLayer(file: string, deps: OpDeps): Layer | undefined {
  try {
    const layer = deps.layers.get(readFileSync(file, 'latin1'));
    return layer !== undefined && deps.layers.hasBytes(layer) ? layer : undefined;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
