// Taking away what nobody needs: least recently used first, never what a lease, an image name or a kept entry needs.

import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, type JobContext } from '../base/index.ts';
import type { Collectable, DiskUsage, UsageEntry } from './usage.ts';
import type { UsageFilter } from './usage-filter.ts';

/** One round of collection. Bytes; milliseconds. Without any limit, everything that passes the filter goes. */
export interface CollectionPolicy {
  /** Also entries of the types `internal` and `frontend` that no other entry drags along. */
  readonly all: boolean;
  readonly filter?: UsageFilter;
  /** Only what was unused for longer. */
  readonly keepDurationMs?: number;
  /** Stop when the store is down to this. */
  readonly maxUsedBytes?: number;
  /** Stop when the disk has this much free. */
  readonly minFreeBytes?: number;
  /** Never go below this. */
  readonly reservedBytes?: number;
}

/** What went. */
export interface Collected {
  readonly removed: readonly DiskUsage[];
  readonly bytes: number;
}

interface Surroundings {
  readonly collectables: readonly Collectable[];
  /** Ids that an image's name needs. */
  readonly pinned: ReadonlySet<string>;
  readonly protectedSince: number;
}

/** All rows with what they need and who needs them. */
export interface UsageGraph {
  readonly rows: readonly DiskUsage[];
  readonly owners: ReadonlyMap<string, Collectable>;
  readonly dependents: ReadonlyMap<string, readonly DiskUsage[]>;
}

/** Scans the rooms' entries. A need that is not there does not count: the entry can still be made whole from elsewhere. */
export async function scanUsage({ collectables, pinned, protectedSince }: Surroundings): Promise<UsageGraph> {
  const entries = new Map<string, UsageEntry>();
  const owners = new Map<string, Collectable>();
  for (const collectable of collectables) {
    for (const entry of await collectable.entries()) {
      entries.set(entry.id, entry);
      owners.set(entry.id, collectable);
    }
  }
  const needers = new Map<string, UsageEntry[]>();
  for (const entry of entries.values()) {
    for (const need of entry.needs) if (entries.has(need)) push(needers, need, entry);
  }
  const isPinned = ({ id, noteOn }: UsageEntry): boolean => pinned.has(id) || (noteOn !== undefined && pinned.has(noteOn));
  const used = spread(
    entries,
    [...entries.values()].filter((entry) => isPinned(entry) || entry.lastUsedAt >= protectedSince),
  );
  const rows = new Map<string, DiskUsage>();
  for (const entry of entries.values()) {
    const users = needers.get(entry.id)?.filter(({ noteOn }) => noteOn === undefined).length ?? 0;
    const shared = users + (pinned.has(entry.id) ? 1 : 0) > 1;
    const told = needers.get(entry.id)?.flatMap(({ tells }) => tells ?? []) ?? [];
    const description = [entry.description, ...new Set(told)].join(', ');
    rows.set(entry.id, { ...entry, description, inUse: used.has(entry.id), shared, parents: entry.needs });
  }
  const dependents = new Map([...needers].map(([id, list]) => [id, list.flatMap((entry) => rows.get(entry.id) ?? [])]));
  return { rows: [...rows.values()].sort(byId), owners, dependents };
}

/** What a policy takes, in order. */
export function chooseVictims(
  graph: UsageGraph,
  policy: CollectionPolicy,
  now: Date,
  disk: { readonly freeBytes: number; readonly storeBytes: number },
): readonly DiskUsage[] {
  let excess = excessBytes(policy, disk);
  const chosen = new Set<DiskUsage>();
  for (const row of oldestFirst(graph)) {
    if (excess <= 0) break;
    if (chosen.has(row) || !wanted(row, policy, now)) continue;
    const group = withDependents(graph, row, policy, now);
    if (group === undefined) continue;
    for (const member of group) {
      if (!chosen.has(member)) excess -= member.size;
      chosen.add(member);
    }
  }
  return [...chosen];
}

/**
 * Takes rows away: those whose use did not begin since they were chosen. `take` is the lease room's: it runs its argument with
 * the gate shut. Returns the paths of what is to be deleted now, and the rows that went.
 */
