// What an earlier layer has packed, asked for in the order of its paths, mostly.

import type { BytePath, Digest } from '../base/index.ts';
import type { Entry } from './entry.ts';
import { findEntry } from './layer-index.ts';

/** Looking bytes up by digest takes a table of everything: made only when so many bytes were not where they are expected. */
const WORTH_A_TABLE = 4 << 20;
const FILE_COST = 50_000;
/** A table of so few costs nothing. */
const FEW_ENTRIES = 2000;

/** Packed entries by path and by digest. */
export class EarlierEntries {
  readonly #entries: readonly Entry[];
  #next = 0;
  #missed = 0;
  #byDigest: Map<Digest, Entry> | undefined;

  constructor(entries: readonly Entry[]) {
    this.#entries = entries;
  }

  /** The packed entry of a path. */
  at(path: BytePath): Entry | undefined {
    let entry = this.#entries[this.#next];
    if (entry?.path !== path) {
      const found = findEntry(this.#entries, path);
      if (found < 0) return undefined;
      this.#next = found;
      entry = this.#entries[found];
    }
    this.#next += 1;
    return entry?.offset === undefined ? undefined : entry;
  }

  /** A packed file of these bytes. `size` is theirs: a few small files are sooner copied than found. */
  withDigest(digest: Digest, size: number): Entry | undefined {
    if (this.#byDigest === undefined) {
      this.#missed += size + FILE_COST;
      if (this.#missed < WORTH_A_TABLE && this.#entries.length > FEW_ENTRIES) return undefined;
      this.#byDigest = new Map();
      for (const entry of this.#entries) {
        if (entry.offset !== undefined && entry.digest !== undefined && entry.kind === 'file') this.#byDigest.set(entry.digest, entry);
      }
    }
    return this.#byDigest.get(digest);
  }
}
