// Cache mounts in a shared cache (`mounts=true`): each one a tar, taken while nobody uses it, unpacked where the cache is still empty.

import { createHash } from 'node:crypto';
import { closeSync, createWriteStream, lstatSync, openSync, readdirSync, readlinkSync, readSync, rmSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type BytePath, fsPath, type JobContext, sha256Digest } from '../../base/index.ts';
import { encodeTarHeader, type Entry, type FolderRights, padding, readLayer, TAR_END } from '../../layer/index.ts';
import type { Descriptor } from '../../oci/index.ts';
import type { CacheMounts, KeptCache } from '../../runtime/index.ts';
import { fileBytes, type Store } from '../../store/index.ts';
import { CACHE_MOUNT_TYPE, type SharedMount } from './format.ts';
import type { CacheTransport } from './transport.ts';

const READ_BYTES = 1 << 18;
/** Package caches are compressed already, mostly. */
const GZIP_LEVEL = 1;

/** Writes all cache mounts that nobody uses now. Their entries belong into the document of the export. */
export async function exportMounts(
  caches: CacheMounts,
  store: Store,
  place: CacheTransport,
  job: JobContext,
): Promise<readonly SharedMount[]> {
  const mounts: SharedMount[] = [];
  for (const cache of newestOfEach(caches.list())) {
    if (cache.inUse) continue;
    const request = { id: cache.id, sharing: 'locked', uid: 0, gid: 0, mode: 0o755 } as const;
    await using mount = await caches.acquire(cache.base === undefined ? request : { ...request, base: cache.base }, job);
    const path = store.temp.path('mount');
    try {
      const blob = await packFolder(mount.path, path, job);
      await place.writeBlob(blob, { open: (start, end) => fileBytes(path, start, end) }, job);
      mounts.push({ id: cache.id, ...(cache.base === undefined ? {} : { base: cache.base }), blob });
    } finally {
      rmSync(path, { force: true });
    }
  }
  return mounts.sort((a, b) => (`${a.id}\0${a.base ?? ''}` < `${b.id}\0${b.base ?? ''}` ? -1 : 1));
}

/** Fills cache mounts that are still empty here. `rights`: what may be put on disk. */
export async function importMounts(
  caches: CacheMounts,
  place: CacheTransport,
  mounts: readonly SharedMount[],
  job: JobContext,
  rights?: FolderRights,
): Promise<void> {
  const known = new Set(caches.list().map(({ id, base }) => `${id}\0${base ?? ''}`));
  for (const { id, base, blob } of mounts) {
    if (known.has(`${id}\0${base ?? ''}`)) continue;
    const fill = async (folder: string): Promise<void> => {
      const bytes = await place.openBlob(blob, job);
      await readLayer(bytes, { folder, expected: blob, signal: job.signal, ...(rights === undefined ? {} : { rights }) });
    };
    await using _mount = await caches.acquire(
      { id, sharing: 'locked', uid: 0, gid: 0, mode: 0o755, fill, ...(base === undefined ? {} : { base }) },
      job,
    );
  }
}

function newestOfEach(all: readonly KeptCache[]): readonly KeptCache[] {
  const newest = new Map<string, KeptCache>();
  for (const cache of all) {
    const name = `${cache.id}\0${cache.base ?? ''}`;
    const known = newest.get(name);
    if (known === undefined || cache.lastUsed > known.lastUsed) newest.set(name, cache);
  }
  return [...newest.values()];
}

/** Writes a folder as a gzipped tar. */
async function packFolder(folder: BytePath, to: string, job: JobContext): Promise<Descriptor> {
  const hash = createHash('sha256');
  let size = 0;
  const count = async function* (bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of bytes) {
      hash.update(chunk);
      size += chunk.length;
      yield chunk;
    }
  };
  await pipeline(Readable.from(tarOf(folder)), createGzip({ level: GZIP_LEVEL }), count, createWriteStream(to, { flags: 'wx' }), {
    signal: job.signal,
  });
  return { mediaType: CACHE_MOUNT_TYPE, digest: sha256Digest(hash.digest('hex')), size };
}

function* tarOf(folder: BytePath): Generator<Uint8Array> {
  const links = new Map<string, BytePath>();
  yield* membersOf(folder, '', links);
  yield TAR_END;
}

function* membersOf(folder: BytePath, path: BytePath, links: Map<string, BytePath>): Generator<Uint8Array> {
  const full = path === '' ? folder : `${folder}/${path}`;
  const entry = entryOf(full, path, links);
  if (entry === undefined) return;
  if (entry.kind === 'file') yield* fileMember(full, entry);
  else yield encodeTarHeader(entry);
  if (entry.kind !== 'dir') return;
  const names = readdirSync(fsPath(full), { encoding: 'latin1' }).sort();
  for (const name of names) yield* membersOf(folder, path === '' ? name : `${path}/${name}`, links);
}

/** Sockets, pipes and devices are no part of a cache. */
function entryOf(full: BytePath, path: BytePath, links: Map<string, BytePath>): Entry | undefined {
  const stat = lstatSync(fsPath(full), { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  const facts = {
    path,
    mode: stat.mode & 0o7777,
    uid: stat.uid,
    gid: stat.gid,
    size: 0,
    mtime: Math.floor(stat.mtimeMs / 1000),
    mtimeNs: 0,
  };
  if (stat.isDirectory()) return { ...facts, kind: 'dir' };
  if (stat.isSymbolicLink()) return { ...facts, kind: 'symlink', link: toLatin1(readlinkSync(fsPath(full), { encoding: 'buffer' })) };
  if (!stat.isFile()) return undefined;
  const inode = `${stat.dev}:${stat.ino}`;
  const first = stat.nlink > 1 ? links.get(inode) : undefined;
  if (first !== undefined) return { ...facts, kind: 'hardlink', link: first };
  if (stat.nlink > 1) links.set(inode, path);
  return { ...facts, kind: 'file', size: stat.size };
}

function* fileMember(full: BytePath, entry: Entry): Generator<Uint8Array> {
  yield encodeTarHeader(entry);
  const fd = openSync(fsPath(full), 'r');
  try {
    for (let left = entry.size; left > 0;) {
      const piece = Buffer.allocUnsafe(Math.min(left, READ_BYTES));
      const read = readSync(fd, piece, 0, piece.length, null);
      if (read === 0) piece.fill(0); // cut meanwhile: the header's promise is kept
      const bytes = read === 0 ? piece : piece.subarray(0, read);
      left -= bytes.length;
      yield bytes;
    }
  } finally {
    closeSync(fd);
  }
  yield Buffer.alloc(padding(entry.size));
}

function toLatin1(bytes: Buffer): BytePath {
  return bytes.toString('latin1');
}
