// Fills a part of a spool: files are read one behind the other into a buffer, which is written when it is full.

import { readSync, writeSync } from 'node:fs';
import { SPOOLED_FILE } from './file-spool.ts';

/** For one thread. A disk that is full is no failure: the files are read again then. */
export class SpoolWriter {
  /** Whether something could not be written. */
  failed = false;
  readonly #fd: number;
  readonly #buffer = Buffer.allocUnsafeSlow(2 * SPOOLED_FILE);
  #held = 0;
  /** Where the buffer's begin belongs. */
  #start = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Reads a file of at most SPOOLED_FILE bytes, whose place is `offset`. The bytes are good until the next call; fewer when it became shorter. */
  take(fd: number, size: number, offset: number): Buffer {
    if (offset !== this.#start + this.#held || this.#held + size > this.#buffer.length) {
      this.flush();
      this.#start = offset;
    }
    let length = 0;
    while (length < size) {
      const count = readSync(fd, this.#buffer, this.#held + length, size - length, length);
      if (count === 0) break;
      length += count;
    }
    const bytes = this.#buffer.subarray(this.#held, this.#held + length);
    // Its place is taken also when it became shorter.
    this.#held += size;
    return bytes;
  }

  flush(): void {
    try {
      for (let done = 0; done < this.#held && !this.failed;) {
        done += writeSync(this.#fd, this.#buffer, done, this.#held - done, this.#start + done);
      }
    } catch {
      this.failed = true;
    }
    this.#start += this.#held;
    this.#held = 0;
  }
}
