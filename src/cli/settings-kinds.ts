// What kind the keys of a configuration file are of. One of the wrong kind would have no effect, and nobody would notice.

import { SlipwayError } from '../base/index.ts';

type Kind = 'text' | 'a number' | 'true or false' | 'a list' | 'a table';

/** The keys that every command reads, and what they are. */
const KINDS: Readonly<Record<string, Kind>> = {
  root: 'text',
  rung: 'text',
  trust: 'text',
  'max-parallelism': 'a number',
  'max-downloads': 'a number',
  'max-uploads': 'a number',
  'no-new-privileges': 'true or false',
  gc: 'a table',
  registry: 'a table',
};
const GC_KINDS: Readonly<Record<string, Kind>> = {
  'max-bytes': 'a number',
  'min-free-bytes': 'a number',
  'reserved-bytes': 'a number',
  'max-age-ms': 'a number',
  enabled: 'true or false',
};
const REGISTRY_KINDS: Readonly<Record<string, Kind>> = { mirrors: 'a list', http: 'true or false', insecure: 'true or false' };

/** A key of the wrong kind would have no effect, and a trust policy that has none lets everything in. Throws `CONFIG_INVALID`. */
export function checkKinds(table: Readonly<Record<string, unknown>>, file: string): void {
  checkTable(table, KINDS, '', file);
  checkTable(asTable(table['gc']) ?? {}, GC_KINDS, 'gc.', file);
  for (const [host, entry] of Object.entries(asTable(table['registry']) ?? {})) {
    checkTable(asTable(entry) ?? {}, REGISTRY_KINDS, `registry.${JSON.stringify(host)}.`, file);
  }
}

function checkTable(table: Readonly<Record<string, unknown>>, kinds: Readonly<Record<string, Kind>>, prefix: string, file: string): void {
  for (const [key, kind] of Object.entries(kinds)) {
    const value = table[key];
    if (value === undefined || kindOf(value) === kind) continue;
    throw new SlipwayError('CONFIG_INVALID', `${file}: ${prefix}${key} must be ${kind}, and is ${kindOf(value)}`, {
      hint: `write ${prefix}${key} = ${EXAMPLES[kind]}`,
    });
  }
}

const EXAMPLES: Readonly<Record<Kind, string>> = {
  text: '"…"',
  'a number': '4',
  'true or false': 'true',
  'a list': '["…"]',
  'a table': '{ … }',
};

function kindOf(value: unknown): Kind {
  if (typeof value === 'string') return 'text';
  if (typeof value === 'number' || typeof value === 'bigint') return 'a number';
  if (typeof value === 'boolean') return 'true or false';
  return Array.isArray(value) ? 'a list' : 'a table';
}

/** A table; undefined when it is something else. */
export function asTable(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : undefined;
}
