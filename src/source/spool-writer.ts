// Fills a file of a spool: files are read one behind the other into a buffer, which is written when it is full.

import { readSync, writeSync } from 'node:fs';
import { padding } from '../layer/index.ts';
import { SPOOLED_FILE } from './file-spool.ts';

/** Longer headers than this are not written. */
const HEADER = 64 << 10;

/** For one thread. A disk that is full is no failure: the files are read again then. */
export class SpoolWriter {
  /** Whether something could not be written. */
  failed = false;
  /** Where the bytes of the last file begin, and how long the header before them is. */
  offset = 0;
  headerBytes = 0;
  readonly #fd: number;
  readonly #buffer = Buffer.allocUnsafeSlow(2 * SPOOLED_FILE + HEADER);
  #held = 0;
  #written = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * Reads a file of at most SPOOLED_FILE bytes, and puts `header` right before it. The bytes are good until the next call; fewer when
   * it became shorter.
   */
  take(fd: number, size: number, header: Uint8Array | undefined): Buffer {
    const before = header === undefined || header.length > HEADER ? 0 : header.length;
    const after = padding(size);
    if (this.#held + before + size + after > this.#buffer.length) this.flush();
    if (header !== undefined && before > 0) this.#buffer.set(header, this.#held);
    const start = this.#held + before;
    this.offset = this.#written + start;
    this.headerBytes = before;
    let length = 0;
    while (length < size) {
      const count = readSync(fd, this.#buffer, start + length, size - length, length);
      if (count === 0) break;
      length += count;
    }
    this.#buffer.fill(0, start + size, start + size + after);
    // Its place is taken also when it became shorter.
    this.#held = start + size + after;
    return this.#buffer.subarray(start, start + length);
  }

  flush(): void {
    try {
      for (let done = 0; done < this.#held && !this.failed;) {
        done += writeSync(this.#fd, this.#buffer, done, this.#held - done, this.#written + done);
      }
    } catch {
      this.failed = true;
    }
    this.#written += this.#held;
    this.#held = 0;
  }
}
