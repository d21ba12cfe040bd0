// Hashes of files and small buffers by the shortest way this Node has.

import crypto, { createHash, type Hash } from 'node:crypto';
import { readSync } from 'node:fs';
import { type Digest, sha256Digest } from '../base/index.ts';

type OneShot = (algorithm: string, data: Uint8Array, encoding: 'hex') => string;
/** `crypto.hash` (Node 20.12 and up) needs half the time of a Hash object for a small file. */
const oneShot = (crypto as { hash?: OneShot }).hash;

/** sha256 of bytes at hand. */
export function sha256Of(bytes: Uint8Array): Digest {
  return sha256Digest(oneShot === undefined ? createHash('sha256').update(bytes).digest('hex') : oneShot('sha256', bytes, 'hex'));
}

/** sha256 of `size` bytes of a file from `offset`, read through `buffer`; undefined when the file ends before. */
export function sha256OfRange(fd: number, offset: number, size: number, buffer: Buffer): Digest | undefined {
  if (size <= buffer.length) {
    return readFully(fd, buffer, 0, size, offset) === size ? sha256Of(buffer.subarray(0, size)) : undefined;
  }
  const hash: Hash = createHash('sha256');
  for (let at = 0; at < size;) {
    const length = readFully(fd, buffer, 0, Math.min(buffer.length, size - at), offset + at);
    if (length === 0) return undefined;
    hash.update(buffer.subarray(0, length));
    at += length;
  }
  return sha256Digest(hash.digest('hex'));
}

/** Reads until `length` bytes are there or the file ends; returns how many came. */
export function readFully(fd: number, buffer: Uint8Array, at: number, length: number, position: number): number {
  let done = 0;
  while (done < length) {
    const count = readSync(fd, buffer, at + done, length - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}
