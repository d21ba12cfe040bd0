// The store: blobs by digest, names, small records, leases, locks, collection. One folder, many processes.

export { freshName, renameMakingFolder, syncFolder, writeFileAtomic } from './atomic-file.ts';
export { blobUsageId } from './blob-usage.ts';
export type { ContentStore } from './blobs.ts';
export { type Collected, type CollectionPolicy, moveToTrash } from './collect.ts';
export { inStore, storeFault } from './faults.ts';
export { fileBytes } from './lazy-bytes.ts';
export type { ImageHomes } from './image-homes.ts';
export type { ImageNames, NamedImage } from './image-names.ts';
export { claimLayout, type LayoutClaim, lockLayout, removeUnfinished } from './layout-lock.ts';
export type { Lease } from './lease.ts';
export type { Lock, Locks } from './lock.ts';
export { namesIn } from './owner.ts';
export { openStore, type Store, STORE_FORMAT } from './open-store.ts';
export { defaultPolicies, type GcSettings } from './policy.ts';
export { blobsBelow } from './reachable.ts';
export type { RecordFiles } from './records.ts';
export { RecordRows } from './record-rows.ts';
export type { TempArea } from './temp-area.ts';
export type { Collectable, Damage, DiskUsage, UsageEntry, UsageType } from './usage.ts';
export { parseDuration, parseUsageFilters, type UsageFilter } from './usage-filter.ts';
