// An image config while instructions change it. Drafts are private to a stage; a child stage goes on from its parent's.

import type { HistoryEntry, ImageConfig, Platform, RuntimeConfig } from '../oci/index.ts';
import type { GraphHistory } from './result.ts';

type Draft<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer I)[] | undefined | null ? I[] : T[K] };

/** The mutable form of what a config says. */
export interface ConfigDraft {
  platform: Platform;
  author: string | undefined;
  config: Draft<RuntimeConfig>;
  /** What it began as, which does not change any more: its history and entries stand in front of the own ones. */
  readonly before: ConfigDraft | undefined;
  readonly history: GraphHistory[];
  /** What comes to the maps of `config`, in order. The document has it in them. */
  readonly added: AddedEntries[];
  /** `OnBuild` is this draft's alone: it is changed in place, else copied first. */
  ownsTriggers: boolean;
  rootfs: ImageConfig['rootfs'];
}

type MapMember = 'Labels' | 'ExposedPorts' | 'Volumes';

interface NewEntry {
  readonly name: string;
  readonly value: string | object;
}

interface AddedEntries {
  readonly member: MapMember;
  readonly entries: readonly NewEntry[];
}

/** PATH where an image says none (all systems but Windows, which has its own). */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What BuildKit writes into every history entry it makes. */
const HISTORY_COMMENT = 'buildkit.dockerfile.v0';

/** The config that a stage on `scratch` starts with. */
export function emptyDraft(platform: Platform): ConfigDraft {
  return {
    platform,
    author: undefined,
    config: { WorkingDir: '/', ...(platform.os === 'windows' ? {} : { Env: [`PATH=${DEFAULT_PATH}`] }) },
    before: undefined,
    history: [],
    added: [],
    ownsTriggers: false,
    rootfs: { type: 'layers', diff_ids: [] },
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
    before: undefined,
    history: (image.history ?? []).map((entry) => ({ entry, output: 'base' })),
    added: [],
    ownsTriggers: false,
    rootfs: image.rootfs,
  };
}

/** A draft that goes on from one that is done. */
export function continueDraft(before: ConfigDraft): ConfigDraft {
  before.ownsTriggers = false; // shared from here on
  const { platform, author, config, rootfs } = before;
  const history: GraphHistory[] = [];
  const added: AddedEntries[] = [];
  return { platform, author, config: cloneRuntime(config), before, history, added, ownsTriggers: false, rootfs };
}

/** All of a draft's history. */
export function historyOf(draft: ConfigDraft): readonly GraphHistory[] {
  return draftsUpTo(draft).flatMap(({ history }) => history);
}

/** What a draft began as, and so on, the first of them first. */
function draftsUpTo(last: ConfigDraft): readonly ConfigDraft[] {
  const drafts: ConfigDraft[] = [];
  for (let draft: ConfigDraft | undefined = last; draft !== undefined; draft = draft.before) drafts.push(draft);
  return drafts.reverse();
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
    config: withEntries(draft),
    rootfs: draft.rootfs,
    history: historyOf(draft).map(({ entry }) => entry),
  };
}

/** What one instruction adds to the history. */
export function historyEntry(text: string, madeLayer: boolean, epoch: number | undefined): HistoryEntry {
  return {
    ...(epoch === undefined ? {} : { created: isoTime(epoch) }),
    created_by: text,
    comment: HISTORY_COMMENT,
    ...(madeLayer ? {} : { empty_layer: true }),
  };
}

/** Seconds since the epoch as JSON of Go's time has it. */
function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}

/** Where each name is in a long list of variables: looked up by every ENV. */
const places = new WeakMap<readonly string[], Map<string, number>>();

/** Variables among which looking at each is less work than keeping their places. */
const FEW = 32;

/** Sets the variable `name` of the config to `text`, which is `NAME=value`: in place when it is there, else at the end. */
export function setConfigEnv(draft: ConfigDraft, name: string, text: string): void {
  const env = (draft.config.Env ??= []);
  if (env.length < FEW) {
    let at = 0;
    while (at < env.length && !isOf(env[at] as string, name)) at += 1;
    env[at] = text;
    return;
  }
  let known = places.get(env);
  if (known === undefined) places.set(env, (known = placesOf(env)));
  const at = known.get(name);
  if (at === undefined) known.set(name, env.push(text) - 1);
  else env[at] = text;
}

/** Whether a text is `NAME=value` or `NAME`. */
function isOf(variable: string, name: string): boolean {
  return variable.startsWith(name) && (variable.length === name.length || variable.charCodeAt(name.length) === 61);
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

/** Adds entries to one of the config's maps. */
export function addEntries(draft: ConfigDraft, member: MapMember, entries: readonly NewEntry[]): void {
  draft.config[member] ??= {}; // members stay in the order in which instructions named them
  draft.added.push({ member, entries });
}

/** The config with what was added to its maps, whatever the names (`__proto__` is a label's name like any other). */
function withEntries(draft: ConfigDraft): RuntimeConfig {
  const { config } = draft;
  const added = draftsUpTo(draft).flatMap((one) => one.added);
  if (added.length === 0) return config;
  const maps: Partial<Record<MapMember, Record<string, string | object>>> = {};
  for (const { member, entries } of added) {
    const map = (maps[member] ??= { ...config[member] });
    for (const { name, value } of entries) {
      if (name !== '__proto__') map[name] = value;
      else Object.defineProperty(map, name, { value, enumerable: true, configurable: true, writable: true });
    }
  }
  return { ...config, ...maps } as RuntimeConfig;
}

/** Adds a trigger for the builds that stand on this image. */
export function addTrigger(draft: ConfigDraft, expression: string): void {
  if (!draft.ownsTriggers) draft.config.OnBuild = [...(draft.config.OnBuild ?? [])];
  draft.ownsTriggers = true;
  draft.config.OnBuild?.push(expression);
}

/** A base's runtime config without what is null; its lists are the draft's own from here on. */
function ownRuntime(config: RuntimeConfig): Draft<RuntimeConfig> {
  const entries = Object.entries(config).filter(([, value]: [string, unknown]) => value !== null && value !== undefined);
  return cloneRuntime(Object.fromEntries(entries));
}

/** `Env` is changed in place from the start; `OnBuild` is copied when it is changed; all others are replaced. */
function cloneRuntime(config: Draft<RuntimeConfig>): Draft<RuntimeConfig> {
  const copy = { ...config };
  if (copy.Env !== undefined) copy.Env = [...copy.Env];
  return copy;
}
