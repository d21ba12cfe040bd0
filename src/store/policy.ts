// What is collected when nobody says anything.

import type { CollectionPolicy } from './collect.ts';
import { parseUsageFilters } from './usage-filter.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** BuildKit's: what a store may have on any disk, bytes. */
const RESERVE_LIMIT = 10e9;

/** What the user's settings may say. */
export interface GcSettings {
  readonly maxBytes?: number;
  readonly minFreeBytes?: number;
  /** What the store may always have, however full the disk is. */
  readonly reservedBytes?: number;
  readonly maxAgeMs?: number;
}

/**
 * Automatic collection: what can be had again cheaply goes after two days, everything after `maxAgeMs` (30 days) without use, then the
 * least recently used until the store is below `maxBytes` (a quarter of the disk) and `minFreeBytes` (a twentieth) are free; but it
 * keeps `reservedBytes` (a tenth of the disk, 10 GB at most): a disk that something else filled must not cost every build its cache.
 */
export function defaultPolicies(settings: GcSettings, disk: { readonly totalBytes: number }): readonly CollectionPolicy[] {
  const maxUsedBytes = settings.maxBytes ?? Math.floor(disk.totalBytes / 4);
  const reserve = settings.reservedBytes ?? Math.min(Math.floor(disk.totalBytes / 10), RESERVE_LIMIT);
  const cheap = parseUsageFilters(['type~=^source']);
  return [
    { all: true, filter: cheap, keepDurationMs: 2 * DAY_MS },
    { all: true, keepDurationMs: settings.maxAgeMs ?? 30 * DAY_MS },
    {
      all: true,
      maxUsedBytes,
      reservedBytes: Math.min(reserve, maxUsedBytes),
      minFreeBytes: settings.minFreeBytes ?? Math.floor(disk.totalBytes / 20),
    },
  ];
}
