// The registry client: what the rest of the builder knows of registries.

import { type Digest, digestOf, isSlipwayError, type JobContext, mapLimit, Semaphore, SingleFlight, SlipwayError } from '../base/index.ts';
import {
  type Descriptor,
  familiarReference,
  type ImageConfig,
  isForeignLayerType,
  type Manifest,
  parseManifestDocument,
  type Platform,
  type Reference,
  referenceName,
} from '../oci/index.ts';
import { Authorizer } from './authorizer.ts';
import { readBlob } from './blob-reader.ts';
import { blobExists, type PushBlob, type PushOutcome, reuseBlob, uploadBlob } from './blob-writer.ts';
import { type Limits, limitsOf, type RegistryConfig } from './config.ts';
import { CredentialStore } from './credentials.ts';
import {
  checkConfigSize,
  type FetchedManifest,
  getManifest,
  getReferrers,
  headManifest,
  readConfig,
  selectImage,
  verifyDigest,
} from './documents.ts';
import { type Endpoint, EndpointBook, type EndpointPlan, planEndpoints, settingsOf } from './endpoint.ts';
import { type About, protocolFault } from './faults.ts';
import { headerOf, Requester } from './requester.ts';
import { TokenClient } from './token.ts';
import { bytesBody, discard, Transport } from './transport.ts';

/** What a single call may add to the client's configuration. */
export interface CallOptions {
  /** `registry.insecure=true`: TLS without verification, plain http where there is no TLS. */
  readonly insecure?: boolean;
  /** Documents that are at hand, by digest: these are not asked for again. */
  readonly known?: (digest: Digest) => Uint8Array | undefined;
}

/** An image of one platform, found by name. */
export interface ResolvedImage {
  /** What the name points to: an index or a manifest. */
  readonly root: FetchedManifest;
  /** The platform's manifest; the same as `root` when that is no index. */
  readonly image: FetchedManifest & { readonly manifest: Manifest };
}

export interface FetchedConfig {
  readonly bytes: Uint8Array;
  readonly config: ImageConfig;
}

export interface BlobOptions extends CallOptions {
  /** Bytes so far. */
  readonly onProgress?: (current: number) => void;
}

/** A manifest or index to push. */
export interface PushManifest {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly digest: Digest;
}

/** An image to push: all blobs, then the manifests in order (children before what lists them); the last one gets the tags. */
export interface PushRequest {
  readonly reference: Reference;
  readonly blobs: readonly PushBlob[];
  readonly manifests: readonly PushManifest[];
  /** Put the last manifest under its digest only. */
  readonly byDigest?: boolean;
  readonly insecure?: boolean;
  readonly onProgress?: (event: PushProgress) => void;
}

/** A blob on its way up. */
export interface PushProgress {
  readonly digest: Digest;
  readonly current: number;
  readonly total: number;
  /** Set when it is there. */
  readonly outcome?: PushOutcome;
}

/** Opens a client; no connection is made before the first request. */
export function openRegistry(config: RegistryConfig = {}): RegistryClient {
  return new RegistryClient(config);
}

/** Talks to all registries of one configuration. Its connections are kept until it is disposed. */
export class RegistryClient implements Disposable {
  readonly #config: RegistryConfig;
  readonly #limits: Limits;
  readonly #transport: Transport;
  readonly #requester: Requester;
  readonly #book: EndpointBook;
  readonly #life = new AbortController();
  readonly #downloads = new Map<string, Semaphore>();
  readonly #uploads = new Map<string, Semaphore>();
  readonly #pushes = new SingleFlight<string, PushOutcome>();

