// Reads image configs that someone else wrote. Members that no Dockerfile can mean (`container`, `docker_version`) are left behind, as BuildKit does.

import { type DiffID } from '../base/index.ts';
import { JsonReader, optional } from './json-reader.ts';
import type { Healthcheck, HistoryEntry, ImageConfig, RuntimeConfig } from './types.ts';

/** Bytes of a config that are read at most. */
export const CONFIG_LIMIT = 16 * 1024 * 1024;

/** Reads an image config. Empty and null members come out absent; a missing os or architecture as `''`. */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  const reader = JsonReader.parse(bytes, 'image config', CONFIG_LIMIT);
  const features = reader.field('os.features');
  const history = reader.field('history');
  return {
    architecture: reader.field('architecture').optionalString() ?? '',
    os: reader.field('os').optionalString() ?? '',
    ...optional('variant', reader.field('variant').optionalString()),
    ...optional('os.version', reader.field('os.version').optionalString()),
    ...optional('os.features', features.present ? features.strings() : undefined),
    ...optional('created', readTime(reader.field('created'))),
    ...optional('author', reader.field('author').optionalString()),
    ...optional('config', reader.field('config').present ? readRuntimeConfig(reader.field('config')) : undefined),
    rootfs: {
      type: 'layers',
      diff_ids: reader
        .field('rootfs')
        .field('diff_ids')
        .items()
        .map((id) => id.digest() as DiffID),
    },
    ...optional('history', history.present ? history.items().map(readHistory) : undefined),
  };
}

function readRuntimeConfig(reader: JsonReader): RuntimeConfig {
  const filled = <T>(name: string, read: (field: JsonReader) => T): T | undefined => {
    const field = reader.field(name);
    return field.present ? read(field) : undefined;
  };
  const list = (name: string): readonly string[] | undefined => filled(name, (field) => field.strings());
  return {
    ...optional('User', reader.field('User').optionalString()),
    ...optional(
      'ExposedPorts',
      filled('ExposedPorts', (field) => field.keySet()),
    ),
    ...optional('Env', list('Env')),
    ...optional('Entrypoint', list('Entrypoint')),
    ...optional('Cmd', list('Cmd')),
    ...optional(
      'Volumes',
      filled('Volumes', (field) => field.keySet()),
    ),
    ...optional('WorkingDir', reader.field('WorkingDir').optionalString()),
    ...optional(
      'Labels',
      filled('Labels', (field) => field.stringMap()),
    ),
    ...optional('StopSignal', reader.field('StopSignal').optionalString()),
    ...optional('ArgsEscaped', filled('ArgsEscaped', (field) => field.boolean()) === true ? true : undefined),
    ...optional('Healthcheck', filled('Healthcheck', readHealthcheck)),
    ...optional('OnBuild', list('OnBuild')),
    ...optional('Shell', list('Shell')),
  };
}

function readHealthcheck(reader: JsonReader): Healthcheck {
  const number = (name: string): number | undefined => {
    const value = reader.field(name);
    return value.present && value.integer() !== 0 ? value.integer() : undefined;
  };
  const test = reader.field('Test');
  return {
    ...optional('Test', test.present ? test.strings() : undefined),
    ...optional('Interval', number('Interval')),
    ...optional('Timeout', number('Timeout')),
    ...optional('StartPeriod', number('StartPeriod')),
    ...optional('StartInterval', number('StartInterval')),
    ...optional('Retries', number('Retries')),
  };
}

function readHistory(reader: JsonReader): HistoryEntry {
  const empty = reader.field('empty_layer');
  return {
    ...optional('created', readTime(reader.field('created'))),
    ...optional('created_by', reader.field('created_by').optionalString()),
    ...optional('author', reader.field('author').optionalString()),
    ...optional('comment', reader.field('comment').optionalString()),
    ...optional('empty_layer', empty.present && empty.boolean() ? true : undefined),
  };
}

function readTime(reader: JsonReader): string | undefined {
  const text = reader.optionalString();
  if (text !== undefined && Number.isNaN(Date.parse(text))) throw reader.invalid('a time (RFC 3339)');
  return text;
}
