// The cache: results by key on a store, why a step ran, past builds, and caches shared with other machines.

export { compareBuilds, History, type HistoryDifference, type HistoryEntry, type HistoryStep } from './history.ts';
export type { PathDigests } from './path-digests.ts';
export { openResultCache, type ResultCache, type ResultCacheOptions } from './result-cache.ts';
export { isSecretName } from './secret-names.ts';
