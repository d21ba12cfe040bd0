// The engine of this machine behind the server's calls.

import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type JobContext, type ProgressSink, quietJob } from '../../base/index.ts';
import {
  buildWith,
  type BuildRequest,
  type Engine,
  familiarName,
  findImage,
  imagesOf,
  listImages,
  type LoadProtocol,
  mknod,
  normalizePlatform,
  openEngine,
  openRegistry,
  parsePlatform,
  peerUser,
  publishImage,
  type Platform,
  readXattrs,
  removeImage,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  S_IFSOCK,
  setTimes,
  type Settings,
  setXattr,
  tagImage,
  vertexDigest,
} from '../../build/parts.ts';
import type {
  BackendBuild,
  BuildBackend,
  ClientServices,
  ImageFacts,
  Logins,
  PruneOptions,
  Surroundings,
  UsageFacts,
  WorkerFacts,
} from '../backend.ts';
import type { GraphEdge } from '../engine.ts';
import type { Peer } from '../peer.ts';
import type { MachineCalls } from '../session/machine-calls.ts';
import { LocalBuild, type SharedBuild } from './build.ts';
import { emulatedPlatforms } from './emulated-platforms.ts';
import { registrySettings } from './registry-settings.ts';
import { readFilters } from './usage-filters.ts';

export interface LocalBackendOptions {
  readonly root: string;
  readonly settings: Settings;
  readonly version: string;
  /** Entitlements that builds may ask for. */
  readonly entitlements: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** More platforms than this machine's own; none: those that it emulates. */
  readonly platforms: readonly string[];
  readonly cdiFolders: readonly string[];
  /** What is added to every provenance. */
  readonly provenanceEnv: Readonly<Record<string, unknown>>;
  readonly uid: number;
  /** What speaks with frontends and tells provenance, for whole builds. */
  readonly protocol?: LoadProtocol;
}

/** How long what is emulated counts as known, milliseconds: as BuildKit has it. */
const PLATFORMS_MS = 20_000;

const S_KIND = { char: S_IFCHR, block: S_IFBLK, fifo: S_IFIFO, socket: S_IFSOCK } as const;

const machine: MachineCalls = {
  setMtime: (path, nanoseconds) => {
    const seconds = nanoseconds / 1_000_000_000n - (nanoseconds % 1_000_000_000n < 0n ? 1n : 0n);
    setTimes(path, undefined, { seconds: Number(seconds), nanoseconds: Number(nanoseconds - seconds * 1_000_000_000n) });
  },
  makeNode: (path, kind, mode, major, minor) => mknod(path, S_KIND[kind] | mode, major, minor),
  setXattr: (path, name, value) => setXattr(path, name, value.toString('latin1')),
  listXattrs: (path) =>
    Object.entries(readXattrs(path, (name) => !name.startsWith('security.') && !name.startsWith('system.')) ?? {}).map(([name, value]) => ({
      name,
      value: Buffer.from(value, 'latin1'),
    })),
  peerUser,
};

/** Opens the engine on a store. */
export function openLocalBackend(options: LocalBackendOptions): BuildBackend {
  return new LocalBackend(openEngine({ root: options.root, settings: options.settings }), options);
}

/** The backend of one build that has begun on `engine`; neither is the backend's to dispose. */
export function sharedBackend(engine: Engine, options: LocalBackendOptions, shared: SharedBuild): BuildBackend {
  return new LocalBackend(engine, options, shared);
}

class LocalBackend implements BuildBackend {
  readonly machine = machine;
  readonly version: string;
  readonly folder: string;
  readonly owners: boolean;
  readonly worker: WorkerFacts;
  readonly now: () => Date;
  readonly #engine: Engine;
  readonly #options: LocalBackendOptions;
  readonly #shared: SharedBuild | undefined;
  readonly #end = new AbortController();

