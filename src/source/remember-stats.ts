// Keeps what a walk learnt for the next one.

import type { BytePath } from '../base/index.ts';
import type { FolderTree } from './folder-tree.ts';
import { sortDirectories, type StatCache, writeStatCache } from './stat-cache.ts';

/**
 * Writes the cache file anew if anything in it changed. What was not looked at this time keeps its records, unless it is
 * gone. Returns whether it wrote.
 */
export function rememberStats(file: string, tree: FolderTree, before: StatCache): boolean {
  const blocks = new Map<BytePath, Buffer>();
  const listed = new Map<BytePath, () => readonly BytePath[]>();
  const changed: BytePath[] = [];
  for (const { path, block, names } of tree.remembered()) {
    blocks.set(path, block);
    if (names !== undefined) listed.set(path, names);
    const earlier = before.block(path)?.encoded;
    if (earlier === undefined || (earlier.buffer !== block.buffer && !earlier.equals(block))) changed.push(path);
  }
  for (const path of before.directories()) {
    if (blocks.has(path)) continue;
    const block = before.block(path)?.encoded;
    if (block !== undefined && mayStillBe(path, listed)) blocks.set(path, block);
    else changed.push(path);
  }
  const selections = new Map([...before.selections].filter(([, { scope }]) => !changed.some((path) => isBelow(path, scope))));
  const kept = selections.size;
  for (const [key, selection] of tree.learnt) if (selections.get(key)?.digest !== selection.digest) selections.set(key, selection);
  if (changed.length === 0 && selections.size === kept && kept === before.selections.size) return false;
  const sorted = sortDirectories(blocks.keys()).map((path) => blocks.get(path) as Buffer);
  writeStatCache(file, sorted, new Map([...selections].slice(-MAX_SELECTIONS)));
  return true;
}

/** So many digests of selections are kept, the newest: an edited Dockerfile leaves others behind. */
const MAX_SELECTIONS = 64;

function isBelow(path: BytePath, scope: BytePath): boolean {
  return scope === '' || path === scope || path.startsWith(`${scope}/`);
}

/** Whether no listed directory above lacks it. */
function mayStillBe(path: BytePath, listed: ReadonlyMap<BytePath, () => readonly BytePath[]>): boolean {
  for (let below = path; below !== '';) {
    const slash = below.lastIndexOf('/');
    const parent = slash < 0 ? '' : below.slice(0, slash);
    if (
      listed
        .get(parent)?.()
        .includes(below.slice(slash + 1)) === false
    )
      return false;
    below = parent;
  }
  return true;
}
