// The sorted entries of one layer, and the rules that a set of entries must keep to be one.

import { type BytePath, type Digest, fromBytePath, SlipwayError } from '../base/index.ts';
import { contentDigest } from './content-digest.ts';
import { compareEntryPaths, type Entry } from './entry.ts';
import type { LayerIndex } from './tree.ts';

/** Sorts entries into an index. Throws a plain Error for two entries of one path: the maker lost count. */
export function makeLayerIndex(entries: Iterable<Entry>): LayerIndex {
  const sorted = [...entries];
  if (!isSorted(sorted)) sorted.sort((a, b) => compareEntryPaths(a.path, b.path));
  for (let at = 1; at < sorted.length; at += 1) {
    if (sorted[at]?.path === sorted[at - 1]?.path) throw new Error(`internal: two entries for ${fromBytePath(sorted[at]?.path ?? '')}`);
  }
  return new SortedEntries(orderHardlinks(sorted), undefined);
}

/** Makes the first path of each shared file its file and the others links to it, whichever was which: so a tar in order can be written. */
function orderHardlinks(sorted: Entry[]): Entry[] {
  const shared = new Map<BytePath, BytePath[]>();
  let inOrder = true;
  for (const { kind, path, link } of sorted) {
    if (kind !== 'hardlink' || link === undefined) continue;
    const names = shared.get(link);
    if (names === undefined) shared.set(link, [path]);
    else names.push(path);
    inOrder &&= compareEntryPaths(link, path) < 0;
  }
  if (inOrder) return sorted;
  for (const [target, names] of shared) {
    const first = names[0] as BytePath;
    if (compareEntryPaths(target, first) < 0) continue;
    const targetAt = findEntry(sorted, target);
    const file = sorted[targetAt];
    if (file === undefined || file.kind === 'hardlink')
      throw new Error(`internal: a hard link to ${fromBytePath(target)}, which is no file`);
    sorted[findEntry(sorted, first)] = { ...file, path: first };
    for (const name of [...names.slice(1), target]) {
      const { mode, uid, gid, mtime, mtimeNs } = file;
      sorted[findEntry(sorted, name)] = { path: name, kind: 'hardlink', mode, uid, gid, size: 0, mtime, mtimeNs, link: first };
    }
  }
  return sorted;
}

/** An index whose digest is computed when somebody asks, unless it is known. */
export class SortedEntries implements LayerIndex {
  readonly entries: readonly Entry[];
  #digest: Digest | undefined;

  constructor(entries: readonly Entry[], digest: Digest | undefined) {
    this.entries = entries;
    this.#digest = digest;
  }

  get contentDigest(): Digest {
    return this.digestBy(() => contentDigest(this.entries));
  }

  /** The content digest, computed by whoever can do so sooner, if it is not known. */
  digestBy(compute: () => Digest): Digest {
    return (this.#digest ??= compute());
  }
}

/** Position of a path in sorted entries; `-(insertion point) - 1` when it is not there. */
export function findEntry(entries: readonly Entry[], path: BytePath, from = 0, to = entries.length): number {
  let low = from;
  let high = to - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const order = compareEntryPaths((entries[middle] as Entry).path, path);
    if (order === 0) return middle;
    if (order < 0) low = middle + 1;
    else high = middle - 1;
  }
  return -low - 1;
}

/** First position after everything below the directory `path`, searching from `from` (where the directory itself, or its first child, is). */
export function subtreeEnd(entries: readonly Entry[], path: BytePath, from: number, to = entries.length): number {
  if (path === '') return to;
  const prefix = `${path}/`;
  const below = (at: number): boolean => {
    const candidate = (entries[at] as Entry).path;
    return candidate === path || candidate.startsWith(prefix);
  };
  // Subtrees are mostly small: gallop, then bisect.
  let step = 1;
  let low = from;
  while (low + step < to && below(low + step)) {
    low += step;
    step *= 2;
  }
  let high = Math.min(low + step, to);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (below(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Longest path that an index may hold: PATH_MAX. */
export const MAX_PATH = 4096;

const LONG_NAME = /[^/]{256}/;

/** Throws `PATH_TOO_LONG` for what no system of Linux opens: 4096 bytes in all, 255 in one name. */
export function checkPathLength(path: BytePath, prefix = 0): void {
  if (path.length + prefix > MAX_PATH || (path.length > 255 && LONG_NAME.test(path))) throw pathTooLong(path);
}

/** A path that no system can open. */
function pathTooLong(path: BytePath): SlipwayError {
  const shown = fromBytePath(path.length > 60 ? `${path.slice(0, 30)}...${path.slice(-30)}` : path);
  return new SlipwayError(
    'PATH_TOO_LONG',
    `a path of ${path.length} bytes, or a name of more than 255, is longer than any system takes: ${shown}`,
    {
      hint: 'make the names shorter, or leave the deepest folders out',
      facts: { length: path.length },
    },
  );
}

/** Whether a path may stand in an index: relative, no empty, `.` or `..` component, no NUL, not longer than PATH_MAX. `''` is the root. */
export function isCleanPath(path: BytePath): boolean {
  if (path === '') return true;
  if (path.length > MAX_PATH) return false;
  // A loop: every path of every layer comes by here, and an expression takes ten times as long.
  let start = 0;
  for (let at = 0; at <= path.length; at += 1) {
    const code = at === path.length ? SLASH : path.charCodeAt(at);
    if (code === 0) return false;
    if (code !== SLASH) continue;
    const length = at - start;
    if (length === 0 || (length <= 2 && path.charCodeAt(start) === DOT && path.charCodeAt(at - 1) === DOT)) return false;
    start = at + 1;
  }
  return true;
}

const SLASH = 47;
const DOT = 46;

/** Throws LAYER_INDEX_BROKEN unless paths are clean and strictly ascending, links are there, and digests are where files are. */
export function checkIndexed(entry: Entry, previous: Entry | undefined): void {
  const { path, kind } = entry;
  if (!isCleanPath(path)) throw indexBroken(`path ${JSON.stringify(fromBytePath(path))}`);
  if (previous !== undefined && compareEntryPaths(previous.path, path) >= 0) throw indexBroken('entries out of order');
  if (kind === 'file' ? entry.digest === undefined : false) throw indexBroken('a file without digest');
  if ((kind === 'symlink' || kind === 'hardlink') && entry.link === undefined) throw indexBroken('a link without target');
  if (kind === 'hardlink' && !isCleanPath(entry.link ?? '')) throw indexBroken('a hard link that leads outside');
  if (path === '' && kind !== 'dir') throw indexBroken('a root that is no directory');
}

export function indexBroken(what: string, cause?: unknown): SlipwayError {
  return new SlipwayError('LAYER_INDEX_BROKEN', `not a layer index: ${what}`, { cause });
}

function isSorted(entries: readonly Entry[]): boolean {
  for (let at = 1; at < entries.length; at += 1) {
    if (compareEntryPaths((entries[at - 1] as Entry).path, (entries[at] as Entry).path) > 0) return false;
  }
  return true;
}
