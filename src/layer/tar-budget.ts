// What an archive may ask for, and how much of that it has had.

import { overLimit } from './tar-faults.ts';

/** Bounds on what an archive may ask for. */
export interface TarLimits {
  readonly entries: number;
  /** Bytes of all files together. */
  readonly bytes: number;
  /** Of one name or link target. */
  readonly nameBytes: number;
  /** Of one extended header (Go's reader stops at the same size). */
  readonly headerBytes: number;
  /** Of the names, link targets and attributes of all members together: what a list of them needs in memory. */
  readonly listBytes: number;
}

export const DEFAULT_TAR_LIMITS: TarLimits = {
  entries: 2_000_000,
  bytes: 2 ** 40,
  nameBytes: 4096,
  headerBytes: 1 << 20,
  listBytes: 1 << 29,
};

/** Counts what one archive asks for. Each `take` throws TAR_LIMIT when it is too much. */
export class TarBudget {
  readonly limits: TarLimits;
  #headers = 0;
  #members = 0;
  #bytes = 0;
  #listBytes = 0;

  constructor(limits: Partial<TarLimits>) {
    this.limits = { ...DEFAULT_TAR_LIMITS, ...limits };
  }

  /** Each member may have one header before its own. */
  takeHeader(): void {
    this.#headers += 1;
    if (this.#headers > this.limits.entries * 2) throw overLimit('too many headers', this.limits.entries * 2);
  }

  takeMember(): void {
    this.#members += 1;
    if (this.#members > this.limits.entries) throw overLimit('too many members', this.limits.entries);
  }

  takeBytes(size: number): void {
    this.#bytes += size;
    if (this.#bytes > this.limits.bytes) throw overLimit('the files of the archive are too large together', this.limits.bytes);
  }

  takeListBytes(bytes: number): void {
    this.#listBytes += bytes;
    if (this.#listBytes > this.limits.listBytes) throw overLimit('names and attributes', this.limits.listBytes);
  }
}
