// The engine on one store: what all builds of a process share. Opening it reads one small file; everything else is opened when used.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { availableParallelism } from 'node:os';
import { type JobContext, quietJob } from '../base/index.ts';
import { MountUsage, openResultCache, type ResultCache } from '../cache/index.ts';
import { nodePlatform, type Platform } from '../oci/index.ts';
import type { Sandbox, SourceNetwork } from '../ops/index.ts';
import { openRegistry, type RegistryClient } from '../registry/index.ts';
import { CacheMounts, requireRung } from '../runtime/index.ts';
import { type LayerStore, openLayerStore, type RootFS } from '../snapshot/index.ts';
import { Solver } from '../solver/index.ts';
import { type Collectable, type Collected, type Damage, type DiskUsage, openStore, parseUsageFilters, type Store } from '../store/index.ts';
import { createTrustGate, type TrustGate } from '../trust/index.ts';
import type { Settings } from './options.ts';
import { type OpenSandbox, openSandbox } from './sandbox.ts';
import { InsightUsage } from './insight-usage.ts';
import { MirrorUsage } from './mirror-usage.ts';
import { registryConfig, sourceNetwork } from './settings.ts';
import { StateUsage } from './state-usage.ts';

/** Where and how an engine works. */
export interface EngineOptions {
  /** Store root. */
  readonly root: string;
  readonly settings: Settings;
  readonly now?: () => Date;
  /** This process exits when the engine does: what the kernel takes away then is left to it (two unmounts and a process to wait for: 5 ms). */
  readonly endsWithProcess?: boolean;
}

/** What `slipway prune` may be told. */
export interface PruneRequest {
  /** Also what is internal: notes from which things are found again, frontends. */
  readonly all: boolean;
  /** Only rows that pass all of them, as `docker buildx prune --filter` has them. */
  readonly filter: readonly string[];
  /** Milliseconds: what was used within them stays. */
  readonly keepDurationMs?: number;
  /** Bytes: it stops when the store is down to them. */
  readonly maxUsedBytes?: number;
  /** Bytes: it stops when the disk has them free. */
  readonly minFreeBytes?: number;
  /** Bytes: the store is never brought below them. */
  readonly reservedBytes?: number;
}

/** Opens an engine. Throws `RUNG_UNKNOWN`, and what opening the store throws. */
export function openEngine(options: EngineOptions): Engine {
  return new Engine(options);
}

/** One store, many builds. Dispose it when the last one is over. */
export class Engine implements AsyncDisposable {
  readonly root: string;
  readonly settings: Settings;
  readonly now: () => Date;
  readonly store: Store;
  readonly layers: LayerStore;
  readonly cache: ResultCache;
  readonly solver: Solver<RootFS>;
  /** Where a server keeps copies of its clients' folders. */
  readonly mirrorFolder: string;
  readonly platform: Platform = nodePlatform(process.platform, process.arch);
  /** The client of a server that this is the view of a build of; see `ImageHomes`. Undefined: the store's own user builds. */
  readonly asker: string | undefined;
  readonly #endsWithProcess: boolean;
  /** What this is the view of one build of. */
  readonly #whole: Engine | undefined;
  readonly #later = new Set<Promise<void>>();
  #registry: RegistryClient | undefined;
  #network: SourceNetwork | undefined;
  #sandbox: Promise<OpenSandbox> | undefined;

  constructor(options: EngineOptions, whole?: Engine, asker?: string) {
    const { root, settings, now = () => new Date(), endsWithProcess = false } = options;
    requireRung(settings.rung);
    this.#endsWithProcess = endsWithProcess;
    this.#whole = whole;
    this.asker = asker;
    this.root = root;
    this.settings = settings;
    this.now = now;
    this.mirrorFolder = join(root, 'api/sessions/mirrors');
    if (whole !== undefined) {
      this.store = whole.store;
      this.layers = whole.layers.forBuild();
      this.cache = whole.cache.forBuild(this.layers);
      this.solver = whole.solver;
      return;
    }
    this.store = openStore(root, now);
    this.layers = openLayerStore(this.store);
    this.cache = openResultCache({ store: this.store, layers: this.layers, now });
    const processors = availableParallelism();
    this.solver = new Solver<RootFS>(this.cache, {
      // Steps wait (for downloads, for one another) more than they work, so the kernel shares out the processors better than we would.
      process: settings.maxProcesses ?? Math.max(16, processors * 4),
      files: Math.max(2, processors),
      network: settings.maxDownloads ?? 8,
    });
  }

