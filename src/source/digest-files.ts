// Digests of many files of a folder: few are read here, many in worker threads.

import { availableParallelism } from 'node:os';
import { type BytePath, type JobContext, sha256Digest, workerUrl } from '../base/index.ts';
import { type FileSpool, SPOOLED_FILE } from './file-spool.ts';
import type { FolderNode, FolderTree } from './folder-tree.ts';

/** What a worker is given. Stamps are ino, size, mtime, mtimeNs, ctime, ctimeNs of each file. */
export interface HashRequest {
  readonly root: BytePath;
  /** Joined by NUL. */
  readonly paths: string;
  readonly stamps: Float64Array;
  /** Descriptor of a spool, and where in it each file's bytes go (-1: nowhere). */
  readonly spool?: { readonly fd: number; readonly offsets: Float64Array };
}

/** What it gives back at the end, after numbers of files read: 32 bytes a file; `failed` says which could not be read as they were seen. */
export interface HashReply {
  readonly digests: Uint8Array;
  readonly failed: readonly number[];
  /** Files before this one, of those with a place in the spool, are in it. */
  readonly spooled: number;
}

const INLINE_FILES = 400;
const INLINE_BYTES = 16 << 20;
const MAX_WORKERS = 4;

/**
 * Makes `digest` of these files known to the tree. Throws what `digest` would for a file that changed or cannot be read. `onFiles` hears now
 * and then how many were read, of how many.
 */
export async function digestFiles(
  tree: FolderTree,
  files: readonly FolderNode[],
  job: JobContext,
  onFiles: (current: number, total: number) => void = () => {},
  spool?: FileSpool,
): Promise<void> {
  const missing = files.filter((node) => node.digest === undefined && node.entry.kind === 'file' && node.entry.size > 0);
  const bytes = missing.reduce((sum, node) => sum + node.entry.size, 0);
  const workers = Math.min(MAX_WORKERS, availableParallelism(), missing.length);
  if (workers > 1 && (missing.length > INLINE_FILES || bytes > INLINE_BYTES)) {
    let read = 0;
    const count = (more: number): void => onFiles((read += more), missing.length);
    const shares = split(missing, bytes, workers);
    count(0);
    await Promise.all(shares.map((share) => hashInWorker(tree, share, job, count, spool)));
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
  spool: FileSpool | undefined,
): Promise<void> {
  const { Worker } = await import('node:worker_threads');
  const stamps = new Float64Array(files.length * 6);
  for (const [at, { entry, ino, ctime, ctimeNs }] of files.entries()) {
    stamps.set([ino, entry.size, entry.mtime, entry.mtimeNs, ctime, ctimeNs], at * 6);
  }
  const places = spool === undefined ? undefined : placesIn(spool, files);
  const paths = files.map((node) => node.entry.path).join('\0');
  const request: HashRequest = { root: tree.hostPath(''), paths, stamps, ...(places === undefined ? {} : { spool: places }) };
  const worker = new Worker(workerUrl(import.meta.url, 'hash-files'), { workerData: request });
  const stop = (): void => void worker.terminate();
  job.signal.addEventListener('abort', stop, { once: true });
  try {
    const reply = await new Promise<HashReply>((resolve, reject) => {
      worker.on('message', (message: HashReply | number) => {
        if (typeof message === 'number') count(message);
        else resolve(message);
      });
      worker.once('error', reject);
      worker.once('exit', () => reject((job.signal.reason as Error | undefined) ?? new Error('internal: a hashing thread ended early')));
    });
    const failed = new Set(reply.failed);
    const hex = Buffer.from(reply.digests.buffer, reply.digests.byteOffset, reply.digests.length).toString('hex');
    for (const [at, node] of files.entries()) {
      if (failed.has(at)) continue;
      node.digest = sha256Digest(hex.slice(at * 64, at * 64 + 64));
      const offset = places?.offsets[at] ?? -1;
      if (places !== undefined && offset >= 0 && at < reply.spooled) node.spooled = { fd: places.fd, offset };
    }
  } finally {
    job.signal.removeEventListener('abort', stop);
    await worker.terminate();
  }
}

/** Small files one after another in a spool. */
function placesIn(spool: FileSpool, files: readonly FolderNode[]): NonNullable<HashRequest['spool']> | undefined {
  const sizes = files.map(({ entry: { size } }) => (size <= SPOOLED_FILE ? size : 0));
  const place = spool.reserve(sizes.reduce((sum, size) => sum + size, 0));
  if (place === undefined) return undefined;
  let { offset } = place;
  const offsets = Float64Array.from(files, ({ entry }, at) => {
    if (entry.size > SPOOLED_FILE) return -1;
    const own = offset;
    offset += sizes[at] as number;
    return own;
  });
  return { fd: place.fd, offsets };
}
