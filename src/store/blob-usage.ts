// The blobs as rows of the store's usage, and their check.

import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { digestAlgorithm, digestHex, errnoOf, isDigest, parseDigest } from '../base/index.ts';
import type { BlobStore } from './blobs.ts';
import { moveToTrash } from './collect.ts';
import type { ImageHomes } from './image-homes.ts';
import { namesIn } from './owner.ts';
import type { Collectable, Damage, UsageEntry } from './usage.ts';

/** Id of a blob in usage rows. */
export function blobUsageId(digest: string): string {
  return `blob:${digest}`;
}

/** Blobs that no layer or record accounts for are rows of their own. */
export class BlobUsage implements Collectable {
  readonly #blobs: BlobStore;
  readonly #homes: ImageHomes;
  readonly #folder: string;

  constructor(blobs: BlobStore, homes: ImageHomes, root: string) {
    this.#blobs = blobs;
    this.#homes = homes;
    this.#folder = `${root}/blobs`;
  }

  *entries(): Generator<UsageEntry> {
    for (const digest of this.#digests()) {
      const stat = statSync(this.#blobs.path(digest), { throwIfNoEntry: false });
      if (stat === undefined) continue;
      yield {
        id: blobUsageId(digest),
        type: 'regular',
        description: `blob ${digest}`,
        size: stat.size,
        createdAt: stat.birthtimeMs,
        lastUsedAt: stat.mtimeMs,
        mutable: false,
        needs: [],
      };
    }
  }

  remove(id: string, trash: string): void {
    const digest = parseDigest(id.slice('blob:'.length));
    moveToTrash(this.#blobs.path(digest), trash);
    this.#homes.forget(digest);
  }

  lastUsedAt(id: string): number | undefined {
    return statSync(this.#blobs.path(parseDigest(id.slice('blob:'.length))), { throwIfNoEntry: false })?.mtimeMs;
  }

  *check(repair: boolean): Generator<Damage> {
    for (const digest of this.#digests()) {
      const problem = damageOf(this.#blobs.path(digest), digest);
      if (problem !== undefined) yield { subject: blobUsageId(digest), problem, repaired: repair && this.#blobs.remove(digest) };
    }
  }

  *#digests(): Generator<ReturnType<typeof parseDigest>> {
    for (const algorithm of ['sha256', 'sha512']) {
      for (const name of namesIn(`${this.#folder}/${algorithm}`).sort()) {
        const text = `${algorithm}:${name}`;
        if (isDigest(text)) yield text;
      }
    }
  }
}

/** What is gone meanwhile was collected, and is no damage. */
function damageOf(path: string, digest: ReturnType<typeof parseDigest>): string | undefined {
  try {
    return digestFault(path, digest);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function digestFault(path: string, digest: ReturnType<typeof parseDigest>): string | undefined {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === false) return 'it is no file';
  const hash = createHash(digestAlgorithm(digest));
  const buffer = Buffer.allocUnsafe(1 << 20);
  const fd = openSync(path, 'r');
  try {
    for (let count = readSync(fd, buffer); count > 0; count = readSync(fd, buffer)) hash.update(buffer.subarray(0, count));
  } finally {
    closeSync(fd);
  }
  const actual = hash.digest('hex');
  return actual === digestHex(digest) ? undefined : `its bytes have the digest ${digestAlgorithm(digest)}:${actual}`;
}
