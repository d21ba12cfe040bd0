// Small blobs of the build history (logs, provenance, traces, errors), by digest.

import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestHex, digestOf, errnoOf, isDigest } from '../../base/index.ts';

/** What a record says of a blob. */
export interface BlobDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: bigint;
  readonly annotations: Record<string, string>;
}

/** A blob's file. */
export interface HistoryBlob {
  readonly path: string;
  readonly size: number;
  readonly createdAt: Date;
}

/** One folder; who has the records says what stays (`sweep`). */
export class HistoryBlobs {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  put(bytes: Uint8Array, mediaType: string, annotations: Record<string, string> = {}): BlobDescriptor {
    const digest = digestOf(bytes);
    const path = this.#path(digest);
    writeFileSync(`${path}.new`, bytes, { mode: 0o600 });
    renameSync(`${path}.new`, path);
    return { mediaType, digest, size: BigInt(bytes.byteLength), annotations };
  }

  /** Moves a finished file in. */
  async adopt(file: string, mediaType: string): Promise<BlobDescriptor> {
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
    const digest = `sha256:${hash.digest('hex')}` as ReturnType<typeof digestOf>;
    const size = statSync(file).size;
    renameSync(file, this.#path(digest));
    return { mediaType, digest, size: BigInt(size), annotations: {} };
  }

  /** The blob's file, or undefined. */
  find(digest: string): HistoryBlob | undefined {
    if (!isDigest(digest)) return undefined;
    const path = this.#path(digest);
    try {
      const facts = statSync(path);
      return { path, size: facts.size, createdAt: facts.mtime };
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  read(digest: string): Buffer | undefined {
    const blob = this.find(digest);
    return blob === undefined ? undefined : readFileSync(blob.path);
  }

  /** All blobs, by digest. */
  *list(): Generator<readonly [digest: string, HistoryBlob]> {
    for (const name of readdirSync(this.#folder)) {
      const blob = this.find(`sha256:${name}`);
      if (blob !== undefined) yield [`sha256:${name}`, blob];
    }
  }

  /** Removes everything that is not in `keep`. */
  sweep(keep: ReadonlySet<string>): void {
    for (const name of readdirSync(this.#folder)) if (!keep.has(`sha256:${name}`)) rmSync(join(this.#folder, name), { force: true });
  }

  #path(digest: ReturnType<typeof digestOf>): string {
    return join(this.#folder, digestHex(digest));
  }
}
