// Bytes of small files that had to be read for their digests, kept until the build ends: whoever copies the files needs not open them all
// again, and copies exactly what was hashed. One file without a name: whatever happens, nothing is left of it.

import { closeSync, mkdirSync, openSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';

/** Larger files are soon read again: it is opening them that takes long. */
export const SPOOLED_FILE = 1 << 20;
const SPOOL_BYTES = 1 << 30;

/** Room for such bytes. */
export class FileSpool implements Disposable {
  readonly #path: () => string;
  #fd: number | undefined;
  #used = 0;

  /** `path` gives a free name for a file, on a disk with room. */
  constructor(path: () => string) {
    this.#path = path;
  }

  /** Where so many bytes may be written. Undefined: there is no more room for so many. */
  reserve(bytes: number): { readonly fd: number; readonly offset: number } | undefined {
    if (this.#used + bytes > SPOOL_BYTES) return undefined;
    this.#fd ??= openUnnamed(this.#path());
    const offset = this.#used;
    this.#used += bytes;
    return { fd: this.#fd, offset };
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

function openUnnamed(path: string): number {
  mkdirSync(dirname(path), { recursive: true });
  const fd = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  return fd;
}
