// sha256 of files, by synchronous reads through one buffer.

import crypto, { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { type Digest, digestHex, digestOf, sha256Digest } from '../base/index.ts';

/** Digest of no bytes. */
export const EMPTY_DIGEST: Digest = digestOf('');
/** Its bytes. */
export const EMPTY_SHA256: Uint8Array = Buffer.from(digestHex(EMPTY_DIGEST), 'hex');

type OneShot = (algorithm: string, data: Uint8Array, encoding: 'hex') => string;
/** Half the time of a Hash object for a small file; Node 20.12 and up. */
const oneShot = (crypto as { hash?: OneShot }).hash;

/** Digest of bytes at hand. */
export function hashBytes(bytes: Uint8Array): Digest {
  return sha256Digest(oneShot === undefined ? createHash('sha256').update(bytes).digest('hex') : oneShot('sha256', bytes, 'hex'));
}

let buffer: Buffer | undefined;

/** Digest of the first `size` bytes of an open file; fewer when it ends before (the caller sees that its stamp changed). */
export function hashFile(fd: number, size: number): Digest {
  buffer ??= Buffer.allocUnsafeSlow(1 << 18);
  const hash = createHash('sha256');
  for (let at = 0; at < size;) {
    const count = readSync(fd, buffer, 0, Math.min(buffer.length, size - at), at);
    if (count === 0) break;
    hash.update(count === buffer.length ? buffer : buffer.subarray(0, count));
    at += count;
  }
  return sha256Digest(hash.digest('hex'));
}
