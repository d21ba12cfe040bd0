// The registry client: what the rest of the builder knows of registries.

import { type Digest, type JobContext, mapLimit, Semaphore, SingleFlight, SlipwayError } from '../base/index.ts';
import {
  type Descriptor,
  familiarReference,
  type ImageConfig,
  isForeignLayerType,
  type Manifest,
  type Platform,
  type Reference,
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
  readKnownManifest,
  selectImage,
} from './documents.ts';
import { type Endpoint, EndpointBook, type EndpointPlan, planEndpoints, settingsOf } from './endpoint.ts';
import type { About } from './faults.ts';
import { type PushManifest, putManifest } from './manifest-writer.ts';
import { distinct } from './push-blobs.ts';
import { PushedBlobs } from './pushed-blobs.ts';
import { Requester } from './requester.ts';
import { TokenClient } from './token.ts';
import { discard, Transport } from './transport.ts';

/** What a single call may add to the client's configuration. */
export interface CallOptions {
  /** `registry.insecure=true`: TLS without verification, plain http where there is no TLS. */
  readonly insecure?: boolean;
  /** Documents that are at hand, by digest: these are not asked for again. */
  readonly known?: (digest: Digest) => Uint8Array | undefined;
}

/** How an image is found. */
export interface ResolveOptions extends CallOptions {
  /** What the tag pointed to last time. If that is at hand, the registry is asked whether it still is so, and for the document only if not. */
  readonly last?: Digest;
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
  readonly #pushed = new PushedBlobs();

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
    if (reference.digest !== undefined && atHand !== undefined) return readKnownManifest(reference.digest, atHand, about);
    return await this.#firstOf(reference, about, job, options, (endpoint) =>
      getManifest({ requester: this.#requester, endpoint, reference, about, signal: job.signal }),
    );
  }

  /**
   * Finds an image for a platform. A tag that points to what is at hand, as last time, costs one HEAD (which no registry counts as a pull). A
   * name that points to a plain manifest gives that one, whatever its platform: its config tells. Throws `PLATFORM_MISSING` naming the
   * platforms there are.
   */
  async resolve(reference: Reference, platform: Platform, job: JobContext, options: ResolveOptions = {}): Promise<ResolvedImage> {
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

  /** Whether a tag of the registry itself points to this digest now. False, too, where the registry does not tell. */
  async pointsTo(reference: Reference, digest: Digest, job: JobContext, options: CallOptions = {}): Promise<boolean> {
    const about = aboutPush(reference);
    const endpoint = await this.#self(reference, about, job, options);
    try {
      return (await headManifest({ requester: this.#requester, endpoint, reference, about, signal: job.signal }))?.digest === digest;
    } catch (error) {
      if (error instanceof SlipwayError && (error.code === 'MANIFEST_UNKNOWN' || error.facts['status'] === 405)) return false;
      throw error;
    }
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
      await putManifest({ requester: this.#requester, endpoint, reference, about, signal: job.signal }, name, manifest);
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

  async #root(reference: Reference, job: JobContext, options: ResolveOptions): Promise<FetchedManifest> {
    const atHand = options.last === undefined ? undefined : options.known?.(options.last);
    if (atHand === undefined || reference.digest !== undefined) return await this.manifest(reference, job, options);
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
    const pushedTo = this.#pushed.placeOf(request.reference, digest);
    const write = {
      requester: this.#requester,
      limits: this.#limits,
      endpoint,
      reference: request.reference,
      blob: pushedTo === undefined ? blob : { ...blob, mountFrom: [...(blob.mountFrom ?? []), pushedTo] },
      about,
      signal: job.signal,
      onProgress: report,
      ...(this.#config.uploadChunk === undefined ? {} : { chunk: this.#config.uploadChunk }),
    };
    const uploads = this.#slot(this.#uploads, endpoint.host, this.#limits.uploads);
    const outcome = await this.#pushes.run(
      key,
      async () => (await reuseBlob(write)) ?? (await uploads.use(() => uploadBlob(write), job.signal)),
      job.signal,
    );
    this.#pushed.add(request.reference, digest);
    report(size, outcome);
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

function aboutPull(reference: Reference): About {
  return { action: `pull ${familiarReference(reference)}`, registry: reference.registry, subject: 'manifest' };
}

function aboutPush(reference: Reference): About {
  return { action: `push ${familiarReference(reference)}`, registry: reference.registry, subject: 'upload' };
}

function withNotes(error: SlipwayError, notes: readonly string[]): SlipwayError {
  if (notes.length === 0) return error;
  const hint = [error.hint, ...notes].filter((note) => note !== undefined).join('; ');
  return new SlipwayError(error.code, error.message, { hint, facts: { ...error.facts, mirrors: notes }, cause: error });
}
