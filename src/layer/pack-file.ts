// The pack of a layer while it is written: headers and bytes of files one behind the other, gathered in a buffer.

import { createHash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { type Digest, sha256Digest } from '../base/index.ts';
import { copyRange } from '../sys/index.ts';
import { readFully, sha256Of } from './sha256.ts';
import type { FileBytes } from './tree.ts';

/** A range of an open file. */
type FileRange = Pick<FileBytes, 'fd' | 'offset' | 'size'>;

const BUFFER = 1 << 20;
/** Of a pack that is done. New memory of that size for each of many small layers makes the engine collect garbage. */
let spare: Buffer | undefined;

function takeSpare(): Buffer | undefined {
  const taken = spare;
  spare = undefined;
  return taken;
}

/** A new file that only grows. All calls are synchronous and throw the kernel's errors. */
export class PackFile implements Disposable {
  readonly #fd: number;
  readonly #buffer = takeSpare() ?? Buffer.allocUnsafeSlow(BUFFER);
  /** Bytes in the buffer, and in the file before it. */
  #held = 0;
  #written = 0;
  #closed = false;

  /** `path` must be free. */
  constructor(path: string) {
    this.#fd = openSync(path, 'wx+', 0o600);
  }

  /** How long it is with what was appended last. */
  get size(): number {
    return this.#written + this.#held;
  }

  append(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0) {
      if (this.#held === BUFFER) this.flush();
      const length = Math.min(rest.length, BUFFER - this.#held);
      this.#buffer.set(rest.subarray(0, length), this.#held);
      this.#held += length;
      rest = rest.subarray(length);
    }
  }

  /** Fewer zeros than a block of a tar has bytes. */
  appendZeros(count: number): void {
    if (this.#held + count > BUFFER) this.flush();
    this.#buffer.fill(0, this.#held, this.#held + count);
    this.#held += count;
  }

  /** Reads all of `file` in. Its digest, which is `known` or computed on the way; undefined: the file has fewer bytes. */
  appendFile(file: FileRange, known: Digest | undefined): Digest | undefined {
    return file.size <= BUFFER ? this.#appendSmall(file, known) : this.#appendLarge(file, 0, known);
  }

  /** The same by the kernel alone, where it can: nothing is hashed. False: the file has fewer bytes. */
  copyFile(file: FileRange, known: Digest): boolean {
    if (file.size <= BUFFER) return this.#appendSmall(file, known) !== undefined;
    this.flush();
    for (let at = 0; at < file.size;) {
      const copied = copyRange(file.fd, file.offset + at, this.#fd, this.#written, file.size - at);
      if (copied === undefined || copied === 0) return this.#appendLarge(file, at, known) !== undefined;
      at += copied;
      this.#written += copied;
    }
    return true;
  }

  /** Writes what is in the buffer. */
  flush(): void {
    for (let at = 0; at < this.#held;) {
      const count = writeSync(this.#fd, this.#buffer, at, this.#held - at, this.#written);
      at += count;
      this.#written += count;
    }
    this.#held = 0;
  }

  /** Closes it as it is: what was not flushed is lost. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    spare = this.#buffer;
    closeSync(this.#fd);
  }

  #appendSmall({ fd, offset, size }: FileRange, known: Digest | undefined): Digest | undefined {
    if (this.#held + size > BUFFER) this.flush();
    if (readFully(fd, this.#buffer, this.#held, size, offset) !== size) return undefined;
    const digest = known ?? sha256Of(this.#buffer.subarray(this.#held, this.#held + size));
    this.#held += size;
    return digest;
  }

  #appendLarge({ fd, offset, size }: FileRange, from: number, known: Digest | undefined): Digest | undefined {
    const hash = known === undefined ? createHash('sha256') : undefined;
    for (let at = from; at < size;) {
      if (this.#held === BUFFER) this.flush();
      const length = Math.min(BUFFER - this.#held, size - at);
      if (readFully(fd, this.#buffer, this.#held, length, offset + at) !== length) return undefined;
      hash?.update(this.#buffer.subarray(this.#held, this.#held + length));
      this.#held += length;
      at += length;
    }
    return hash === undefined ? known : sha256Digest(hash.digest('hex'));
  }
}
