// Bytes of small files that had to be read for their digests, kept until the build ends: whoever copies the files needs not open them all
// again, and copies exactly what was hashed. Each file of the spool stands for a tar without its directories, so that a layer can take it
// as it is.

import { closeSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';

/** Larger files are soon read again: it is opening them that takes long. */
export const SPOOLED_FILE = 1 << 20;
const SPOOL_BYTES = 1 << 30;

/** One file of a spool. Whoever opened it fills it, once. */
export interface SpoolFile {
  readonly path: string;
  readonly fd: number;
}

/** Room for such bytes. Disposing removes it; a layer that took a file has a name of its own for it. */
export class FileSpool implements Disposable {
  readonly #path: () => string;
  readonly #files: SpoolFile[] = [];
  #used = 0;

  /** `path` gives a free name for a file, on the disk that layers are made on. */
  constructor(path: () => string) {
    this.#path = path;
  }

  /** Whether there is room for so many bytes more; then it is taken. */
  reserve(bytes: number): boolean {
    if (this.#used + bytes > SPOOL_BYTES) return false;
    this.#used += bytes;
    return true;
  }

  /** A new file. */
  open(): SpoolFile {
    const path = this.#path();
    mkdirSync(dirname(path), { recursive: true });
    const file = { path, fd: openSync(path, 'wx+', 0o600) };
    this.#files.push(file);
    return file;
  }

  [Symbol.dispose](): void {
    for (const { fd, path } of this.#files.splice(0)) {
      closeSync(fd);
      rmSync(path, { force: true });
    }
  }
}
