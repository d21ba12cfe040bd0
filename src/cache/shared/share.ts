// All imports and exports of one build, with their progress; what fails in an import is a warning, never a failed build.

import { digestOf, isSlipwayError, type JobContext, mapLimit, SlipwayError } from '../../base/index.ts';
import type { Descriptor } from '../../oci/index.ts';
import type { CacheMounts } from '../../runtime/index.ts';
import type { LayerStore } from '../../snapshot/index.ts';
import type { RegistryClient } from '../../registry/index.ts';
import type { Store } from '../../store/index.ts';
import type { ResultCache } from '../result-cache.ts';
import { type BuiltForCaches, exportCache, prepareBlobs } from './export-cache.ts';
import { importCache } from './import-cache.ts';
import type { CachePart, CacheParts } from './join.ts';
import { exportMounts, importMounts } from './mounts.ts';
import { type CacheExportPlan, type CacheRequest, openCacheSource, type OpenPlace, planCacheExport } from './request.ts';
import type { CacheTransport } from './transport.ts';

/** What sharing works on. */
export interface CacheSharing {
  readonly cache: ResultCache;
  readonly layers: LayerStore;
  readonly store: Store;
  readonly caches: CacheMounts;
  readonly registry: () => RegistryClient;
}

/** What a build is going to export; checked before anything is built. */
export interface CacheExports {
  readonly plans: readonly CacheExportPlan[];
  /** Whether the image's config gets an inline cache. */
  readonly inline: boolean;
}

/** Reads `--cache-to`. Throws `CACHE_OPTION`. `epoch`: `SOURCE_DATE_EPOCH`, seconds. */
export function planCacheExports(
  requests: readonly CacheRequest[],
  registry: () => RegistryClient,
  epoch?: number,
  open?: OpenPlace,
): CacheExports {
  const plans = requests.map((request) => planCacheExport(request, registry, epoch !== undefined, epoch, open));
  return { plans: plans.filter(({ place }) => place !== undefined), inline: plans.some(({ place }) => place === undefined) };
}

/** Imports all of `--cache-from`, beside each other. What cannot be had, or is asked for wrongly, is a warning. */
export async function importCaches(
  requests: readonly CacheRequest[],
  sharing: CacheSharing,
  job: JobContext,
  open?: OpenPlace,
): Promise<void> {
  await mapLimit(requests, 8, async (request) => {
    const place = openSource(request, sharing, open);
    const name = place instanceof Error ? `type=${request.type}` : place.name;
    const vertex = new SharingVertex(`importing cache manifest from ${name}`, job);
    try {
      if (place instanceof Error) throw place;
      const { mounts } = await importCache(sharing.cache, sharing.layers, place, vertex.id, job);
      if (mounts.length > 0) await importMounts(sharing.caches, place, mounts, job);
      sharing.cache.noteImport(name, undefined);
      vertex.complete();
    } catch (error) {
      job.signal.throwIfAborted();
      const failed = `importing the cache from ${name} failed: ${inWords(error)}`;
      sharing.cache.noteImport(name, failed);
      vertex.warn('CacheImportFailed', failed);
    }
  });
}

/** The place of a request, or what is wrong with the request. */
function openSource(request: CacheRequest, sharing: CacheSharing, open: OpenPlace | undefined): CacheTransport | SlipwayError {
  try {
    return openCacheSource(request, sharing.registry, open);
  } catch (error) {
    if (error instanceof SlipwayError) return error;
    throw error;
  }
}

function inWords(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return isSlipwayError(error, 'CACHE_OPTION') && error.hint !== undefined ? `${message}; ${error.hint}` : message;
}

/** Makes the blobs that `exportCaches` will write, one at a time. Rejects with what it fails with first. */
export async function prepareCaches({ plans }: CacheExports, built: BuiltForCaches, sharing: CacheSharing, job: JobContext): Promise<void> {
  for (const { mode, blobs } of plans) await prepareBlobs(sharing.cache, sharing.layers, { ...built, mode, blobs }, job);
}

/**
 * Exports to all places; resolves with their manifests. A failure rejects unless the request said `ignore-error=true`. `parts`: of builds
 * that are made together, and may write to the same places.
 */
export async function exportCaches(
  { plans }: CacheExports,
  built: BuiltForCaches,
  sharing: CacheSharing,
  job: JobContext,
  parts?: CacheParts,
): Promise<readonly Descriptor[]> {
  const manifests: Descriptor[] = [];
  for (const plan of plans) {
    const { place } = plan;
    if (place === undefined) continue;
    const vertex = new SharingVertex(`exporting cache to ${place.medium}`, job, place.name);
    try {
      const mounts = plan.mounts ? await exportMounts(sharing.caches, sharing.store, place, job) : [];
      const gather = parts && ((part: CachePart) => parts.add(plan.placeName, part));
      const options = { ...built, mode: plan.mode, blobs: plan.blobs, mounts, onStatus: vertex.status, ...(gather && { gather }) };
      const manifest = await exportCache(sharing.cache, sharing.layers, place, options, job);
      if (manifest !== undefined) manifests.push(manifest);
      vertex.complete();
    } catch (error) {
      if (job.signal.aborted || !plan.ignoreError) vertex.fail(error, job.signal.aborted);
      job.signal.throwIfAborted();
      if (!plan.ignoreError) throw error;
      vertex.warn(
        'CacheExportFailed',
        `exporting the cache to ${place.name} failed: ${error instanceof Error ? error.message : String(error)}`,
      );
    } finally {
      await place.end?.();
    }
  }
  return manifests;
}

/** One line of progress. */
class SharingVertex {
  readonly id: string;
  readonly #job: JobContext;

  constructor(name: string, job: JobContext, where = '') {
    this.id = digestOf(`${name} ${where}`);
    this.#job = job;
    job.progress({ type: 'vertex', vertex: { id: this.id, name, inputs: [] }, time: this.#time() });
    job.progress({ type: 'started', id: this.id, time: this.#time() });
  }

  readonly status = (status: string, done: boolean): void => {
    this.#job.progress({ type: 'status', id: this.id, status, current: 0, done, time: this.#time() });
  };

  complete(): void {
    this.#job.progress({ type: 'completed', id: this.id, cached: false, time: this.#time() });
  }

  fail(error: unknown, canceled: boolean): void {
    if (canceled) this.#job.progress({ type: 'canceled', id: this.id, time: this.#time() });
    else this.#job.progress({ type: 'failed', id: this.id, error: error as Error, time: this.#time() });
  }

  warn(rule: string, message: string): void {
    const start = { line: 1, column: 0 };
    const diagnostic = { rule, severity: 'warning' as const, message, range: { start, end: start } };
    this.#job.progress({ type: 'warning', id: this.id, diagnostic, time: this.#time() });
    this.complete();
  }

  #time(): number {
    return this.#job.now().getTime();
  }
}
