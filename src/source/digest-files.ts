// Digests of many files of a folder: few are read here, many in worker threads, which begin while the folder is still being looked through,
// and which this one helps when it has nothing else to do than to wait for them.

import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { type BytePath, type JobContext, sha256Digest, workerUrl } from '../base/index.ts';
import { BLOCK, padding } from '../layer/index.ts';
import { type FileSpool, SPOOLED_FILE, type SpoolFile } from './file-spool.ts';
import type { FolderNode, SpooledFiles } from './folder-directory.ts';
import type { FolderTree } from './folder-tree.ts';
import { BatchHasher, type HashBatch, type HashedBatch, type HashPlace, STAMPS, takeBatch } from './hash-batch.ts';

export interface DigestOptions {
  /** Hears now and then how many files were read, of how many. */
  readonly onFiles?: (current: number, total: number) => void;
  /** Keeps the bytes of small files, with headers for a layer's tar. */
  readonly spool?: FileSpool;
  /** Who likely owns the files in a layer. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** What a thread says: batches in the order they came in, or that somebody else took one; at the end, whether the spool is good. */
export type HashReply = HashedBatch | 'taken' | { readonly spooled: boolean };

const INLINE_FILES = 400;
const INLINE_BYTES = 16 << 20;
const MAX_WORKERS = 4;
/** What a thread is given at once. A file costs as much as some 50 KB of bytes. */
const BATCH = 16 << 20;
const FILE_COST = 50_000;
/** Heavier batches are one large file: this thread would hear of nothing else for too long. */
const HEAVY = 2 * BATCH;

interface Waiting {
  readonly node: FolderNode;
  readonly likely: BytePath;
}

/** Files that somebody is to hash. */
interface Given {
  readonly files: readonly Waiting[];
  readonly batch: HashBatch;
  readonly weight: number;
}

interface HashThread {
  readonly worker: Worker;
  readonly batches: Given[];
  readonly ended: Promise<void>;
  /** Of all that it was given. */
  weight: number;
}

/** Makes digests of files known to their tree. Dispose it when it is not finished. */
export class FileDigester implements AsyncDisposable {
  readonly #tree: FolderTree;
  readonly #job: JobContext;
  readonly #options: DigestOptions;
  readonly #threads: HashThread[] = [];
  readonly #asked: FolderNode[] = [];
  readonly #given: Given[] = [];
  #waiting: Waiting[] = [];
  #weight = 0;
  #bytes = 0;
  #read = 0;

  constructor(tree: FolderTree, job: JobContext, options: DigestOptions = {}) {
    this.#tree = tree;
    this.#job = job;
    this.#options = options;
  }

  /**
   * Asks for a file's digest, if it is not known. `likely`: its path in a layer, as far as one can tell before; it decides nothing, a
   * layer that says otherwise makes a header of its own.
   */
  add(node: FolderNode, likely: BytePath = ''): void {
    const { size, kind } = node.entry;
    if (node.digest !== undefined || kind !== 'file' || size === 0) return;
    this.#asked.push(node);
    this.#waiting.push({ node, likely });
    this.#weight += size + FILE_COST;
    this.#bytes += size;
    const isLarge = this.#asked.length > INLINE_FILES || this.#bytes > INLINE_BYTES;
    if (this.#weight > BATCH && isLarge && this.#asked.length > 1 && availableParallelism() > 1) this.#give();
  }

  /** Whether there is something to do. */
  get isEmpty(): boolean {
    return this.#asked.length === 0;
  }

  /** Resolves when all digests are known. Throws what the tree's `digest` would for a file that changed or cannot be read. */
  async finish(): Promise<void> {
    if (this.#threads.length > 0) {
      this.#give();
      this.#options.onFiles?.(this.#read, this.#asked.length);
      for (const { worker } of this.#threads) worker.postMessage('end');
      await this.#help();
      await Promise.all(this.#threads.map(({ ended }) => ended));
    }
    // The rest, and what a worker could not read: here it fails with the reason.
    for (const node of this.#asked) {
      if (node.digest !== undefined) continue;
      this.#job.signal.throwIfAborted();
      this.#tree.digest(node.entry);
    }
  }

  /** Resolves when no thread reads or writes any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  /** Hands out what waits, in batches that stay together. */
  #give(): void {
    const files = this.#waiting;
    this.#waiting = [];
    this.#weight = 0;
    let weight = 0;
    let from = 0;
    for (const [at, { node }] of files.entries()) {
      weight += node.entry.size + FILE_COST;
      if (weight < BATCH && at < files.length - 1) continue;
      this.#giveBatch(files.slice(from, at + 1), weight);
      from = at + 1;
      weight = 0;
    }
  }

  /** To the thread that was given least: this one may have no time to hear which is idle. */
  #giveBatch(files: readonly Waiting[], weight: number): void {
    const thread = this.#leastBusy(weight);
    thread.weight += weight;
    const stamps = new Float64Array(files.length * STAMPS);
    let kept = 0;
    let at = 0;
    for (const { node } of files) {
      const { entry, stamp } = node;
      stamps[at] = stamp.ino;
      stamps[at + 1] = entry.size;
      stamps[at + 2] = entry.mtime;
      stamps[at + 3] = entry.mtimeNs;
      stamps[at + 4] = stamp.changed;
      stamps[at + 5] = stamp.changedNs;
      stamps[at + 6] = entry.mode;
      at += STAMPS;
      if (entry.size <= SPOOLED_FILE) kept += BLOCK + entry.size + padding(entry.size);
    }
    const batch: HashBatch = {
      paths: files.map(({ node }) => node.entry.path).join('\0'),
      // Of files with attributes nothing is said: their headers are rare, and long.
      likely: files.map(({ node, likely }) => (node.entry.xattrs === undefined ? likely : '')).join('\0'),
      stamps,
      keep: this.#options.spool?.reserve(kept) === true,
      taken: new Int32Array(new SharedArrayBuffer(4)),
    };
    const given = { files, batch, weight };
    this.#given.push(given);
    thread.batches.push(given);
    thread.worker.postMessage(batch);
  }

  /** With this thread there is one for each processor, and without it where a file is so large that it would not help. */
  #leastBusy(weight: number): HashThread {
    const threads = this.#threads;
    const least = threads.reduce<HashThread | undefined>(
      (one, other) => (one === undefined || other.weight < one.weight ? other : one),
      undefined,
    );
    const wanted = Math.min(MAX_WORKERS, weight > HEAVY ? availableParallelism() : Math.max(1, availableParallelism() - 1));
    if (least !== undefined && (least.weight === 0 || threads.length >= wanted)) return least;
    const thread = this.#start();
    threads.push(thread);
    return thread;
  }

