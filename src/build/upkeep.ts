// What a program can ask of a store as a whole: what takes room, what may go, what is broken. What steps of an ordinary user left to other
// ids only the namespaces of builds open, so this runs where builds run.

import type { Collected, Damage, DiskUsage } from '../store/index.ts';
import { openEngine, type PruneRequest } from './engine.ts';
import type { BuildOptions } from './options.ts';

/** Which store, and giving up. */
export interface StoreOptions extends Pick<BuildOptions, 'root' | 'settings' | 'signal'> {}

/** Options of `diskUsage()`. */
export interface UsageOptions extends StoreOptions {
  /**
   * Only rows that pass all of them, as `docker buildx du --filter` has them: `type=exec.cachemount`, `inuse=false`, `until=24h`,
   * `description~=npm`.
   */
  readonly filter?: readonly string[];
}

/** Options of `pruneStore()`. Without limits, all goes that nothing needs. */
export interface PruneOptions extends StoreOptions, Partial<PruneRequest> {}

/** Options of `checkStore()`. */
export interface CheckStoreOptions extends StoreOptions {
  /** Take broken things away, so that they are made anew. */
  readonly repair?: boolean;
}

/** Lists the rows. Throws `FILTER_INVALID`, and what opening a store throws. */
export async function usageHere({ filter = [], signal, ...place }: UsageOptions): Promise<readonly DiskUsage[]> {
  signal?.throwIfAborted();
  await using engine = openEngine(placeOf(place));
  const rows = await engine.usage(filter);
  signal?.throwIfAborted();
  return rows;
}

/** Takes away what no name and no running build needs. Throws `FILTER_INVALID`, and what opening a store throws. */
export async function pruneHere({ signal, all = false, filter = [], ...options }: PruneOptions): Promise<Collected> {
  const { keepDurationMs, maxUsedBytes, minFreeBytes, reservedBytes } = options;
  await using engine = openEngine(placeOf(options));
  const request: PruneRequest = {
    ...{ all, filter },
    ...(keepDurationMs === undefined ? {} : { keepDurationMs }),
    ...(maxUsedBytes === undefined ? {} : { maxUsedBytes }),
    ...(minFreeBytes === undefined ? {} : { minFreeBytes }),
    ...(reservedBytes === undefined ? {} : { reservedBytes }),
  };
  return await engine.prune(request, signal);
}

/** Reads everything and says what is broken. Throws what opening a store throws. */
export async function checkStoreHere({ repair = false, signal, ...place }: CheckStoreOptions): Promise<readonly Damage[]> {
  signal?.throwIfAborted();
  await using engine = openEngine(placeOf(place));
  const damage = await engine.check(repair);
  signal?.throwIfAborted();
  return damage;
}

/** Opened by the path that `build()` opens. */
export function placeOf({
  root = '/var/lib/slipway',
  settings = {},
}: {
  readonly root?: string | undefined;
  readonly settings?: BuildOptions['settings'] | undefined;
}): Required<Pick<BuildOptions, 'root' | 'settings'>> {
  return { root, settings };
}
