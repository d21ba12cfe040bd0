// Digests of many files of a folder: few are read here, many in worker threads.

import { availableParallelism } from 'node:os';
import { type BytePath, type JobContext, sha256Digest, workerUrl } from '../base/index.ts';
import { BLOCK, padding } from '../layer/index.ts';
import { type FileSpool, SPOOLED_FILE } from './file-spool.ts';
import type { FolderNode } from './folder-directory.ts';
import type { FolderTree } from './folder-tree.ts';

/** The entries that the files will be in a layer, as far as one can tell before. They decide nothing: a layer that says otherwise makes headers of its own. */
export interface LikelyEntries {
  readonly paths: ReadonlyMap<FolderNode, BytePath>;
  readonly uid: number;
  readonly gid: number;
}

export interface DigestOptions {
  /** Hears now and then how many files were read, of how many. */
  readonly onFiles?: (current: number, total: number) => void;
  /** Keeps the bytes of small files, with headers if it is known of which entries. */
  readonly spool?: FileSpool;
  readonly likely?: LikelyEntries | undefined;
}

/** What a worker is given. Stamps are ino, size, mtime, mtimeNs, ctime, ctimeNs of each file. */
export interface HashRequest {
  readonly root: BytePath;
  /** Joined by NUL. */
  readonly paths: string;
  readonly stamps: Float64Array;
  readonly spool?: SpoolRequest;
}

/** Where the bytes of small files go. */
export interface SpoolRequest {
  readonly fd: number;
  /** Paths of the entries, joined by NUL (none: not known), their modes, and the owner of all. */
  readonly likely?: { readonly paths: string; readonly modes: Uint16Array; readonly uid: number; readonly gid: number };
}

/** What it gives back at the end, after numbers of files read: 32 bytes a file; `failed` says which could not be read as they were seen. */
export interface HashReply {
  readonly digests: Uint8Array;
  readonly failed: readonly number[];
  /** Where each file's bytes are in the spool (-1: nowhere), and how long the header before them is. Undefined: it is of no use. */
  readonly spooled?: { readonly offsets: Float64Array; readonly headers: Uint32Array };
}

const INLINE_FILES = 400;
const INLINE_BYTES = 16 << 20;
const MAX_WORKERS = 4;

/** Makes `digest` of these files known to the tree. Throws what `digest` would for a file that changed or cannot be read. */
export async function digestFiles(
  tree: FolderTree,
  files: readonly FolderNode[],
  job: JobContext,
  options: DigestOptions = {},
): Promise<void> {
  const missing = files.filter((node) => node.digest === undefined && node.entry.kind === 'file' && node.entry.size > 0);
  const bytes = missing.reduce((sum, node) => sum + node.entry.size, 0);
  const workers = Math.min(MAX_WORKERS, availableParallelism(), missing.length);
  if (workers > 1 && (missing.length > INLINE_FILES || bytes > INLINE_BYTES)) {
    let read = 0;
    const count = (more: number): void => options.onFiles?.((read += more), missing.length);
    const shares = split(missing, bytes, workers);
    count(0);
    await Promise.all(shares.map((share) => hashInWorker(tree, share, job, count, options)));
  }
  // The rest, and what a worker could not read: here it fails with the reason.
  for (const node of missing) {
    if (node.digest !== undefined) continue;
    job.signal.throwIfAborted();
    tree.digest(node.entry);
  }
}

/** Neighbours stay together, shares weigh about the same. A file costs as much as some 50 KB of bytes. */
function split(files: readonly FolderNode[], bytes: number, count: number): FolderNode[][] {
  const whole = bytes + files.length * 50_000;
  const shares: FolderNode[][] = [[]];
  let weight = 0;
  for (const file of files) {
    if (weight > (whole / count) * shares.length) shares.push([]);
    shares.at(-1)?.push(file);
    weight += file.entry.size + 50_000;
  }
  return shares;
}

async function hashInWorker(
  tree: FolderTree,
  files: readonly FolderNode[],
  job: JobContext,
  count: (more: number) => void,
  { spool, likely }: DigestOptions,
): Promise<void> {
  const { Worker } = await import('node:worker_threads');
  const stamps = new Float64Array(files.length * 6);
  for (const [at, { entry, stamp }] of files.entries()) {
    stamps.set([stamp.ino, entry.size, entry.mtime, entry.mtimeNs, stamp.changed, stamp.changedNs], at * 6);
  }
  const file = spool?.open(files.reduce((sum, { entry: { size } }) => (size > SPOOLED_FILE ? sum : sum + spooledBytes(size)), 0));
  const paths = files.map((node) => node.entry.path).join('\0');
  const entries = likely === undefined ? {} : { likely: likelyOf(files, likely) };
  const request: HashRequest = {
    root: tree.hostPath(''),
    paths,
    stamps,
    ...(file === undefined ? {} : { spool: { fd: file.fd, ...entries } }),
  };
  const worker = new Worker(workerUrl(import.meta.url, 'hash-files'), { workerData: request });
  const stop = (): void => void worker.terminate();
  job.signal.addEventListener('abort', stop, { once: true });
  try {
    const { digests, failed, spooled } = await new Promise<HashReply>((resolve, reject) => {
      worker.on('message', (message: HashReply | number) => {
        if (typeof message === 'number') count(message);
        else resolve(message);
      });
      worker.once('error', reject);
      worker.once('exit', () => reject((job.signal.reason as Error | undefined) ?? new Error('internal: a hashing thread ended early')));
    });
    const lost = new Set(failed);
    const hex = Buffer.from(digests.buffer, digests.byteOffset, digests.length).toString('hex');
    const share = file === undefined || spooled === undefined ? undefined : { file, ...spooled, likely };
    for (const [at, node] of files.entries()) {
      if (lost.has(at)) continue;
      node.digest = sha256Digest(hex.slice(at * 64, at * 64 + 64));
      if (share !== undefined && (share.offsets[at] ?? -1) >= 0) node.spooled = { share, at };
    }
  } finally {
    job.signal.removeEventListener('abort', stop);
    await worker.terminate();
  }
}

/** With a usual header, and what fills its last block. */
function spooledBytes(size: number): number {
  return BLOCK + size + padding(size);
}

/** Of files with attributes nothing is said: their headers are rare, and long. */
function likelyOf(files: readonly FolderNode[], { paths, uid, gid }: LikelyEntries): NonNullable<SpoolRequest['likely']> {
  return {
    paths: files.map((node) => (node.entry.xattrs === undefined ? (paths.get(node) ?? '') : '')).join('\0'),
    modes: Uint16Array.from(files, ({ entry }) => entry.mode),
    uid,
    gid,
  };
}
