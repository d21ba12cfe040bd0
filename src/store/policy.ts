// What is collected when nobody says anything.

import type { CollectionPolicy } from './collect.ts';
import { parseUsageFilters } from './usage-filter.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** What the user's settings may say. */
export interface GcSettings {
  readonly maxBytes?: number;
  readonly minFreeBytes?: number;
  readonly maxAgeMs?: number;
}

/**
 * Automatic collection: what can be had again cheaply goes after two days, everything after `maxAgeMs` (30 days) without use, then the
 * least recently used until the store is below `maxBytes` (a quarter of the disk) and `minFreeBytes` (a twentieth) are free.
 */
export function defaultPolicies(settings: GcSettings, disk: { readonly totalBytes: number }): readonly CollectionPolicy[] {
  const cheap = parseUsageFilters(['type~=^source']);
  return [
    { all: true, filter: cheap, keepDurationMs: 2 * DAY_MS },
    { all: true, keepDurationMs: settings.maxAgeMs ?? 30 * DAY_MS },
    {
      all: true,
      maxUsedBytes: settings.maxBytes ?? Math.floor(disk.totalBytes / 4),
      minFreeBytes: settings.minFreeBytes ?? Math.floor(disk.totalBytes / 20),
    },
  ];
}
