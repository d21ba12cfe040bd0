// Content by digest: files below `blobs/<algorithm>/`, as an OCI image layout has them. A file is there only once it was verified.

import { createHash } from 'node:crypto';
import { createReadStream, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import {
  type Digest,
  digestAlgorithm,
  digestHex,
  digestOf,
  errnoOf,
  type JobContext,
  sha256Digest,
  SingleFlight,
  SlipwayError,
} from '../base/index.ts';
import type { Descriptor } from '../oci/index.ts';
import { renameMakingFolder, unlinkIfThere } from './atomic-file.ts';
import { inStore, storeFault } from './faults.ts';
import type { Leases } from './lease.ts';
import type { Locks } from './lock.ts';
import type { TempArea } from './temp-area.ts';

/** Bytes gathered before a write: small writes cost a thread-pool round trip each. */
const WRITE_BYTES = 1 << 20;
/** What `read` takes at once unless told otherwise, bytes. */
const SMALL_BLOB = 8 << 20;

/** Blobs by digest. */
export interface ContentStore {
  /**
   * Stores a stream. Idempotent: resolves when the blob is stored, whoever stored it; visible only once verified against
   * `expected` (`BLOB_DIGEST_MISMATCH`, `BLOB_SIZE_MISMATCH`). The stream is left unread when the blob is there already.
   */
  ingest(bytes: AsyncIterable<Uint8Array>, expected: Descriptor | undefined, job: JobContext): Promise<Descriptor>;
  /** Makes sure that a blob is here: `open` is called at most once at a time, over all processes, and only when it is missing. */
  ensure(blob: Descriptor, open: () => Promise<AsyncIterable<Uint8Array>>, job: JobContext): Promise<void>;
  /** Stores bytes that are at hand (manifests, configs). */
  put(bytes: Uint8Array, mediaType: string): Descriptor;
  /** Publishes a finished file of the temporary area whose digest its writer computed while writing. The file is moved. */
  publish(path: string, blob: Descriptor): void;
  /** The bytes, verified: fails at the end when they disagree with the digest. Throws `BLOB_UNKNOWN` at once. */
  open(blob: Descriptor): AsyncIterable<Uint8Array>;
  /** A small blob whole, verified. Throws `BLOB_UNKNOWN`, and `BLOB_TOO_LARGE` above `limit` bytes. */
  read(digest: Digest, limit?: number): Uint8Array;
  /** As `read`, without marking the blob as used: for scans. */
  peek(digest: Digest, limit?: number): Uint8Array;
  /** File of a blob, whether it exists or not. Never write there. */
  path(digest: Digest): string;
  /** Whether a blob is here; marks it as used. `size` (when known) also catches a file cut by a crash. */
  has(digest: Digest, size?: number): boolean;
  /** Takes a blob away. False: it was not there. */
  remove(digest: Digest): boolean;
}

/** The blobs of one store. */
export class BlobStore implements ContentStore {
  readonly #root: string;
  readonly #temp: TempArea;
  readonly #leases: Leases;
  readonly #locks: Locks;
  readonly #fetching = new SingleFlight<Digest, void>();

  constructor(root: string, temp: TempArea, leases: Leases, locks: Locks) {
    this.#root = root;
    this.#temp = temp;
    this.#leases = leases;
    this.#locks = locks;
  }

  async ingest(bytes: AsyncIterable<Uint8Array>, expected: Descriptor | undefined, job: JobContext): Promise<Descriptor> {
    if (expected !== undefined && this.has(expected.digest, expected.size)) return expected;
    const path = this.#temp.path('blob');
    try {
      const written = await this.#write(path, bytes, expected, job);
      const blob = expected ?? { mediaType: 'application/octet-stream', ...written };
      if (written.digest !== blob.digest) throw mismatch('DIGEST', blob.digest, written.digest);
      this.publish(path, blob);
      return blob;
    } catch (error) {
      unlinkIfThere(path);
      throw storeFault(error, this.#root, `storing ${expected?.digest ?? 'a blob'}`);
    }
  }

  ensure(blob: Descriptor, open: () => Promise<AsyncIterable<Uint8Array>>, job: JobContext): Promise<void> {
    if (this.has(blob.digest, blob.size)) return Promise.resolve();
    return this.#fetching.run(
      blob.digest,
      async () => {
        using _lock = await this.#locks.acquire(`blob-${digestHex(blob.digest)}`, job.signal);
        if (!this.has(blob.digest, blob.size)) await this.ingest(await open(), blob, job);
      },
      job.signal,
    );
  }

  put(bytes: Uint8Array, mediaType: string): Descriptor {
    const blob = { mediaType, digest: digestOf(bytes), size: bytes.length };
    if (this.has(blob.digest, blob.size)) return blob;
    const path = this.#temp.path('blob');
    inStore(this.#root, `storing ${blob.digest}`, () => {
      writeFileSync(path, bytes, { flag: 'wx' });
      this.publish(path, blob);
    });
    return blob;
  }

  publish(path: string, blob: Descriptor): void {
    inStore(this.#root, `storing ${blob.digest}`, () => {
      const target = this.path(blob.digest);
      try {
        renameMakingFolder(path, target);
      } catch (error) {
        if (errnoOf(error) !== 'EISDIR') throw error;
        rmSync(target, { recursive: true, force: true }); // whatever made a folder of it: no blob was there
        renameMakingFolder(path, target);
      }
    });
  }

  open(blob: Descriptor): AsyncIterable<Uint8Array> {
    if (!this.has(blob.digest)) throw unknownBlob(blob.digest);
    return verified(this.path(blob.digest), blob);
  }

  read(digest: Digest, limit?: number): Uint8Array {
    if (!this.#leases.use(this.path(digest))) throw unknownBlob(digest);
    return this.peek(digest, limit);
  }

  peek(digest: Digest, limit = SMALL_BLOB): Uint8Array {
    const path = this.path(digest);
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    if (size === undefined) throw unknownBlob(digest);
    if (size > limit) throw new SlipwayError('BLOB_TOO_LARGE', `${digest} has ${size} bytes, more than the ${limit} read at once`);
    const bytes = readFileSync(path);
    const actual = createHash(digestAlgorithm(digest)).update(bytes).digest('hex');
    if (actual !== digestHex(digest)) throw corrupt(digest, actual);
    return bytes;
  }

  path(digest: Digest): string {
    return `${this.#root}/blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`;
  }

  has(digest: Digest, size?: number): boolean {
    const path = this.path(digest);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat?.isFile() !== true || (size !== undefined && stat.size !== size)) return false;
    return this.#leases.use(path);
  }

  remove(digest: Digest): boolean {
    return inStore(this.#root, `removing ${digest}`, () => {
      const there = statSync(this.path(digest), { throwIfNoEntry: false }) !== undefined;
      rmSync(this.path(digest), { recursive: true, force: true });
      return there;
    });
  }

  async #write(
    path: string,
    bytes: AsyncIterable<Uint8Array>,
    expected: Descriptor | undefined,
    job: JobContext,
  ): Promise<{ digest: Digest; size: number }> {
    const algorithm = expected === undefined ? 'sha256' : digestAlgorithm(expected.digest);
    const hash = createHash(algorithm);
    let size = 0;
    const file = await open(path, 'wx', 0o644);
    try {
      let gathered: Uint8Array[] = [];
      let waiting = 0;
      for await (const chunk of bytes) {
        job.signal.throwIfAborted();
        hash.update(chunk);
        size += chunk.length;
        if (expected !== undefined && size > expected.size) throw mismatch('SIZE', String(expected.size), `more than ${expected.size}`);
        gathered.push(chunk);
        waiting += chunk.length;
        if (waiting < WRITE_BYTES) continue;
        await writeAll(file, gathered, waiting);
        gathered = [];
        waiting = 0;
      }
      await writeAll(file, gathered, waiting);
    } finally {
      await file.close();
    }
    if (expected !== undefined && size !== expected.size) throw mismatch('SIZE', String(expected.size), String(size));
    const hex = hash.digest('hex');
    return { digest: algorithm === 'sha256' ? sha256Digest(hex) : (`sha512:${hex}` as Digest), size };
  }
}