  /** Hashes what no thread has begun with, the last first. */
  async #help(): Promise<void> {
    let helper: { readonly hasher: BatchHasher; readonly results: SpooledBatches } | undefined;
    for (const { files, batch, weight } of this.#given.toReversed()) {
      if (weight > HEAVY || !takeBatch(batch)) continue;
      helper ??= this.#helper();
      helper.results.add(files, helper.hasher.hash(batch));
      this.#hashed(files);
      // Threads tell what they did, and others get their turn.
      await new Promise<void>((resolve) => setImmediate(resolve));
      this.#job.signal.throwIfAborted();
    }
    if (helper?.hasher.finish() === true) helper.results.keepPlaces();
  }

  #helper(): { readonly hasher: BatchHasher; readonly results: SpooledBatches } {
    const { place, results } = this.#place();
    return { hasher: new BatchHasher(place), results };
  }

  /** Where another one hashes, and what it makes known. */
  #place(): { readonly place: HashPlace; readonly results: SpooledBatches } {
    const { spool, owner } = this.#options;
    const file = spool?.open();
    const place: HashPlace = {
      root: this.#tree.hostPath(''),
      owner: { uid: owner?.uid ?? 0, gid: owner?.gid ?? 0 },
      ...(file === undefined ? {} : { spool: file.fd }),
    };
    return { place, results: new SpooledBatches(file, place.owner) };
  }

  #hashed(files: readonly Waiting[]): void {
    this.#options.onFiles?.((this.#read += files.length), this.#asked.length);
  }

  #start(): HashThread {
    const { place, results } = this.#place();
    const worker = new Worker(workerUrl(import.meta.url, 'hash-files'), { workerData: place });
    const batches: Given[] = [];
    const { signal } = this.#job;
    const stop = (): void => void worker.terminate();
    signal.addEventListener('abort', stop, { once: true });
    const ended = new Promise<void>((resolve, reject) => {
      worker.on('message', (reply: HashReply) => {
        if (typeof reply === 'object' && 'spooled' in reply) {
          if (reply.spooled) results.keepPlaces();
          return resolve();
        }
        const given = batches.shift();
        if (reply === 'taken' || given === undefined) return;
        results.add(given.files, reply);
        this.#hashed(given.files);
      });
      worker.once('error', reject);
      worker.once('exit', () => reject((signal.reason as Error | undefined) ?? new Error('internal: a hashing thread ended early')));
    }).finally(() => signal.removeEventListener('abort', stop));
    // It may fail before anybody waits for it.
    ended.catch(() => {});
    return { worker, batches, ended, weight: 0 };
  }
}

/** What one hasher made: digests are known at once, places in its file of the spool when that is good. */
class SpooledBatches {
  readonly #file: SpoolFile | undefined;
  readonly #owner: HashPlace['owner'];
  readonly #batches: { readonly files: readonly Waiting[]; readonly batch: HashedBatch }[] = [];

  constructor(file: SpoolFile | undefined, owner: HashPlace['owner']) {
    this.#file = file;
    this.#owner = owner;
  }

  add(files: readonly Waiting[], batch: HashedBatch): void {
    const { digests, failed } = batch;
    const lost = new Set(failed);
    const hex = Buffer.from(digests.buffer, digests.byteOffset, digests.length).toString('hex');
    for (const [at, { node }] of files.entries()) {
      if (!lost.has(at)) node.digest = sha256Digest(hex.slice(at * 64, at * 64 + 64));
    }
    this.#batches.push({ files, batch });
  }

  keepPlaces(): void {
    const file = this.#file;
    if (file === undefined) return;
    for (const { files, batch } of this.#batches) {
      const { offsets, headers, failed } = batch;
      const lost = new Set(failed);
      const share: SpooledFiles = { file, offsets, headers, paths: files.map(({ likely }) => likely), owner: this.#owner };
      for (const [at, { node }] of files.entries()) {
        if (!lost.has(at) && (offsets[at] ?? -1) >= 0) node.spooled = { share, at };
      }
    }
  }
}
