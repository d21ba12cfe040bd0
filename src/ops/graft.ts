// Grafts in a list of changes: of very many files that are as they were nothing is made.

import type { BytePath } from '../base/index.ts';
import { checkPathLength, type RowChange } from '../layer/index.ts';
import { type FolderDirectory, type FolderNode, type FolderTree, pausingWalk } from '../source/index.ts';
import { changed, placed } from './entry-meta.ts';
import type { DraftEntry, DraftGraft, DraftItem } from './file-draft.ts';

/** Who is told of all that is in a graft. */
export interface GraftTaker {
  /** Takes a row as it is. False: it is wanted as an entry. */
  row(prefix: Buffer, rows: FolderDirectory, slot: number, change: RowChange): boolean;
  entry(entry: DraftEntry): void;
  /** Whether others should have a turn: asked after each of them. */
  isTime(): boolean;
}

/** How many things a list of changes says. */
export function countItems(items: readonly DraftItem[]): number {
  return items.reduce((count, item) => count + ('graft' in item ? item.graft.count : 1), 0);
}

/** All entries of a list. */
export function expandGrafts(items: readonly DraftItem[]): readonly DraftEntry[] {
  const entries: DraftEntry[] = [];
  const taker: GraftTaker = { row: () => false, entry: (entry) => entries.push(entry), isTime: () => false };
  for (const item of items) {
    if ('entry' in item) entries.push(item);
    else for (const _ of takeGraft(item, taker));
  }
  return entries;
}

/** Goes through a graft in the order of a layer, in steps. */
export function takeGraft({ graft, below }: DraftGraft, taker: GraftTaker): Generator<void, void, void> {
  const { tree, path, change } = graft;
  const node = (found: FolderNode, at: BytePath): void => {
    checkPathLength(at);
    taker.entry(draftEntry(tree, found, at, change));
  };
  const row = (rows: FolderDirectory, slot: number, prefix: Buffer): void => {
    if (!taker.row(prefix, rows, slot, change)) node(rows.node(slot), prefix.toString('latin1') + rows.name(slot));
  };
  return pausingWalk(tree, path, below, { row, node }, () => taker.isTime());
}

function draftEntry(tree: FolderTree, { entry, digest }: FolderNode, path: BytePath, change: RowChange): DraftEntry {
  const meta = changed(entry, change);
  if (entry.kind !== 'file' || entry.size === 0) return { entry: placed(path, meta) };
  return { entry: placed(path, meta, digest ?? entry.digest), bytes: { kind: 'tree', tree, entry } };
}
