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
  rootfs: ImageConfig['rootfs'];
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
    history: (image.history ?? []).map((entry) => ({ entry, output: 'base' })),
    rootfs: image.rootfs,
  };
}

/** A copy that can be changed without changing `draft`. */
export function cloneDraft(draft: ConfigDraft): ConfigDraft {
  return { ...draft, config: cloneRuntime(draft.config), history: [...draft.history] };
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
    history: draft.history.map(({ entry }) => entry),
  };
}

/** Adds a history entry. `output` undefined: the instruction made no layer. */
export function commit(draft: ConfigDraft, text: string, output: GraphEdge | undefined, epoch: number | undefined): void {
  const entry: HistoryEntry = {
    ...(epoch === undefined ? {} : { created: isoTime(epoch) }),
    created_by: text,
    comment: HISTORY_COMMENT,
    ...(output === undefined ? { empty_layer: true } : {}),
  };
  draft.history.push({ entry, output });
}

/** Seconds since the epoch as JSON of Go's time has it. */
export function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}

/** Sets a variable of the config: in place when it is there, else at the end. */
export function setConfigEnv(draft: ConfigDraft, name: string, value: string): void {
  const env = (draft.config.Env ??= []);
  const prefix = `${name}=`;
  const at = env.findIndex((variable) => variable.startsWith(prefix) || variable === name);
  if (at < 0) env.push(prefix + value);
  else env[at] = prefix + value;
}

/** A map with more entries, whatever their names (`__proto__` is a label's name like any other). */
export function withEntries<V>(
  map: Readonly<Record<string, V>> | null | undefined,
  entries: readonly (readonly [string, V])[],
): Readonly<Record<string, V>> {
  let all: Readonly<Record<string, V>> = map ?? {};
  for (const [name, value] of entries) all = { ...all, [name]: value };
  return all;
}

/** A base's runtime config without what is null; its lists are the draft's own from here on. */
function ownRuntime(config: RuntimeConfig): Draft<RuntimeConfig> {
  const entries = Object.entries(config).filter(([, value]: [string, unknown]) => value !== null && value !== undefined);
  return cloneRuntime(Object.fromEntries(entries));
}

/** `Env` is the one member that is changed in place; all others are replaced. */
function cloneRuntime(config: Draft<RuntimeConfig>): Draft<RuntimeConfig> {
  const copy = { ...config };
  if (copy.Env !== undefined) copy.Env = [...copy.Env];
  return copy;
}