  constructor(engine: Engine, options: LocalBackendOptions, shared?: SharedBuild) {
    this.#options = options;
    this.#shared = shared;
    this.#engine = engine;
    this.now = this.#engine.now;
    this.version = options.version;
    this.folder = join(options.root, 'api');
    this.owners = options.uid === 0;
    const platforms = workerPlatforms(this.#engine.platform, options.platforms);
    this.worker = {
      id: createHash('sha256').update(`${hostname()} ${options.root}`).digest('hex').slice(0, 25),
      labels: {
        'org.mobyproject.buildkit.worker.executor': 'oci',
        'org.mobyproject.buildkit.worker.hostname': hostname(),
        'org.mobyproject.buildkit.worker.network': 'host',
        'org.mobyproject.buildkit.worker.oci.process-mode': 'sandbox',
        'org.mobyproject.buildkit.worker.selinux.enabled': 'false',
        'org.mobyproject.buildkit.worker.snapshotter': 'overlayfs',
        ...options.labels,
      },
      get platforms() {
        return platforms();
      },
    };
  }

  get mirrorFolder(): string {
    return this.#engine.mirrorFolder;
  }

  temporary(hint: string): string {
    return this.#engine.store.temp.path(hint);
  }

  lock(name: string): Disposable | undefined {
    return this.#engine.store.locks.tryAcquire(name);
  }

  use(path: string): void {
    this.#engine.store.use(path);
  }

  edge(
    op: Parameters<typeof vertexDigest>[0],
    inputs: readonly GraphEdge[],
    platform: Platform,
    about: GraphEdge['vertex']['about'],
  ): GraphEdge {
    return { vertex: { digest: vertexDigest(op, inputs, platform), op, inputs, platform, about }, output: 0 };
  }

  open(client: ClientServices, surroundings: Surroundings): BackendBuild {
    const own = {
      allowedEntitlements: this.#options.entitlements,
      buildPlatform: this.worker.platforms[0] as Platform,
      provenanceEnv: this.#options.provenanceEnv,
      over: () => this.#collectGarbage(),
    };
    const engine = this.#shared === undefined ? this.#engine.forBuild() : this.#engine;
    return new LocalBuild(engine, client, surroundings, own, this.#shared);
  }

  async buildImage(
    request: BuildRequest,
    { peer, logins }: { readonly peer: Peer; readonly logins: Logins },
    progress: ProgressSink,
    signal: AbortSignal,
  ): Promise<{ digest?: string; configDigest?: string }> {
    using registry = openRegistry({ ...registrySettings(this.#options.settings), dockerConfig: { auths: logins }, now: this.now });
    const result = await buildWith(this.#engine.forBuild(registry, peer), request, { signal, progress, now: this.now }, this.#parts);
    this.#collectGarbage();
    const configDigest = result.metadata['containerimage.config.digest'];
    return {
      ...(result.digest !== undefined && { digest: result.digest }),
      ...(typeof configDigest === 'string' && { configDigest }),
    };
  }

  get #parts(): { readonly protocol?: LoadProtocol } {
    const { protocol } = this.#options;
    return protocol === undefined ? {} : { protocol };
  }

  images(): Promise<readonly ImageFacts[]> {
    const byDigest = new Map<string, ImageFacts>();
    for (const row of listImages(this.#engine.store)) {
      const known = byDigest.get(row.digest);
      if (known !== undefined) byDigest.set(row.digest, { ...known, names: [...known.names, row.name] });
      else byDigest.set(row.digest, this.#facts(row.name));
    }
    return Promise.resolve([...byDigest.values()]);
  }

  image(name: string): Promise<ImageFacts> {
    return Promise.resolve(this.#facts(name));
  }

  tagImage(name: string, other: string): Promise<void> {
    return tagImage(this.#engine.store, name, other);
  }

  removeImage(name: string): Promise<void> {
    removeImage(this.#engine.store, name);
    return Promise.resolve();
  }

  async pushImage(
    name: string,
    { peer, auth }: { readonly peer: Peer; readonly auth: { readonly username: string; readonly secret: string } | undefined },
    signal: AbortSignal,
  ): Promise<{ digest: string }> {
    using registry = openRegistry({
      ...registrySettings(this.#options.settings),
      now: this.now,
      ...(auth !== undefined && {
        credentialSource: { credentials: () => Promise.resolve(auth), token: () => Promise.resolve(undefined) },
      }),
    });
    const digest = await publishImage(
      this.#engine.forBuild(undefined, peer),
      name,
      { type: 'registry', attributes: { push: 'true' } },
      { names: [], stdoutIsTerminal: false, signal, registry },
    );
    if (digest === undefined) throw new Error('internal: a pushed image without a digest');
    return { digest };
  }

  async usage(filters: readonly string[]): Promise<readonly UsageFacts[]> {
    // What names of images hold is no cache.
    const found = new Map<string, UsageFacts>();
    for (const conditions of readFilters(filters)) {
      for (const row of await this.#engine.usage(conditions)) {
        if (!(row.inUse && row.id.startsWith('blob:'))) found.set(row.id, usageFacts(row));
      }
    }
    return [...found.values()];
  }

  async prune(request: PruneOptions, onRemoved: (record: UsageFacts) => void, job: JobContext): Promise<void> {
    const limits = {
      all: request.all,
      ...(request.keepMs > 0 && { keepDurationMs: request.keepMs }),
      ...(request.maxBytes > 0 && { maxUsedBytes: request.maxBytes }),
      ...(request.minFreeBytes > 0 && { minFreeBytes: request.minFreeBytes }),
      ...(request.reservedBytes > 0 && { reservedBytes: request.reservedBytes }),
    };
    for (const filter of readFilters(request.filter)) {
      const { removed } = await this.#engine.prune({ ...limits, filter }, job.signal);
      for (const row of removed) onRemoved(usageFacts(row));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new Error('the server ends'));
    await this.#engine[Symbol.asyncDispose]();
  }

  /** Automatic collection after a build, when it is due. Nobody waits for it. */
  #collectGarbage(): void {
    this.#engine.later(this.#engine.collectGarbage({ ...quietJob(this.#end.signal), now: this.now }));
  }

  #facts(word: string): ImageFacts {
    const { store } = this.#engine;
    const named = findImage(store, word);
    const images = imagesOf(store, named.descriptor);
    const image = images[0];
    return {
      id: image?.manifest.config.digest ?? named.descriptor.digest,
      digest: named.descriptor.digest,
      mediaType: named.descriptor.mediaType,
      size: named.descriptor.size,
      names: [familiarName(named.name)],
      createdAt: named.namedAt.getTime(),
      bytes: images.reduce((sum, one) => sum + one.manifest.layers.reduce((bytes, layer) => bytes + layer.size, 0), 0),
      config: image?.config,
    };
  }
}

/** This machine's platform, and others: those that were named, else all that are emulated, which may become more while a server runs. */
function workerPlatforms(own: Platform, named: readonly string[]): () => readonly Platform[] {
  const others = named
    .map((text) => normalizePlatform(parsePlatform(text, own)))
    .filter((platform) => JSON.stringify(platform) !== JSON.stringify(own));
  let known: readonly Platform[] = [own, ...others];
  if (named.length > 0) return () => known;
  let askedAt = -Infinity;
  return () => {
    const now = performance.now();
    if (now - askedAt > PLATFORMS_MS) [known, askedAt] = [[own, ...emulatedPlatforms(own)], now];
    return known;
  };
}

function usageFacts(row: Awaited<ReturnType<Engine['usage']>>[number]): UsageFacts {
  return {
    id: row.id,
    mutable: row.mutable,
    inUse: row.inUse,
    shared: row.shared,
    bytes: row.size,
    parents: row.parents,
    createdAt: row.createdAt,
    lastUsedAt: row.lastUsedAt,
    usageCount: row.usageCount ?? 1,
    description: row.description,
    recordType: row.type,
  };
}
