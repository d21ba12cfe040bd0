// Keeps what a walk learnt for the next one.

import type { BytePath } from '../base/index.ts';
import type { FolderTree } from './folder-tree.ts';
import { encodeStatBlock, type StatCache, writeStatCache } from './stat-cache.ts';

/**
 * Writes the cache file anew if anything in it changed. What was not looked at this time keeps its records, unless it is
 * gone. Returns whether it wrote.
 */
export function rememberStats(file: string, tree: FolderTree, before: StatCache): boolean {
  const blocks = new Map<BytePath, Buffer>();
  const listed = new Map<BytePath, readonly BytePath[]>();
  let changed = false;
  for (const { path, records, names } of tree.remembered()) {
    const earlier = before.block(path);
    const block = records === undefined && earlier !== undefined ? earlier : encodeStatBlock(path, records ?? []);
    blocks.set(path, block);
    if (names !== undefined) listed.set(path, names);
    if (block !== earlier && earlier?.equals(block) !== true) changed = true;
  }
  for (const path of before.directories()) {
    if (blocks.has(path)) continue;
    const block = before.block(path);
    if (block !== undefined && mayStillBe(path, listed)) blocks.set(path, block);
    else changed = true;
  }
  if (!changed) return false;
  writeStatCache(
    file,
    [...blocks.keys()].sort().map((path) => blocks.get(path) as Buffer),
  );
  return true;
}

/** Whether no listed directory above lacks it. */
function mayStillBe(path: BytePath, listed: ReadonlyMap<BytePath, readonly BytePath[]>): boolean {
  for (let below = path; below !== '';) {
    const slash = below.lastIndexOf('/');
    const parent = slash < 0 ? '' : below.slice(0, slash);
    if (listed.get(parent)?.includes(below.slice(slash + 1)) === false) return false;
    below = parent;
  }
  return true;
}
