// Writes documents with the member order and escapes that BuildKit and Docker have, so that equal content gets equal digests everywhere.

import { optional } from './json-reader.ts';
import type { Descriptor, HistoryEntry, ImageConfig, Index, Manifest, Platform, RuntimeConfig } from './types.ts';

type Fields = Readonly<Record<string, unknown>>;

const ESCAPES: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
};

/** A manifest's bytes. */
export function serializeManifest(manifest: Manifest): Uint8Array {
  return bytesOf(
    {
      schemaVersion: 2,
      ...optional('mediaType', manifest.mediaType),
      ...optional('artifactType', manifest.artifactType),
      config: descriptorFields(manifest.config),
      layers: manifest.layers.map(descriptorFields),
      ...optional('subject', manifest.subject === undefined ? undefined : descriptorFields(manifest.subject)),
      ...optional('annotations', sortedMap(manifest.annotations)),
    },
    2,
  );
}

/** An index's bytes. `indent` is 2 for an image's index; an `index.json` is written without. */
export function serializeIndex(index: Index, indent = 2): Uint8Array {
  return bytesOf(
    {
      schemaVersion: 2,
      ...optional('mediaType', index.mediaType),
      ...optional('artifactType', index.artifactType),
      manifests: index.manifests.map(descriptorFields),
      ...optional('annotations', sortedMap(index.annotations)),
    },
    indent,
  );
}

/** A config's bytes: members of the document sorted, those of `config` in Docker's order. Members we do not know are kept. */
export function serializeImageConfig(config: ImageConfig): Uint8Array {
  const { rootfs, history, config: runtime, ...rest } = config;
  const fields: Fields = {
    ...rest,
    ...optional('os.features', emptyToUndefined(config['os.features'])),
    config: runtimeFields(runtime ?? {}),
    rootfs: { type: 'layers', diff_ids: rootfs.diff_ids },
    history: (history ?? []).map(historyFields),
  };
  return bytesOf(sortedMap(fields) ?? {}, 0);
}

/** A descriptor as it stands in a document; for `--metadata-file` and API answers too. */
export function descriptorFields(descriptor: Descriptor): Fields {
  return {
    mediaType: descriptor.mediaType,
    digest: descriptor.digest,
    size: descriptor.size,
    ...optional('urls', emptyToUndefined(descriptor.urls)),
    ...optional('annotations', sortedMap(descriptor.annotations)),
    ...optional('data', descriptor.data),
    ...optional('platform', descriptor.platform === undefined ? undefined : platformFields(descriptor.platform)),
    ...optional('artifactType', descriptor.artifactType),
  };
}

/** A platform as it stands in a document. */
function platformFields(platform: Platform): Fields {
  return {
    architecture: platform.architecture,
    os: platform.os,
    ...optional('os.version', platform.osVersion),
    ...optional('os.features', emptyToUndefined(platform.osFeatures)),
    ...optional('variant', platform.variant),
  };
}

/** JSON as Go's encoder escapes it. `indent` 0 is one line. */
export function serializeJson(value: unknown, indent = 0): string {
  return JSON.stringify(value, null, indent).replace(/[<>&\u2028\u2029]/g, (char) => ESCAPES[char] ?? char);
}

function bytesOf(value: unknown, indent: number): Uint8Array {
  return Buffer.from(serializeJson(value, indent), 'utf8');
}

function runtimeFields(config: RuntimeConfig): Fields {
  const { User, ExposedPorts, Env, Entrypoint, Cmd, Volumes, WorkingDir, Labels, StopSignal, ArgsEscaped, ...rest } = config;
  const { Healthcheck, OnBuild, Shell, ...unknown } = rest;
  return {
    ...optional('User', emptyToUndefined(User)),
    ...optional('ExposedPorts', sortedMap(ExposedPorts)),
    ...optional('Env', emptyToUndefined(Env)),
    ...optional('Entrypoint', emptyToUndefined(Entrypoint)),
    ...optional('Cmd', emptyToUndefined(Cmd)),
    ...optional('Volumes', sortedMap(Volumes)),
    ...optional('WorkingDir', emptyToUndefined(WorkingDir)),
    ...optional('Labels', sortedMap(Labels)),
    ...optional('StopSignal', emptyToUndefined(StopSignal)),
    ...optional('ArgsEscaped', ArgsEscaped === true ? true : undefined),
    ...optional('Healthcheck', Healthcheck === undefined ? undefined : healthcheckFields(Healthcheck)),
    ...optional('OnBuild', emptyToUndefined(OnBuild)),
    ...optional('Shell', emptyToUndefined(Shell)),
    ...unknown,
  };
}

function healthcheckFields(check: NonNullable<RuntimeConfig['Healthcheck']>): Fields {
  const nonZero = (value: number | undefined): number | undefined => (value === 0 ? undefined : value);
  return {
    ...optional('Test', emptyToUndefined(check.Test)),
    ...optional('Interval', nonZero(check.Interval)),
    ...optional('Timeout', nonZero(check.Timeout)),
    ...optional('StartPeriod', nonZero(check.StartPeriod)),
    ...optional('StartInterval', nonZero(check.StartInterval)),
    ...optional('Retries', nonZero(check.Retries)),
  };
}

function historyFields(entry: HistoryEntry): Fields {
  return {
    ...optional('created', entry.created),
    ...optional('created_by', emptyToUndefined(entry.created_by)),
    ...optional('author', emptyToUndefined(entry.author)),
    ...optional('comment', emptyToUndefined(entry.comment)),
    ...optional('empty_layer', entry.empty_layer === true ? true : undefined),
  };
}

/** A map with its keys in order; absent when it is empty. */
function sortedMap<V>(map: Readonly<Record<string, V>> | null | undefined): Readonly<Record<string, V>> | undefined {
  if (map === undefined || map === null) return undefined;
  const entries = Object.entries(map).filter(([, value]) => value !== undefined);
  if (entries.length === 0) return undefined;
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}

function emptyToUndefined<T extends string | readonly unknown[]>(value: T | null | undefined): T | undefined {
  return value === undefined || value === null || value.length === 0 ? undefined : value;
}
