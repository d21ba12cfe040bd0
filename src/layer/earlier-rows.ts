// What an earlier layer has packed, asked for in the order of its paths, mostly.

import type { BytePath, Digest } from '../base/index.ts';
import type { Entry } from './entry.ts';
import type { IndexColumns } from './index-columns.ts';

/** Looking bytes up by digest takes a table of everything: made only when so many bytes were not where they are expected. */
const WORTH_A_TABLE = 4 << 20;
const FILE_COST = 50_000;
/** A table of so few costs nothing. */
const FEW_ENTRIES = 2000;
const NOTHING = Buffer.alloc(0);

/** Packed rows by path and by digest. */
export class EarlierRows {
  readonly #columns: IndexColumns;
  #last = -1;
  #missed = 0;
  #byDigest: Map<string, number> | undefined;

  constructor(columns: IndexColumns) {
    this.#columns = columns;
  }

  /** The row of a path, `prefix` and the bytes of `from` up to `end`; -1: there is none. */
  find(prefix: Uint8Array, from: Uint8Array, start: number, end: number): number {
    const columns = this.#columns;
    const isAt = (row: number): boolean => row >= 0 && row < columns.count && columns.comparePath(row, prefix, from, start, end) === 0;
    // Mostly the next one, or the last one again.
    const row = [this.#last + 1, this.#last].find(isAt) ?? columns.placeOf(prefix, from, start, end);
    if (!isAt(row)) return -1;
    this.#last = row;
    return row;
  }

  /** The packed entry of a path. */
  at(path: BytePath): Entry | undefined {
    const bytes = Buffer.from(path, 'latin1');
    const row = this.find(NOTHING, bytes, 0, bytes.length);
    const entry = row < 0 ? undefined : this.#columns.entry(row);
    return entry?.offset === undefined ? undefined : entry;
  }

  /** A packed file of these bytes. `size` is theirs: a few small files are sooner copied than found. */
  withDigest(digest: Digest, size: number): Entry | undefined {
    const columns = this.#columns;
    if (this.#byDigest === undefined) {
      this.#missed += size + FILE_COST;
      if (this.#missed < WORTH_A_TABLE && columns.count > FEW_ENTRIES) return undefined;
      this.#byDigest = new Map();
      for (let row = 0; row < columns.count; row += 1) if (columns.isPackedFile(row)) this.#byDigest.set(columns.hexDigest(row), row);
    }
    const row = this.#byDigest.get(digest.slice(7));
    return row === undefined ? undefined : columns.entry(row);
  }
}
