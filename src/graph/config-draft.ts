// An image config while instructions change it. Drafts are private to a stage; a child stage works on a copy.

import type { HistoryEntry, ImageConfig, Platform, RuntimeConfig } from '../oci/index.ts';
import type { GraphEdge } from './op-spec.ts';
import type { GraphHistory } from './result.ts';

type Draft<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer I)[] | undefined | null ? I[] : T[K] };

/** The mutable form of what a config says. */
export interface ConfigDraft {
  platform: Platform;
  author: string | undefined;
  config: Draft<RuntimeConfig>;
  history: GraphHistory[];
  /** The entries of `history` by themselves, as the document has them. */
  entries: HistoryEntry[];
  rootfs: ImageConfig['rootfs'];
  /** Members of `config` that are this draft's alone: they are changed in place, all others are copied first. */
  readonly own: Set<'Labels' | 'ExposedPorts' | 'Volumes' | 'OnBuild'>;
}

/** PATH where an image says none (all systems but Windows, which has its own). */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What BuildKit writes into every history entry it makes. */
export const HISTORY_COMMENT = 'buildkit.dockerfile.v0';

/** The config that a stage on `scratch` starts with. */
export function emptyDraft(platform: Platform): ConfigDraft {
  return {
    platform,
    author: undefined,
    config: { WorkingDir: '/', ...(platform.os === 'windows' ? {} : { Env: [`PATH=${DEFAULT_PATH}`] }) },
    history: [],
    entries: [],
    rootfs: { type: 'layers', diff_ids: [] },
    own: new Set(),
  };
}

/** A base image's config, to be worked on. Members of the document that no builder knows are left behind. */
export function draftOf(image: ImageConfig): ConfigDraft {
  return {
    platform: {
      os: image.os,
      architecture: image.architecture,
      ...(image.variant === undefined ? {} : { variant: image.variant }),
      ...(image['os.version'] === undefined ? {} : { osVersion: image['os.version'] }),
      ...(image['os.features'] === undefined ? {} : { osFeatures: image['os.features'] }),
    },
    author: image.author,
    config: ownRuntime(image.config ?? {}),
    history: (image.history ?? []).map((entry) => ({ entry, output: 'base' })),
    entries: [...(image.history ?? [])],
    rootfs: image.rootfs,
    own: new Set(),
  };
}

/** A copy that can be changed without changing `draft`. */
export function cloneDraft(draft: ConfigDraft): ConfigDraft {
  draft.own.clear(); // shared from here on
  const { platform, author, config, history, entries, rootfs } = draft;
  return { platform, author, config: cloneRuntime(config), history: [...history], entries: [...entries], rootfs, own: new Set() };
}

/** The document. */
export function finishDraft(draft: ConfigDraft): ImageConfig {
  const { os, architecture, variant, osVersion, osFeatures } = draft.platform;
  return {
    architecture,
    os,
    ...(variant === undefined ? {} : { variant }),
    ...(osVersion === undefined ? {} : { 'os.version': osVersion }),
    ...(osFeatures === undefined ? {} : { 'os.features': osFeatures }),
    ...(draft.author === undefined ? {} : { author: draft.author }),
    config: draft.config,
    rootfs: draft.rootfs,
    history: draft.entries,
  };
}

/** Adds a history entry. `output` undefined: the instruction made no layer. */
export function commit(draft: ConfigDraft, text: string, output: GraphEdge | undefined, epoch: number | undefined): void {
  const entry = epoch === undefined ? entryOf(text, output) : { created: isoTime(epoch), ...entryOf(text, output) };
  draft.history.push({ entry, output });
  draft.entries.push(entry);
}

function entryOf(text: string, output: GraphEdge | undefined): HistoryEntry {
  if (output === undefined) return { created_by: text, comment: HISTORY_COMMENT, empty_layer: true };
  return { created_by: text, comment: HISTORY_COMMENT };
}

/** Seconds since the epoch as JSON of Go's time has it. */
export function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}

/** Where each name is in a list of variables: looked up by every ENV. */
const places = new WeakMap<readonly string[], Map<string, number>>();

/** Sets a variable of the config: in place when it is there, else at the end. */
export function setConfigEnv(draft: ConfigDraft, name: string, value: string): void {
  const env = (draft.config.Env ??= []);
  let known = places.get(env);
  if (known === undefined) places.set(env, (known = placesOf(env)));
  const at = known.get(name);
  if (at === undefined) known.set(name, env.push(`${name}=${value}`) - 1);
  else env[at] = `${name}=${value}`;
}

function placesOf(env: readonly string[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const [at, variable] of env.entries()) {
    const equals = variable.indexOf('=');
    const name = equals < 0 ? variable : variable.slice(0, equals);
    if (!found.has(name)) found.set(name, at);
  }
  return found;
}

/** Adds entries to one of the config's maps, whatever their names (`__proto__` is a label's name like any other). The work is that of the new ones. */
export function addEntries<V extends string | object>(
  draft: ConfigDraft,
  member: 'Labels' | 'ExposedPorts' | 'Volumes',
  entries: readonly (readonly [string, V])[],
): void {
  const config = draft.config as Record<typeof member, Readonly<Record<string, V>> | null | undefined>;
  const map: Record<string, V> = draft.own.has(member) ? (config[member] as Record<string, V>) : { ...config[member] };
  draft.own.add(member);
  config[member] = map;
  for (const [name, value] of entries) {
    if (name !== '__proto__') map[name] = value;
    else Object.defineProperty(map, name, { value, enumerable: true, configurable: true, writable: true });
  }
}

/** Adds a trigger for the builds that stand on this image. */
export function addTrigger(draft: ConfigDraft, expression: string): void {
  if (!draft.own.has('OnBuild')) draft.config.OnBuild = [...(draft.config.OnBuild ?? [])];
  draft.own.add('OnBuild');
  draft.config.OnBuild?.push(expression);
}

/** A base's runtime config without what is null; its lists are the draft's own from here on. */
function ownRuntime(config: RuntimeConfig): Draft<RuntimeConfig> {
  const entries = Object.entries(config).filter(([, value]: [string, unknown]) => value !== null && value !== undefined);
  return cloneRuntime(Object.fromEntries(entries));
}

/** `Env` is changed in place from the start; what `own` names is copied when it is changed; all others are replaced. */
function cloneRuntime(config: Draft<RuntimeConfig>): Draft<RuntimeConfig> {
  const copy = { ...config };
  if (copy.Env !== undefined) copy.Env = [...copy.Env];
  return copy;
}
