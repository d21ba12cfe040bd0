// A shared cache in a folder: an OCI image layout, a tag for each cache.

import { closeSync, constants, createReadStream, existsSync, lstatSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { digestHex, digestOf, type Digest, errnoOf, type JobContext, SlipwayError } from '../../base/index.ts';
import {
  addToLayoutIndex,
  type Descriptor,
  findInLayout,
  type Index,
  isIndexType,
  LAYOUT_CONTENT,
  LAYOUT_FILE,
  LAYOUT_INDEX_FILE,
  layoutBlobPath,
  parseLayoutIndex,
  parseManifestDocument,
  serializeIndex,
  tagAnnotations,
} from '../../oci/index.ts';
import { makeFolders, tryLock } from '../../sys/index.ts';
import { lockLayout, namesIn, renameMakingFolder, writeFileAtomic, freshName } from '../../store/index.ts';
import type { BlobSource, CacheTransport } from './transport.ts';

/** How long somebody else's sweep is waited for before the next look, ms. */
const SWEEP_WAIT_MS = 10;

/** A layout folder. */
export class FolderTransport implements CacheTransport {
  readonly name: string;
  readonly medium = 'client directory';
  readonly #folder: string;
  readonly #wanted: { readonly tag: string; readonly digest?: Digest };
  readonly #reset: boolean;

  /** Open on the folder of the blobs, and locked, from the first write until `end`. */
  #claim: Promise<number | undefined> | undefined;

  /** `reset`: blobs that no entry of the layout needs are removed after an export, unless somebody else writes there at that moment. */
  constructor(folder: string, wanted: { readonly tag: string; readonly digest?: Digest }, reset: boolean) {
    this.#folder = folder;
    this.#wanted = wanted;
    this.#reset = reset;
    this.name = `folder ${folder}`;
  }

  readManifest(): Promise<{ bytes: Uint8Array; mediaType: string } | undefined> {
    const index = this.#index();
    if (index === undefined) return Promise.resolve(undefined);
    const { digest } = this.#wanted;
    const entry = digest === undefined ? findEntry(index, this.#wanted.tag) : { digest, mediaType: '' };
    if (entry === undefined || !existsSync(this.#path(entry.digest))) return Promise.resolve(undefined);
    const bytes = readFileSync(this.#path(entry.digest));
    return Promise.resolve({ bytes, mediaType: entry.mediaType });
  }

  openBlob(blob: Descriptor): Promise<AsyncIterable<Uint8Array>> {
    const path = this.#path(blob.digest);
    if (existsSync(path)) return Promise.resolve(createReadStream(path, { highWaterMark: 1 << 18 }));
    return Promise.reject(
      new SlipwayError('BLOB_UNKNOWN', `the cache ${this.name} has no blob ${blob.digest}`, { facts: { digest: blob.digest } }),
    );
  }

  async writeBlob(blob: Descriptor, source: BlobSource, job: JobContext): Promise<void> {
    this.#refuseLinks();
    await this.#claimBlobs(job);
    const path = this.#path(blob.digest);
    if (statSync(path, { throwIfNoEntry: false })?.size === blob.size) return;
    const temporary = join(this.#folder, `.tmp-${freshName()}`);
    try {
      makeFolders(this.#folder);
      await writeFile(temporary, source.open(0, blob.size), { signal: job.signal });
      renameMakingFolder(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      job.signal.throwIfAborted();
      throw error;
    }
  }

  async writeManifest(bytes: Uint8Array, mediaType: string, job: JobContext): Promise<void> {
    this.#refuseLinks();
    const digest = digestOf(bytes);
    makeFolders(this.#folder);
    const claim = await this.#claimBlobs(job);
    // Others may add entries to this layout, too.
    using _lock = await lockLayout(this.#folder, job.signal);
    const index = this.#index();
    writeFileAtomic(this.#folder, this.#path(digest), bytes);
    writeFileAtomic(this.#folder, join(this.#folder, LAYOUT_FILE), LAYOUT_CONTENT);
    const descriptor: Descriptor = { mediaType, digest, size: bytes.length, annotations: tagAnnotations(this.#wanted.tag) };
    const updated = addToLayoutIndex(this.#reset ? undefined : index, [descriptor]);
    writeFileAtomic(this.#folder, join(this.#folder, LAYOUT_INDEX_FILE), serializeIndex(updated, 0));
    // What others have written has no entry yet. They, or whoever comes next, take away what is left.
    if (this.#reset && (claim === undefined || tryLock(claim, 'exclusive'))) this.#sweep(updated);
    await this.end();
  }

  async end(): Promise<void> {
    const claim = await this.#claim?.catch(() => undefined);
    this.#claim = undefined;
    if (claim !== undefined) closeSync(claim);
  }

  /** As long as it is held nobody removes blobs. Undefined: a file system without such locks. */
  #claimBlobs(job: JobContext): Promise<number | undefined> {
    return (this.#claim ??= claimFolder(join(this.#folder, 'blobs/sha256'), job.signal));
  }

  /** Whoever left something in the folder must not choose what is written, or removed, elsewhere. */
  #refuseLinks(): void {
    for (const path of ['blobs', 'blobs/sha256'].map((name) => join(this.#folder, name))) {
      if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) continue;
      throw new SlipwayError('CACHE_OPTION', `${path} is a symlink, which is not followed`, { hint: 'remove it, or name another folder' });
    }
  }

  #index(): Index | undefined {
    try {
      return parseLayoutIndex(readFileSync(join(this.#folder, LAYOUT_INDEX_FILE)));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
      throw error;
    }
  }

  #path(digest: Digest): string {
    return join(this.#folder, layoutBlobPath(digest));
  }

  /** Removes blobs that nothing in the index names. */
  #sweep(index: Index): void {
    const needed = new Set<string>();
    for (const { digest, mediaType } of index.manifests) {
      needed.add(digestHex(digest));
      if (isIndexType(mediaType)) continue;
      const document = parseManifestDocument(readFileSync(this.#path(digest)), mediaType);
      if (document.kind !== 'manifest') continue;
      for (const blob of [document.manifest.config, ...document.manifest.layers]) needed.add(digestHex(blob.digest));
    }
    const folder = join(this.#folder, 'blobs/sha256');
    for (const name of namesIn(folder)) if (!needed.has(name)) rmSync(join(folder, name), { force: true });
  }
}

/** A shared lock of the folder itself: a file for that would be one more in a folder that is kept, and sent about. */
async function claimFolder(folder: string, signal: AbortSignal): Promise<number | undefined> {
  makeFolders(folder);
  for (;;) {
    signal.throwIfAborted();
    const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    try {
      if (tryLock(fd, 'shared')) return fd;
    } catch {
      closeSync(fd);
      return undefined;
    }
    closeSync(fd);
    await sleep(SWEEP_WAIT_MS, undefined, { signal }).catch(() => {});
  }
}

function findEntry(index: Index, tag: string): Descriptor | undefined {
  try {
    return findInLayout(index, tag);
  } catch {
    return undefined; // no such tag: nothing was exported under it
  }
}
