// Shared caches of one build: those it looks into, and those it writes. Registries are reached with the client's credentials; folders
// are the client's.

import { digestOf, type JobContext } from '../../base/index.ts';
import {
  type BlobSource,
  type BuiltForCaches,
  type CacheExports,
  type CacheSharing,
  type CacheTransport,
  type Descriptor,
  exportCaches,
  importCaches,
  knownCacheAttributes,
  planCacheExports,
  prepareCaches,
  soonShared,
} from '../../build/parts.ts';
import type { CacheEntry, ClientServices, ContentAccess } from '../backend.ts';
import type { GraphEdge } from '../engine.ts';
import { RpcError } from '../wire/rpc-error.ts';
import type { LocalBuild } from './build.ts';

/** Each cache is imported once, however often the build asks. */
export class BuildCaches {
  readonly #build: LocalBuild;
  readonly #imports = new Map<string, Promise<void>>();

  constructor(build: LocalBuild) {
    this.#build = build;
  }

  /** Starts to look into caches; what was asked for already is not asked for again. */
  import(entries: readonly CacheEntry[]): void {
    for (const entry of entries) {
      const request = plainRequest(entry);
      const key = JSON.stringify(request);
      if (this.#imports.has(key)) continue;
      const { client, job } = this.#build;
      const started = importCaches([request], this.#sharing(), job, (wanted) => openFolder(wanted, client, 'src'));
      started.catch(() => {}); // told where it is waited for
      this.#imports.set(key, started);
    }
  }

  /** Waits for the imports. Rejects only for what was asked for wrongly. */
  async ready(): Promise<void> {
    await Promise.all(this.#imports.values());
  }

  /** What is to be written, checked before anything is built. */
  plan(entries: readonly CacheEntry[], epoch: number | undefined): CacheExports {
    return planCacheExports(
      entries.map((entry) => plainRequest(entry)),
      () => this.#build.registry,
      epoch,
      (wanted) => openFolder(wanted, this.#build.client, 'dest'),
    );
  }

  /** Lets layers be compressed for them while steps run. */
  expect(plans: CacheExports): void {
    const { engine, session } = this.#build;
    const makeBlobs = soonShared(plans, engine.layers);
    if (makeBlobs !== undefined) session.expectBlobs(makeBlobs);
  }

  /** Lets the rest be compressed while outputs are made. */
  prepare(plans: CacheExports, roots: readonly GraphEdge[], epoch: number | undefined): void {
    if (plans.plans.length === 0) return;
    const built = this.#built(roots, epoch);
    this.#build.session.beside((job) => prepareCaches(plans, built, this.#sharing(), job));
  }

  /** Writes all. Resolves with what the client needs to find them. */
  async export(plans: CacheExports, roots: readonly GraphEdge[], epoch: number | undefined): Promise<Record<string, string>> {
    if (plans.plans.length === 0) return {};
    const made = await exportCaches(plans, this.#built(roots, epoch), this.#sharing(), this.#build.job);
    const last = made.at(-1);
    return last === undefined ? {} : { 'cache.manifest': JSON.stringify(last) };
  }

  #built(roots: readonly GraphEdge[], epoch: number | undefined): BuiltForCaches {
    const { session } = this.#build;
    return { facts: session.facts, roots: roots.map((edge) => session.resultOf(edge)), ...(epoch !== undefined && { epoch }) };
  }

  #sharing(): CacheSharing {
    const { engine, registry, session } = this.#build;
    const { cache, layers, store } = engine;
    return { cache, layers, store, caches: session.deps.caches, registry: () => registry };
  }
}

/** Clients send attributes of other builders too; those mean nothing here. */
function plainRequest({ type, attributes }: CacheEntry): CacheEntry {
  const known = knownCacheAttributes(type);
  if (known === undefined) throw new RpcError('invalidArgument', `unknown cache type ${JSON.stringify(type)}`);
  return { type, attributes: Object.fromEntries(Object.entries(attributes).filter(([name]) => known.includes(name))) };
}

/** A folder of the client is a content store of its session. */
function openFolder({ type, attributes }: CacheEntry, client: ClientServices, attribute: 'src' | 'dest'): CacheTransport | undefined {
  if (type !== 'local') return undefined;
  const folder = attributes[attribute] ?? '';
  if (folder === '')
    throw new RpcError('invalidArgument', `local cache ${attribute === 'src' ? 'importer' : 'exporter'} requires ${attribute}`);
  return new SessionTransport(folder, attributes['digest'], client.content(`local:${folder}`));
}

class SessionTransport implements CacheTransport {
  readonly name: string;
  readonly medium = 'client directory';
  readonly #digest: string | undefined;
  readonly #content: ContentAccess;

  constructor(folder: string, digest: string | undefined, content: ContentAccess) {
    this.name = `local:${folder}`;
    this.#digest = digest;
    this.#content = content;
  }

  async readManifest(job: JobContext): Promise<{ bytes: Uint8Array; mediaType: string | undefined } | undefined> {
    if (this.#digest === undefined) throw new RpcError('invalidArgument', 'local cache importer requires explicit digest');
    const size = await this.#content.size(this.#digest, job.signal);
    if (size === undefined) return undefined;
    if (size > MAX_MANIFEST) throw new RpcError('failedPrecondition', `the manifest of ${this.name} is too large`);
    const chunks: Uint8Array[] = [];
    let read = 0;
    for await (const chunk of this.#content.read(this.#digest, job.signal)) {
      chunks.push(chunk);
      read += chunk.length;
      if (read > size) throw new RpcError('failedPrecondition', `the manifest of ${this.name} is longer than the client says`);
    }
    return { bytes: Buffer.concat(chunks), mediaType: undefined };
  }

  openBlob(blob: Descriptor, job: JobContext): Promise<AsyncIterable<Uint8Array>> {
    return Promise.resolve(this.#content.read(blob.digest, job.signal));
  }

  async writeBlob(blob: Descriptor, source: BlobSource, job: JobContext): Promise<void> {
    await this.#content.write(blob.digest, blob.size, source.open(0, blob.size), job.signal);
  }

  async writeManifest(bytes: Uint8Array, _mediaType: string, job: JobContext): Promise<void> {
    await this.#content.write(digestOf(bytes), bytes.length, once(bytes), job.signal);
  }
}

const MAX_MANIFEST = 16 << 20;

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
