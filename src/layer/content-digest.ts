// What a layer, or a selection of paths, says, apart from when it was made: the digests that decide whether work is repeated.

import { createHash } from 'node:crypto';
import { type BytePath, type Digest, sha256Digest } from '../base/index.ts';
import type { Entry } from './entry.ts';
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

const FLUSH_AT = 1 << 16;

/** Hashes one line of facts for each entry. Fields end with NUL, which no path has; xattr values are counted. */
class FactsDigest {
  readonly #hash = createHash('sha256').update('slipway.content.v1\0');
  #text = '';

  add(entry: Entry, path: BytePath, digest: Digest | undefined, opaque: boolean): void {
    const { kind, xattrs } = entry;
    let line = `${kind}\0${path}\0${entry.mode.toString(8)}\0${entry.uid}\0${entry.gid}\0`;
    if (kind === 'file') line += `${entry.size}\0${digest ?? ''}\0`;
    else if (entry.link !== undefined) line += `${entry.link}\0`;
    else if (kind === 'char' || kind === 'block') line += `${entry.devMajor ?? 0}\0${entry.devMinor ?? 0}\0`;
    else if (opaque) line += 'opaque\0';
    if (xattrs !== undefined) {
      for (const name of Object.keys(xattrs).sort()) {
        const value = xattrs[name] ?? '';
        line += `${name}\0${value.length}\0${value}`;
      }
    }
    this.#text += `${line}\n`;
    if (this.#text.length >= FLUSH_AT) this.#flush();
  }

  digest(): Digest {
    this.#flush();
    return sha256Digest(this.#hash.digest('hex'));
  }

  #flush(): void {
    this.#hash.update(this.#text, 'latin1');
    this.#text = '';
  }
}
