// What a layer, or a selection of paths, says, apart from when it was made: the digests that decide whether work is repeated.

import type { BytePath, Digest } from '../base/index.ts';
import type { Entry } from './entry.ts';
import { FactsDigest } from './facts-digest.ts';
import type { Tree } from './tree.ts';

/** One selected path: `path` is where it counts (usually relative to the selection's root), `entry` is what is there. */
export interface SelectedPath {
  readonly path: BytePath;
  readonly entry: Entry;
}

/**
 * Digest of the paths that a copy or a mount selects: types, modes, owners, link targets, devices, xattrs and bytes; never mtimes.
 * Hard links count as the file they share. Selections in the same order with equal facts give equal digests on every machine.
 */
export function pathDigest(tree: Tree, selection: Iterable<SelectedPath>): Digest {
  const facts = new FactsDigest();
  for (const { path, entry } of selection) {
    facts.add(entry, path, entry.kind === 'file' ? (entry.digest ?? tree.digest(entry)) : undefined, false);
  }
  return facts.digest();
}

/** Digest of a layer's sorted entries; every file has its digest. */
export function contentDigest(entries: readonly Entry[]): Digest {
  const facts = new FactsDigest();
  for (const entry of entries) facts.add(entry, entry.path, entry.digest, entry.opaque === true);
  return facts.digest();
}
