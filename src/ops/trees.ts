// Root filesystems as trees.

import { digestOf, type JobContext } from '../base/index.ts';
import type { Tree } from '../layer/index.ts';
import { NeedsBytes } from '../solver/index.ts';
import type { FolderRef, RootFS, TreeNeed } from '../snapshot/index.ts';
import type { OpDeps } from './deps.ts';
import { type DraftItem, EMPTY_TREE } from './file-draft.ts';
import { FolderTrees } from './folders.ts';
import { expandGrafts } from './graft.ts';

const folders = new WeakMap<OpDeps, FolderTrees>();

/** The folder trees of a build: one set for all its ops. */
export function foldersOf(deps: OpDeps): FolderTrees {
  let known = folders.get(deps);
  if (known === undefined) folders.set(deps, (known = new FolderTrees(deps.stateFolder('folders'), deps.spool)));
  return known;
}

/** Keeps what a build learnt of users' folders for the next one. */
export function keepFolders(deps: OpDeps): void {
  folders.get(deps)?.keep();
}

/**
 * What an op sees of input `index`. Undefined stands for the empty filesystem. Throws NeedsBytes when the layers are remembered but
 * nowhere at hand.
 */
export async function treeOf(input: RootFS | undefined, index: number, need: TreeNeed, deps: OpDeps, job: JobContext): Promise<Tree> {
  if (input === undefined) return EMPTY_TREE;
  if (input.folder !== undefined) return foldersOf(deps).tree(input.folder, job);
  if (input.layers.length === 0) return EMPTY_TREE;
  if (input.layers.some((layer) => !deps.layers.hasBytes(layer))) throw new NeedsBytes(index);
  return await deps.layers.tree(input.layers, need, job);
}

/** Content and times of a layer's entries: what a snapshot of a folder is remembered by. */
export function snapshotDigest(content: string, items: readonly DraftItem[]): string {
  return digestOf([content, ...expandGrafts(items).map(({ entry }) => `${entry.mtime}.${entry.mtimeNs}`)].join('\n'));
}

/** After a change was noticed: the folder is looked at anew. True when there was a folder to forget. */
export function forgetFolders(inputs: readonly (RootFS | undefined)[], deps: OpDeps): boolean {
  const refs = inputs.flatMap((input): FolderRef[] => (input?.folder === undefined ? [] : [input.folder]));
  for (const ref of refs) foldersOf(deps).forget(ref);
  return refs.length > 0;
}

/** What a context is called in messages. */
export function placeName(input: RootFS | undefined, name: string | undefined): string {
  if (input?.folder !== undefined)
    return input.folder.name === 'context' ? 'the build context' : `the context ${JSON.stringify(input.folder.name)}`;
  return name === undefined ? 'the build context' : JSON.stringify(name);
}