  /**
   * The engine as one of its builds sees it: where layers can be fetched, and what caches that build imports, is no other's business. Not to
   * be disposed. `registry`: a client with somebody's credentials, which stays the caller's; `asker`: whose.
   */
  forBuild(registry?: RegistryClient, asker?: string): Engine {
    const { root, settings, now } = this;
    const view = new Engine({ root, settings, now }, this.#whole ?? this, asker);
    view.#registry = registry;
    return view;
  }

  /** The registry client; made at its first use. */
  get registry(): RegistryClient {
    if (this.#whole !== undefined) return this.#registry ?? this.#whole.registry;
    return (this.#registry ??= openRegistry(registryConfig(this.settings, this.now)));
  }

  /** Asks the trust policy of the settings; undefined: there is none. `registry`: a client with somebody's credentials. */
  trust(registry: RegistryClient = this.registry): TrustGate | undefined {
    const policy = this.settings.trust;
    return policy === undefined ? undefined : createTrustGate(policy, () => registry, this.store.records('trust'));
  }

  /** How sources reach the network. */
  get network(): SourceNetwork {
    if (this.#whole !== undefined) return this.#whole.network;
    return (this.#network ??= sourceNetwork(this.settings, this.now));
  }

  /** Where steps run; entered at its first use. */
  readonly sandbox = (): Promise<Sandbox> => this.#whole?.sandbox() ?? (this.#sandbox ??= openSandbox(this));

  /** Folder for state that outlives builds. */
  readonly stateFolder = (name: string): string => {
    const folder = join(this.store.root, 'state', name);
    mkdirSync(folder, { recursive: true });
    return folder;
  };

  /** Rows of what the store holds. Throws `FILTER_INVALID`. */
  async usage(filters: readonly string[]): Promise<readonly DiskUsage[]> {
    const passes = parseUsageFilters(filters);
    return (await this.store.usage(this.collectables())).filter((row) => passes(row, this.now()));
  }

  /** Takes away what no name and no running build needs. */
  async prune({ all, filter, ...limits }: PruneRequest, signal?: AbortSignal): Promise<Collected> {
    const job: JobContext = quietJob(signal);
    return await this.store.collect(
      [{ all, ...(filter.length === 0 ? {} : { filter: parseUsageFilters(filter) }), ...limits }],
      this.collectables(),
      job,
    );
  }

  /** Automatic collection, when it is due; see `Settings.gc`. */
  async collectGarbage(job: JobContext): Promise<void> {
    const gc = this.settings.gc ?? {};
    if (gc.disabled !== true) await this.store.collectIfDue(gc, this.collectables(), job);
  }

  /** Reads everything and says what is broken. */
  check(repair: boolean): Promise<readonly Damage[]> {
    return this.store.check(repair, this.collectables());
  }

  /** The rooms' parts of the store. */
  collectables(): readonly Collectable[] {
    const state = (name: string): string => join(this.store.root, 'state', name);
    const mounts = new MountUsage(new CacheMounts(state('cache-mounts')));
    return [
      ...[...this.layers.collectables(), ...this.cache.collectables()],
      ...[mounts, new StateUsage(state), new MirrorUsage(this.mirrorFolder), new InsightUsage(this.store)],
    ];
  }

  /** Takes over what goes on when a build is over. Rejects nothing. */
  later(work: Promise<void>): void {
    if (this.#whole !== undefined) return this.#whole.later(work);
    const going = work.catch(() => {}).finally(() => this.#later.delete(going));
    this.#later.add(going);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#later);
    const sandbox = await this.#sandbox?.catch(() => undefined);
    await (this.#endsWithProcess ? sandbox?.leave() : sandbox?.[Symbol.asyncDispose]());
    await this.layers[Symbol.asyncDispose]();
    this.#registry?.[Symbol.dispose]();
    this.store[Symbol.dispose]();
  }
}