  constructor(config: RegistryConfig) {
    this.#config = config;
    this.#limits = limitsOf(config);
    this.#transport = new Transport(config);
    const settings = (host: string): ReturnType<typeof settingsOf> => settingsOf(config, host);
    const tokens = new TokenClient(this.#transport, this.#limits, settings, this.#life.signal);
    const authorizer = new Authorizer(new CredentialStore(config), tokens, this.#limits);
    this.#requester = new Requester(this.#transport, authorizer, this.#limits, settings);
    this.#book = new EndpointBook(this.#transport, this.#limits);
  }

  /** What a name points to now: digest, size and media type, without fetching it where the registry can tell. */
  async head(reference: Reference, job: JobContext, options: CallOptions = {}): Promise<Descriptor> {
    const about = aboutPull(reference);
    return await this.#firstOf(reference, about, job, options, async (endpoint) => {
      const context = { requester: this.#requester, endpoint, reference, about, signal: job.signal };
      try {
        const descriptor = await headManifest(context);
        if (descriptor !== undefined) return descriptor;
      } catch (error) {
        if (!(error instanceof SlipwayError) || error.facts['status'] !== 405) throw error;
      }
      return (await getManifest(context)).descriptor;
    });
  }

  /** A manifest or index by tag or digest, verified. */
  async manifest(reference: Reference, job: JobContext, options: CallOptions = {}): Promise<FetchedManifest> {
    const about = aboutPull(reference);
    const atHand = reference.digest === undefined ? undefined : options.known?.(reference.digest);
    if (reference.digest !== undefined && atHand !== undefined) return readKnown(reference.digest, atHand, about);
    return await this.#firstOf(reference, about, job, options, (endpoint) =>
      getManifest({ requester: this.#requester, endpoint, reference, about, signal: job.signal }),
    );
  }

  /**
   * Finds an image for a platform. With `known`, a tag whose document is at hand costs one HEAD. A name that points to a plain manifest
   * gives that one, whatever its platform: its config tells. Throws `PLATFORM_MISSING` naming the platforms there are.
   */
  async resolve(reference: Reference, platform: Platform, job: JobContext, options: CallOptions = {}): Promise<ResolvedImage> {
    const root = await this.#root(reference, job, options);
    const image = await selectImage(root, platform, reference, (descriptor) =>
      this.manifest({ ...reference, digest: descriptor.digest }, job, options),
    );
    return { root, image };
  }

  /** The config of a manifest, verified. */
  async config(reference: Reference, descriptor: Descriptor, job: JobContext, options: CallOptions = {}): Promise<FetchedConfig> {
    const about = aboutPull(reference);
    checkConfigSize(descriptor, about);
    const bytes = options.known?.(descriptor.digest) ?? (await this.#wholeBlob(reference, descriptor, job, options));
    return { bytes, config: readConfig(bytes, descriptor, about) };
  }

  /** Streams a blob; see `readBlob` for what it throws. Nothing is asked for before the first read; a place among the downloads is held until the end. */
  async *openBlob(
    reference: Reference,
    descriptor: Descriptor,
    job: JobContext,
    options: BlobOptions = {},
  ): AsyncGenerator<Uint8Array, void> {
    const about = aboutPull(reference);
    const endpoints = this.#plans(reference, 'pull', options).map((plan) => () => this.#book.open(plan, about, job.signal));
    const release = await this.#slot(this.#downloads, reference.registry, this.#limits.downloads).acquire(job.signal);
    try {
      yield* readBlob({
        requester: this.#requester,
        limits: this.#limits,
        endpoints,
        reference,
        descriptor,
        about,
        signal: job.signal,
        ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
      });
    } finally {
      release();
    }
  }

  /** Whether the registry itself has a blob. */
  async hasBlob(reference: Reference, descriptor: Descriptor, job: JobContext, options: CallOptions = {}): Promise<boolean> {
    const about = aboutPush(reference);
    const endpoint = await this.#self(reference, about, job, options);
    return await blobExists({ requester: this.#requester, endpoint, reference, about, signal: job.signal, blob: { descriptor } });
  }

  /** Pushes an image. Blobs go in parallel, each once however many pushes need it; then the manifests. */
  async push(request: PushRequest, job: JobContext): Promise<void> {
    const { reference } = request;
    const about = aboutPush(reference);
    const endpoint = await this.#self(reference, about, job, request);
    // Layers that registries are not meant to hold say themselves where they are.
    const blobs = distinct(request.blobs).filter(({ descriptor: d }) => !(isForeignLayerType(d.mediaType) && (d.urls?.length ?? 0) > 0));
    await mapLimit(blobs, 16, (blob) => this.#pushBlob(endpoint, request, blob, about, job));
    for (const [index, manifest] of request.manifests.entries()) {
      const isLast = index === request.manifests.length - 1;
      const name = isLast && request.byDigest !== true ? (reference.tag ?? manifest.digest) : manifest.digest;
      await this.#putManifest(endpoint, reference, name, manifest, about, job);
    }
  }

  /** What refers to a manifest (OCI distribution spec, listing referrers): by the registry's own list, else by the fallback tag. */
  async referrers(
    reference: Reference & { readonly digest: Digest },
    job: JobContext,
    options: CallOptions = {},
  ): Promise<readonly Descriptor[]> {
    const about = aboutPull(reference);
    const { digest, ...place } = reference;
    const listed = await this.#firstOf(reference, about, job, options, (endpoint) =>
      getReferrers({ requester: this.#requester, endpoint, reference, about, signal: job.signal }, digest),
    );
    if (listed !== undefined) return listed;
    try {
      const { document } = await this.manifest({ ...place, tag: digest.replace(':', '-') }, job, options);
      return document.kind === 'index' ? document.index.manifests : [];
    } catch (error) {
      if (error instanceof SlipwayError && error.code === 'MANIFEST_UNKNOWN') return [];
      throw error;
    }
  }

  /** Whether a registry takes our login (or needs none). Throws `REGISTRY_UNAUTHORIZED` when it does not. */
  async ping(registry: string, job: JobContext, options: CallOptions = {}): Promise<void> {
    const about: About = { action: `log in to ${registry}`, registry, subject: 'registry' };
    const endpoint = await this.#self({ registry, repository: '' }, about, job, options);
    const reply = await this.#requester.send({
      method: 'GET',
      endpoint,
      repository: '',
      actions: 'pull',
      path: '',
      accept: [200],
      about,
      signal: job.signal,
    });
    discard(reply);
  }

  [Symbol.dispose](): void {
    this.#life.abort(new Error('the registry client was closed'));
    this.#transport.close();
  }

  async #root(reference: Reference, job: JobContext, options: CallOptions): Promise<FetchedManifest> {
    if (options.known === undefined || reference.digest !== undefined) return await this.manifest(reference, job, options);
    const descriptor = await this.head(reference, job, options);
    return await this.manifest({ ...reference, digest: descriptor.digest }, job, options);
  }

  async #wholeBlob(reference: Reference, descriptor: Descriptor, job: JobContext, options: CallOptions): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    // No place among the downloads: a config never waits behind layers.
    const about = aboutPull(reference);
    const endpoints = this.#plans(reference, 'pull', options).map((plan) => () => this.#book.open(plan, about, job.signal));
    const blob = { requester: this.#requester, limits: this.#limits, endpoints, reference, descriptor, about, signal: job.signal };
    for await (const chunk of readBlob(blob)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  async #pushBlob(endpoint: Endpoint, request: PushRequest, blob: PushBlob, about: About, job: JobContext): Promise<void> {
    const { digest, size } = blob.descriptor;
    const report = (current: number, outcome?: PushOutcome): void =>
      request.onProgress?.({ digest, current, total: size, ...(outcome === undefined ? {} : { outcome }) });
    const key = `${endpoint.url.href} ${request.reference.repository} ${digest}`;
    const write = {
      requester: this.#requester,
      limits: this.#limits,
      endpoint,
      reference: request.reference,
      blob,
      about,
      signal: job.signal,
      onProgress: report,
      ...(this.#config.uploadChunk === undefined ? {} : { chunk: this.#config.uploadChunk }),
    };
    const uploads = this.#slot(this.#uploads, endpoint.host, this.#limits.uploads);
    const outcome = await this.#pushes.run(
      key,
      async () => (await reuseBlob(write)) ?? (await uploads.use(() => uploadBlob(write), job.signal)),
    );
    report(size, outcome);
  }

  async #putManifest(
    endpoint: Endpoint,
    reference: Reference,
    name: string,
    manifest: PushManifest,
    about: About,
    job: JobContext,
  ): Promise<void> {
    const reply = await this.#requester.send({
      method: 'PUT',
      endpoint,
      repository: reference.repository,
      actions: 'pull,push',
      path: `manifests/${name}`,
      headers: { 'Content-Type': manifest.mediaType },
      body: bytesBody(manifest.bytes),
      accept: [201, 200, 202],
      about: { ...about, subject: 'upload' },
      signal: job.signal,
    });
    discard(reply);
    const stored = headerOf(reply.headers, 'docker-content-digest');
    if (stored === manifest.digest) return;
    if (stored !== undefined) throw protocolFault(`says that it stored ${stored} instead of ${manifest.digest}`, reply.url, about);
    // 201 is the one answer that means it. Another one without the digest may be a portal's page: asked whether it is there.
    if (reply.status === 201) return;
    const { registry, repository } = reference;
    const place = { registry, repository, ...(name === manifest.digest ? { digest: manifest.digest } : { tag: name }) };
    const context = { requester: this.#requester, endpoint, reference: place, about, signal: job.signal };
    const kept = await getManifest(context).catch((error: unknown) => {
      if (isSlipwayError(error, 'MANIFEST_UNKNOWN')) return undefined;
      throw error;
    });
    if (kept?.descriptor.digest === manifest.digest) return;
    throw protocolFault(`answered ${reply.status} to the manifest and does not have it`, reply.url, about);
  }

  #plans(reference: Reference, purpose: 'pull' | 'push', options: CallOptions): readonly EndpointPlan[] {
    return planEndpoints(this.#config, reference.registry, purpose, options.insecure === true);
  }

  async #self(reference: Reference, about: About, job: JobContext, options: CallOptions): Promise<Endpoint> {
    const [plan] = this.#plans(reference, 'push', options);
    if (plan === undefined) throw new Error('internal: a registry without endpoint');
    return await this.#book.open(plan, about, job.signal);
  }

  /** Asks the mirrors, then the registry itself; what the registry said is what counts when none could serve. */
  async #firstOf<T>(
    reference: Reference,
    about: About,
    job: JobContext,
    options: CallOptions,
    ask: (endpoint: Endpoint) => Promise<T>,
  ): Promise<T> {
    const plans = this.#plans(reference, 'pull', options);
    const notes: string[] = [];
    for (const [index, plan] of plans.entries()) {
      try {
        return await ask(await this.#book.open(plan, about, job.signal));
      } catch (error) {
        job.signal.throwIfAborted();
        if (!(error instanceof SlipwayError)) throw error;
        if (index === plans.length - 1) throw withNotes(error, notes);
        notes.push(`mirror ${plan.host}: ${error.message.replace(/^cannot [^:]*(?::\d[^:]*)?: /, '')}`);
      }
    }
    throw new Error('internal: a registry without endpoint');
  }

  #slot(slots: Map<string, Semaphore>, host: string, limit: number): Semaphore {
    let slot = slots.get(host);
    if (slot === undefined) {
      slot = new Semaphore(limit);
      slots.set(host, slot);
    }
    return slot;
  }
}

/** Name under which a blob's place is remembered for mounting. */
export function mountName(reference: Reference): string {
  return referenceName(reference);
}

function aboutPull(reference: Reference): About {
  return { action: `pull ${familiarReference(reference)}`, registry: reference.registry, subject: 'manifest' };
}

function aboutPush(reference: Reference): About {
  return { action: `push ${familiarReference(reference)}`, registry: reference.registry, subject: 'upload' };
}

function readKnown(digest: Digest, bytes: Uint8Array, about: About): FetchedManifest {
  verifyDigest(bytes, digest, 'manifest', about);
  const document = parseManifestDocument(bytes);
  return { descriptor: { mediaType: document.mediaType, digest, size: bytes.length }, bytes, document };
}

function withNotes(error: SlipwayError, notes: readonly string[]): SlipwayError {
  if (notes.length === 0) return error;
  const hint = [error.hint, ...notes].filter((note) => note !== undefined).join('; ');
  return new SlipwayError(error.code, error.message, { hint, facts: { ...error.facts, mirrors: notes }, cause: error });
}

function distinct(blobs: readonly PushBlob[]): readonly PushBlob[] {
  return [...new Map(blobs.map((blob) => [blob.descriptor.digest, blob])).values()];
}

/** A blob made of bytes at hand. */
export function bytesBlob(mediaType: string, bytes: Uint8Array): PushBlob {
  return {
    descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length },
    async *open(start, end) {
      yield bytes.subarray(start, end);
    },
  };
}

/** A blob in a file. */
export function fileBlob(descriptor: Descriptor, path: string, mountFrom?: readonly string[]): PushBlob {
  return {
    descriptor,
    async *open(start, end) {
      if (end === start) return;
      const { createReadStream } = await import('node:fs');
      yield* createReadStream(path, { start, end: end - 1, highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>;
    },
    ...(mountFrom === undefined ? {} : { mountFrom }),
  };
}
