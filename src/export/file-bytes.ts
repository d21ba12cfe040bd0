// Bytes of files, synchronously: copied, compared, written.

import { readSync, writeSync } from 'node:fs';
import { SlipwayError } from '../base/index.ts';
import type { FileBytes } from '../layer/index.ts';
import { copyRange } from '../sys/index.ts';

const BUFFER = 256 * 1024;
/** From here on copying in the kernel pays. */
const LARGE = 4 * 1024 * 1024;

let one: Buffer | undefined;
let two: Buffer | undefined;

/** Copies a file's range to the start of another file. */
export function copyFile(source: FileBytes, to: number): void {
  let done = 0;
  while (source.size >= LARGE && done < source.size) {
    const length = copyRange(source.fd, source.offset + done, to, done, source.size - done);
    if (length === undefined || length === 0) break;
    done += length;
  }
  one ??= Buffer.allocUnsafeSlow(BUFFER);
  while (done < source.size) {
    const length = readSync(source.fd, one, 0, Math.min(BUFFER, source.size - done), source.offset + done);
    if (length === 0) throw new SlipwayError('FILE_CHANGED', `a file ends after ${done} of ${source.size} bytes while it is exported`);
    for (let put = 0; put < length;) put += writeSync(to, one, put, length - put, done + put);
    done += length;
  }
}

/** Whether a file has exactly the bytes of a range, or of `bytes`. Sizes are known to be equal. */
export function sameBytes(fd: number, source: FileBytes | undefined, bytes: Uint8Array | undefined): boolean {
  one ??= Buffer.allocUnsafeSlow(BUFFER);
  two ??= Buffer.allocUnsafeSlow(BUFFER);
  const size = bytes?.length ?? source?.size ?? 0;
  for (let done = 0; done < size;) {
    const length = readSync(fd, one, 0, Math.min(BUFFER, size - done), done);
    if (length === 0) return false;
    let other: Uint8Array;
    if (bytes !== undefined) other = bytes.subarray(done, done + length);
    else if (source !== undefined && readWhole(source.fd, two, length, source.offset + done)) other = two.subarray(0, length);
    else return false;
    if (one.compare(other, 0, length, 0, length) !== 0) return false;
    done += length;
  }
  return true;
}

/** Writes all bytes from the start. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done, done);
}

/** False when the file ends before `length` bytes. */
export function readWhole(fd: number, buffer: Buffer, length: number, offset: number): boolean {
  for (let done = 0; done < length;) {
    const read = readSync(fd, buffer, done, length - done, offset + done);
    if (read === 0) return false;
    done += read;
  }
  return true;
}
