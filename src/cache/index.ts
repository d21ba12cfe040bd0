// The cache: results by key on a store, why a step ran, past builds, and caches shared with other machines.

export { compareBuilds, History, type HistoryDifference, type HistoryEntry, type HistoryStep } from './history.ts';
export { folderSize, MountUsage } from './mount-usage.ts';
export type { PathDigests } from './path-digests.ts';
export { openResultCache, type ResultCache, type ResultCacheOptions } from './result-cache.ts';
export { isSecretName } from './secret-names.ts';
export { type CacheExport, exportCache, inlineCache } from './shared/export-cache.ts';
export { INLINE_MEMBER, type SharedMount } from './shared/format.ts';
export { importCache, type ImportedCache } from './shared/import-cache.ts';
export { exportMounts, importMounts } from './shared/mounts.ts';
export {
  type CacheExportPlan,
  type CacheRequest,
  CACHE_TYPES,
  knownCacheAttributes,
  openCacheSource,
  type OpenPlace,
  planCacheExport,
} from './shared/request.ts';
export type { BuiltForCaches } from './shared/export-cache.ts';
export { CacheParts } from './shared/join.ts';
export { type CacheExports, type CacheSharing, exportCaches, importCaches, planCacheExports, prepareCaches } from './shared/share.ts';
export type { BlobSource, CacheTransport } from './shared/transport.ts';