async function writeAll(file: FileHandle, chunks: readonly Uint8Array[], total: number): Promise<void> {
  if (total === 0) return;
  const { bytesWritten } = await file.writev(chunks);
  if (bytesWritten === total) return;
  const rest = Buffer.concat(chunks).subarray(bytesWritten); // a short write: the disk filled up, or a signal
  for (let done = 0; done < rest.length;) done += (await file.write(rest, done)).bytesWritten;
}

async function* verified(path: string, blob: Descriptor): AsyncGenerator<Uint8Array> {
  const hash = createHash(digestAlgorithm(blob.digest));
  let size = 0;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 })) {
      hash.update(chunk as Uint8Array);
      size += (chunk as Uint8Array).length;
      yield chunk as Uint8Array;
    }
  } catch (error) {
    throw errnoOf(error) === 'ENOENT' ? unknownBlob(blob.digest) : error;
  }
  const hex = hash.digest('hex');
  if (hex !== digestHex(blob.digest)) throw corrupt(blob.digest, hex);
  if (size !== blob.size) throw mismatch('SIZE', String(blob.size), String(size));
}

function unknownBlob(digest: Digest): SlipwayError {
  return new SlipwayError('BLOB_UNKNOWN', `the store has no blob ${digest}`, { facts: { digest } });
}

function corrupt(digest: Digest, actual: string): SlipwayError {
  return new SlipwayError('BLOB_DIGEST_MISMATCH', `a blob in the store is damaged: expected ${digest}, got ${actual}`, {
    hint: 'run `slipway store check --repair`',
    facts: { digest },
  });
}

function mismatch(what: 'DIGEST' | 'SIZE', expected: string, actual: string): SlipwayError {
  return new SlipwayError(
    `BLOB_${what}_MISMATCH`,
    `blob ${what === 'SIZE' ? 'size' : 'digest'} differs: expected ${expected}, got ${actual}`,
    {
      facts: { expected, actual },
    },
  );
}
