// Digests of many files of a folder: few are read here, many in worker threads, which begin while the folder is still being looked through.

import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { type BytePath, type JobContext, sha256Digest, workerUrl } from '../base/index.ts';
import { BLOCK, padding } from '../layer/index.ts';
import { type FileSpool, SPOOLED_FILE, type SpoolFile } from './file-spool.ts';
import type { FolderNode, SpooledFiles } from './folder-directory.ts';
import type { FolderTree } from './folder-tree.ts';

export interface DigestOptions {
  /** Hears now and then how many files were read, of how many. */
  readonly onFiles?: (current: number, total: number) => void;
  /** Keeps the bytes of small files, with headers for a layer's tar. */
  readonly spool?: FileSpool;
  /** Who likely owns the files in a layer. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** What a thread is started with. `spool`: a file for the bytes of small files. */
export interface HashWorkerData {
  readonly root: BytePath;
  readonly spool?: number;
  readonly owner: { readonly uid: number; readonly gid: number };
}

/** Files to hash. Paths are joined by NUL. */
export interface HashBatch {
  readonly paths: string;
  /** Where each will likely be in a layer (empty: not known). */
  readonly likely: string;
  /** Ino, size, mtime, mtimeNs, ctime, ctimeNs and mode of each. */
  readonly stamps: Float64Array;
  /** Whether the bytes of small files are to be kept. */
  readonly keep: boolean;
}

/** Numbers of a file in `HashBatch.stamps`. */
export const STAMPS = 7;

/** What came of a batch. */
export interface HashedBatch {
  /** 32 bytes a file. */
  readonly digests: Uint8Array;
  /** Those that could not be read as they were seen. */
  readonly failed: readonly number[];
  /** Where each file's bytes are in the spool (-1: nowhere), and how long the header before them is. */
  readonly offsets: Float64Array;
  readonly headers: Uint32Array;
}

/** What a thread says: batches in the order they came in; at the end, whether the spool is good. */
export type HashReply = HashedBatch | { readonly spooled: boolean };

const INLINE_FILES = 400;
const INLINE_BYTES = 16 << 20;
const MAX_WORKERS = 4;
/** What a thread is given at once. A file costs as much as some 50 KB of bytes. */
const BATCH = 16 << 20;
const FILE_COST = 50_000;

interface Waiting {
  readonly node: FolderNode;
  readonly likely: BytePath;
}

interface HashThread {
  readonly worker: Worker;
  readonly file: SpoolFile | undefined;
  readonly batches: (readonly Waiting[])[];
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
    const thread = this.#leastBusy();
    thread.weight += weight;
    thread.batches.push(files);
    const stamps = new Float64Array(files.length * STAMPS);
    let kept = 0;
    for (const [at, { node }] of files.entries()) {
      const { entry, stamp } = node;
      stamps.set([stamp.ino, entry.size, entry.mtime, entry.mtimeNs, stamp.changed, stamp.changedNs, entry.mode], at * STAMPS);
      if (entry.size <= SPOOLED_FILE) kept += BLOCK + entry.size + padding(entry.size);
    }
    const batch: HashBatch = {
      paths: files.map(({ node }) => node.entry.path).join('\0'),
      // Of files with attributes nothing is said: their headers are rare, and long.
      likely: files.map(({ node, likely }) => (node.entry.xattrs === undefined ? likely : '')).join('\0'),
      stamps,
      keep: thread.file !== undefined && this.#options.spool?.reserve(kept) === true,
    };
    thread.worker.postMessage(batch, [stamps.buffer]);
  }

  #leastBusy(): HashThread {
    const threads = this.#threads;
    const least = threads.reduce<HashThread | undefined>(
      (one, other) => (one === undefined || other.weight < one.weight ? other : one),
      undefined,
    );
    if (least !== undefined && (least.weight === 0 || threads.length >= Math.min(MAX_WORKERS, availableParallelism()))) return least;
    const thread = this.#start();
    threads.push(thread);
    return thread;
  }

  #start(): HashThread {
    const { spool, owner } = this.#options;
    const file = spool?.open();
    const workerData: HashWorkerData = {
      root: this.#tree.hostPath(''),
      owner: { uid: owner?.uid ?? 0, gid: owner?.gid ?? 0 },
      ...(file === undefined ? {} : { spool: file.fd }),
    };
    const worker = new Worker(workerUrl(import.meta.url, 'hash-files'), { workerData });
    const batches: (readonly Waiting[])[] = [];
    const spooled: { readonly files: readonly Waiting[]; readonly batch: HashedBatch }[] = [];
    const { signal } = this.#job;
    const stop = (): void => void worker.terminate();
    signal.addEventListener('abort', stop, { once: true });
    const ended = new Promise<void>((resolve, reject) => {
      worker.on('message', (reply: HashReply) => {
        if ('spooled' in reply) {
          if (reply.spooled && file !== undefined) for (const { files, batch } of spooled) keepPlaces(files, batch, file, workerData.owner);
          return resolve();
        }
        const files = batches.shift() ?? [];
        keepDigests(files, reply);
        spooled.push({ files, batch: reply });
        this.#options.onFiles?.((this.#read += files.length), this.#asked.length);
      });
      worker.once('error', reject);
      worker.once('exit', () => reject((signal.reason as Error | undefined) ?? new Error('internal: a hashing thread ended early')));
    }).finally(() => signal.removeEventListener('abort', stop));
    // It may fail before anybody waits for it.
    ended.catch(() => {});
    return { worker, file, batches, ended, weight: 0 };
  }
}

/** Makes `digest` of these files known to the tree. Throws what `digest` would for a file that changed or cannot be read. */
export async function digestFiles(
  tree: FolderTree,
  files: readonly FolderNode[],
  job: JobContext,
  options: DigestOptions = {},
): Promise<void> {
  await using digester = new FileDigester(tree, job, options);
  for (const node of files) digester.add(node);
  await digester.finish();
}

function keepDigests(files: readonly Waiting[], { digests, failed }: HashedBatch): void {
  const lost = new Set(failed);
  const hex = Buffer.from(digests.buffer, digests.byteOffset, digests.length).toString('hex');
  for (const [at, { node }] of files.entries()) {
    if (!lost.has(at)) node.digest = sha256Digest(hex.slice(at * 64, at * 64 + 64));
  }
}

function keepPlaces(files: readonly Waiting[], batch: HashedBatch, file: SpoolFile, owner: HashWorkerData['owner']): void {
  const { offsets, headers, failed } = batch;
  const lost = new Set(failed);
  const share: SpooledFiles = { file, offsets, headers, paths: files.map(({ likely }) => likely), owner };
  for (const [at, { node }] of files.entries()) {
    if (!lost.has(at) && (offsets[at] ?? -1) >= 0) node.spooled = { share, at };
  }
}
