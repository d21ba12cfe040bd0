// What files define, before anything is inherited: the form that HCL, JSON and Compose are read into.

import { distinctEntries, lastOfEach } from './entries.ts';
import type { BakeGroup, BakeTarget } from './target.ts';

/** What blocks of one name say, merged. `inherits` are names of other targets. */
export interface TargetDefinition extends BakeTarget {
  readonly inherits?: readonly string[];
  readonly bases?: PathBases;
}

/** Folders that relative paths start from, where they do not start from the working directory (`BUILDX_BAKE_FILE_RELATIVE_PATHS`). */
export interface PathBases {
  /** Of the file: where a target is built that names no context. */
  readonly folder?: string;
  readonly context?: string;
  /** The context was taken over from this target, whose base it keeps. */
  readonly contextOf?: string;
  readonly contexts?: Readonly<Record<string, string>>;
}

/** All that was read. Names are distinct among targets; of groups of one name the first counts. */
export interface Definitions {
  readonly targets: readonly TargetDefinition[];
  readonly groups: readonly BakeGroup[];
}

/** Later says take the place of earlier ones. */
const REPLACED = [
  'context',
  'dockerfile',
  'dockerfileInline',
  'tags',
  'target',
  'call',
  'platforms',
  'cacheTo',
  'outputs',
  'pull',
  'noCache',
  'network',
  'shmSize',
] as const;
const APPENDED = ['annotations', 'policy', 'noCacheFilter', 'ulimits', 'entitlements', 'inherits'] as const;
/** By key: a later value takes the place of the earlier of its key. */
const BY_KEY = ['args', 'contexts', 'labels', 'extraHosts', 'resources'] as const;

/** `later` on top of `base`: another block of the name, or a target on top of what it inherits. */
export function mergeTargets(base: TargetDefinition, later: TargetDefinition): TargetDefinition {
  const merged: Record<string, unknown> = { ...base };
  for (const name of REPLACED) if (later[name] !== undefined) merged[name] = later[name];
  for (const name of APPENDED) if (later[name] !== undefined) merged[name] = [...(base[name] ?? []), ...later[name]];
  for (const name of BY_KEY) if (later[name] !== undefined) merged[name] = { ...base[name], ...later[name] };
  if (later.description !== undefined && later.description !== '') merged['description'] = later.description;
  if (later.attest !== undefined) merged['attest'] = lastOfEach([...(base.attest ?? []), ...later.attest], byType);
  if (later.secrets !== undefined) merged['secrets'] = lastOfEach([...(base.secrets ?? []), ...later.secrets], byId);
  if (later.ssh !== undefined) merged['ssh'] = lastOfEach([...(base.ssh ?? []), ...later.ssh], ({ id }) => id);
  if (later.cacheFrom !== undefined) merged['cacheFrom'] = distinctEntries([...(base.cacheFrom ?? []), ...later.cacheFrom]);
  if (later.bases !== undefined) merged['bases'] = mergeBases(base.bases ?? {}, later);
  return { ...(merged as unknown as TargetDefinition) };
}

const byType = (fields: Readonly<Record<string, string>>): string => fields['type'] ?? '';
const byId = (fields: Readonly<Record<string, string>>): string => fields['id'] ?? '';

function mergeBases(base: PathBases, { bases = {}, context, contexts = {} }: TargetDefinition): PathBases {
  const { contextOf, context: contextBase, folder = base.folder } = context === undefined ? { ...base, folder: bases.folder } : bases;
  const kept = Object.entries(base.contexts ?? {}).filter(([name]) => !Object.hasOwn(contexts, name));
  return {
    ...(folder === undefined ? {} : { folder }),
    ...(contextBase === undefined ? {} : { context: contextBase }),
    ...(contextOf === undefined ? {} : { contextOf }),
    contexts: { ...Object.fromEntries(kept), ...bases.contexts },
  };
}

/** Targets of one name as one, in the order of the first of each. */
export function mergeByName(targets: readonly TargetDefinition[]): readonly TargetDefinition[] {
  const merged = new Map<string, TargetDefinition>();
  for (const target of targets) {
    const earlier = merged.get(target.name);
    merged.set(target.name, earlier === undefined ? target : mergeTargets(earlier, target));
  }
  return [...merged.values()];
}

/** Without repetition, empty words and empty lists; what a network of the host needs is said. */
export function normalizeTarget(target: TargetDefinition): TargetDefinition {
  const { contexts, network, entitlements, ...rest } = target;
  const needs = [...(entitlements ?? []), ...(network === 'host' ? ['network.host'] : [])];
  const places = Object.entries(contexts ?? {}).filter(([, value]) => value !== '');
  const normalized: Record<string, unknown> = { ...rest };
  for (const name of ['annotations', 'tags', 'platforms', 'noCacheFilter', 'ulimits'] as const) {
    if (rest[name] !== undefined) normalized[name] = distinctWords(rest[name]);
  }
  if (needs.length > 0) normalized['entitlements'] = distinctWords(needs);
  if (network !== undefined) normalized['network'] = network;
  if (places.length > 0) normalized['contexts'] = Object.fromEntries(places);
  for (const name of ['cacheFrom', 'cacheTo', 'outputs'] as const)
    if (rest[name] !== undefined) normalized[name] = distinctEntries(rest[name]);
  if (rest.attest !== undefined) normalized['attest'] = lastOfEach(rest.attest, byType);
  if (rest.secrets !== undefined) normalized['secrets'] = lastOfEach(rest.secrets, byId);
  if (rest.ssh !== undefined) normalized['ssh'] = lastOfEach(rest.ssh, ({ id }) => id);
  return normalized as unknown as TargetDefinition;
}

function distinctWords(words: readonly string[]): readonly string[] {
  return [...new Set(words)].filter((word) => word !== '');
}
