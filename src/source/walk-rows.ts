// Everything below a directory of a folder, in the order of a layer: rows where they are all that there is, else what was seen.

import type { BytePath } from '../base/index.ts';
import type { FolderDirectory, FolderNode } from './folder-directory.ts';
import type { FolderTree } from './folder-tree.ts';

/** Told of a directory right before what is in it. */
export interface RowVisitor {
  /** A plain slot (`EntryRows`). `prefix` stands before its name. */
  row(directory: FolderDirectory, slot: number, prefix: Buffer): void;
  /** Anything else. `path`: with the prefix. */
  node(node: FolderNode, path: BytePath): void;
}

/** Walks what is below `path`, under `below` (`''`: relative to it). */
export function walkRows(tree: FolderTree, path: BytePath, below: BytePath, visitor: RowVisitor): void {
  for (const _ of pausingWalk(tree, path, below, visitor, () => false));
}

/** The same in steps: asks after each slot whether it is time for others. */
export function* pausingWalk(
  tree: FolderTree,
  path: BytePath,
  below: BytePath,
  visitor: RowVisitor,
  isTime: () => boolean,
): Generator<void, void, void> {
  const directory = tree.directory(path);
  const prefix = Buffer.from(below === '' ? '' : `${below}/`, 'latin1');
  for (let slot = 0; slot < directory.count; slot += 1) {
    if (directory.isPlain(slot)) visitor.row(directory, slot, prefix);
    else visitor.node(directory.node(slot), childOf(below, directory.name(slot)));
    if (isTime()) yield;
    if (!directory.isDirectory(slot)) continue;
    const name = directory.name(slot);
    yield* pausingWalk(tree, childOf(path, name), childOf(below, name), visitor, isTime);
  }
}

function childOf(path: BytePath, name: BytePath): BytePath {
  return path === '' ? name : `${path}/${name}`;
}