export function takeAway(
  graph: UsageGraph,
  victims: readonly DiskUsage[],
  take: <T>(work: (protectedSince: number) => T) => T,
  trashFolder: string,
  job: JobContext,
): readonly DiskUsage[] {
  const gone = new Set<string>();
  for (const victim of victims) {
    job.signal.throwIfAborted();
    const owner = graph.owners.get(victim.id);
    // Something that needs it and was used meanwhile keeps it.
    const stillNeeded = (graph.dependents.get(victim.id) ?? []).some((dependent) => !gone.has(dependent.id));
    if (owner === undefined || stillNeeded) continue;
    const rest = take((protectedSince) => {
      const usedAt = owner.lastUsedAt(victim.id);
      if (usedAt === undefined || usedAt >= protectedSince || usedAt > victim.lastUsedAt + 1) return undefined;
      gone.add(victim.id);
      try {
        return owner.remove(victim.id, join(trashFolder, `t${gone.size}`));
      } catch (error) {
        if (errnoOf(error) === 'ENOENT') return undefined; // somebody else removed it
        throw error;
      }
    });
    rest?.();
  }
  return victims.filter(({ id }) => gone.has(id));
}

/** Moves a file or folder into the trash: the one form of removal that is quick enough for a shut gate. */
export function moveToTrash(path: string, trash: string): void {
  renameSync(path, trash);
}

function excessBytes(policy: CollectionPolicy, disk: { readonly freeBytes: number; readonly storeBytes: number }): number {
  const { maxUsedBytes, minFreeBytes, reservedBytes } = policy;
  if (maxUsedBytes === undefined && minFreeBytes === undefined && reservedBytes === undefined) return Infinity;
  const overUsed = maxUsedBytes === undefined ? 0 : disk.storeBytes - maxUsedBytes;
  const underFree = minFreeBytes === undefined ? 0 : minFreeBytes - disk.freeBytes;
  const aboveReserve = disk.storeBytes - (reservedBytes ?? 0);
  // Only a reserve: down to it, as BuildKit's `--reserved-space` alone.
  if (maxUsedBytes === undefined && minFreeBytes === undefined) return aboveReserve;
  return Math.min(Math.max(overUsed, underFree), aboveReserve);
}

function wanted(row: DiskUsage, policy: CollectionPolicy, now: Date): boolean {
  if (row.inUse) return false;
  if (!policy.all && (row.type === 'internal' || row.type === 'frontend')) return false;
  if (!isOld(row, policy, now)) return false;
  return policy.filter === undefined || policy.filter(row, now);
}

function isOld(row: DiskUsage, { keepDurationMs }: CollectionPolicy, now: Date): boolean {
  return keepDurationMs === undefined || now.getTime() - row.lastUsedAt > keepDurationMs;
}

/** The row after everything that needs it; undefined when something stays that does. Records of results go with what they need. */
function withDependents(
  graph: UsageGraph,
  row: DiskUsage,
  policy: CollectionPolicy,
  now: Date,
  seen = new Set<DiskUsage>(),
): DiskUsage[] | undefined {
  if (seen.has(row)) return [];
  seen.add(row);
  const group: DiskUsage[] = [];
  for (const dependent of graph.dependents.get(row.id) ?? []) {
    const goesToo = dependent.type === 'internal' ? !dependent.inUse && isOld(dependent, policy, now) : wanted(dependent, policy, now);
    const more = goesToo ? withDependents(graph, dependent, policy, now, seen) : undefined;
    if (more === undefined) return undefined;
    group.push(...more);
  }
  return [...group, row];
}

/** By the last use of the entry or of anything that needs it; who needs before what is needed. */
function oldestFirst(graph: UsageGraph): DiskUsage[] {
  const usedAt = new Map<string, number>();
  const lastUse = (row: DiskUsage): number => {
    const known = usedAt.get(row.id);
    if (known !== undefined) return known;
    usedAt.set(row.id, row.lastUsedAt); // ends a cycle, should there be one
    const latest = Math.max(row.lastUsedAt, ...(graph.dependents.get(row.id) ?? []).map(lastUse));
    usedAt.set(row.id, latest);
    return latest;
  };
  return [...graph.rows].sort((a, b) => lastUse(a) - lastUse(b) || b.needs.length - a.needs.length || byId(a, b));
}

/** Entries and everything they need, transitively. */
function spread(entries: ReadonlyMap<string, UsageEntry>, from: readonly UsageEntry[]): ReadonlySet<string> {
  const reached = new Set<string>();
  const open = [...from];
  for (let entry = open.pop(); entry !== undefined; entry = open.pop()) {
    if (reached.has(entry.id)) continue;
    reached.add(entry.id);
    for (const need of entry.needs) {
      const needed = entries.get(need);
      if (needed !== undefined) open.push(needed);
    }
  }
  return reached;
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

function byId(a: UsageEntry, b: UsageEntry): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
