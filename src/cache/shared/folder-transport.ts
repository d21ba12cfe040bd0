// A shared cache in a folder: an OCI image layout, a tag for each cache.

import { existsSync, lstatSync, readFileSync, rmSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
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
import { makeFolders } from '../../sys/index.ts';
import {
  claimLayout,
  fileBytes,
  freshName,
  type LayoutClaim,
  lockLayout,
  namesIn,
  removeUnfinished,
  renameMakingFolder,
  writeFileAtomic,
} from '../../store/index.ts';
import type { BlobSource, CacheTransport } from './transport.ts';

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota is used up',
  EACCES: 'permission denied',
  EROFS: 'the file system is read-only',
};

/** A layout folder. */
export class FolderTransport implements CacheTransport {
  readonly name: string;
  readonly medium = 'client directory';
  readonly #folder: string;
  readonly #wanted: { readonly tag: string; readonly digest?: Digest };
  readonly #reset: boolean;

  /** From the first write until `end`. */
  #claim: Promise<LayoutClaim> | undefined;

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
    if (existsSync(path)) return Promise.resolve(fileBytes(path));
    return Promise.reject(
      new SlipwayError('BLOB_UNKNOWN', `the cache ${this.name} has no blob ${blob.digest}`, { facts: { digest: blob.digest } }),
    );
  }

  async writeBlob(blob: Descriptor, source: BlobSource, job: JobContext): Promise<void> {
    await this.#inFolder(() => this.#putBlob(blob, source, job));
  }

  async #putBlob(blob: Descriptor, source: BlobSource, job: JobContext): Promise<void> {
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
    await this.#inFolder(() => this.#putManifest(bytes, mediaType, job));
  }

  async #putManifest(bytes: Uint8Array, mediaType: string, job: JobContext): Promise<void> {
    this.#refuseLinks();
    const digest = digestOf(bytes);
    makeFolders(this.#folder);
    const claim = await this.#claimBlobs(job);
    // Others may add entries to this layout, too.
    using _lock = await lockLayout(this.#folder, job.signal);
    const index = this.#reset ? undefined : this.#index();
    writeFileAtomic(this.#folder, this.#path(digest), bytes);
    writeFileAtomic(this.#folder, join(this.#folder, LAYOUT_FILE), LAYOUT_CONTENT);
    const descriptor: Descriptor = { mediaType, digest, size: bytes.length, annotations: tagAnnotations(this.#wanted.tag) };
    const updated = addToLayoutIndex(index, [descriptor]);
    writeFileAtomic(this.#folder, join(this.#folder, LAYOUT_INDEX_FILE), serializeIndex(updated, 0));
    // What others have written has no entry yet. They, or whoever comes next, take away what is left.
    const alone = claim.alone();
    if (alone === true) removeUnfinished(this.#folder);
    if (this.#reset && alone !== false) this.#sweep(updated);
    await this.end();
  }

  async end(): Promise<void> {
    const claim = await this.#claim?.catch(() => undefined);
    this.#claim = undefined;
    claim?.[Symbol.dispose]();
  }

  /** What the disk refuses is said of this folder: it is not the store, which could be put elsewhere. */
  async #inFolder(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      const cause = error instanceof SlipwayError && error.code.startsWith('STORE_') ? error.cause : error;
      const code = cause instanceof SlipwayError ? undefined : errnoOf(cause);
      if (code === undefined) throw error;
      const reason = REASONS[code] ?? (cause as Error).message;
      throw new SlipwayError('CACHE_WRITE', `cannot write the cache to ${this.name}: ${reason}`, {
        cause,
        hint: 'make room or name another folder; with ignore-error=true the build goes on without',
      });
    }
  }

  #claimBlobs(job: JobContext): Promise<LayoutClaim> {
    return (this.#claim ??= claimLayout(this.#folder, job.signal));
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
      throw new SlipwayError(
        'CACHE_DAMAGED',
        `${LAYOUT_INDEX_FILE} of the cache in ${this.#folder} cannot be read: ${(error as Error).message}`,
        {
          cause: error,
          hint: 'remove the folder, or write the cache with reset=true: it is made anew',
        },
      );
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

function findEntry(index: Index, tag: string): Descriptor | undefined {
  try {
    return findInLayout(index, tag);
  } catch {
    return undefined; // no such tag: nothing was exported under it
  }
}
