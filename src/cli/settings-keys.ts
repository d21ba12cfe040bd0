// Which keys a configuration file may have. One that nobody reads would have no effect, and who misspelt a key that keeps something out
// would not notice.

import { readFileSync } from 'node:fs';
import { SlipwayError, suggest } from '../base/index.ts';

/** Keys of tables: those that are listed, with what theirs may have; `true`: the key is known, and not looked into. */
interface Known {
  readonly [key: string]: Known | true;
}

const keys = (...names: readonly string[]): Known => Object.fromEntries(names.map((name) => [name, true as const]));

const REGISTRY: Known = { ...keys('mirrors', 'http', 'insecure', 'ca', 'tlsconfigdir'), keypair: keys('key', 'cert') };

/** Ours, and those of BuildKit's server: `serve` reads what means something here, the rest has no effect by intention. */
const FILE: Known = {
  ...keys('root', 'rung', 'trust', 'max-parallelism', 'max-downloads', 'max-uploads', 'no-new-privileges'),
  gc: keys('max-bytes', 'min-free-bytes', 'reserved-bytes', 'max-age-ms', 'enabled'),
  ...keys('debug', 'trace', 'insecure-entitlements', 'provenanceEnvDir', 'proxyNetwork', 'log', 'dns', 'otel', 'cdi', 'history'),
  ...keys('worker', 'frontend', 'system'),
  grpc: { ...keys('address', 'debugAddress', 'uid', 'gid', 'securityDescriptor'), tls: keys('cert', 'key', 'ca') },
};

/** Throws `CONFIG_INVALID` for the first key that is not known, with its line. */
export function checkKeys(table: Readonly<Record<string, unknown>>, file: string): void {
  const { registry, ...rest } = table;
  check(rest, { ...FILE, registry: true }, [], file);
  for (const [host, entry] of Object.entries(asObject(registry))) check(entry, REGISTRY, ['registry', host], file);
}

function check(value: unknown, known: Known, path: readonly string[], file: string): void {
  if (Array.isArray(value)) return value.forEach((each) => check(each, known, path, file));
  for (const [key, below] of Object.entries(asObject(value))) {
    const next = Object.hasOwn(known, key) ? known[key] : undefined;
    if (next === undefined) throw unknownKey(path, key, Object.keys(known), file);
    if (next !== true) check(below, next, [...path, key], file);
  }
}

function unknownKey(path: readonly string[], key: string, known: readonly string[], file: string): SlipwayError {
  const near = suggest(key, known);
  const line = lineOf(readFileSync(file, 'utf8'), [...path, key]);
  const where = line === undefined ? file : `${file}:${line}`;
  const name = [...path, key].map((part) => (/^[\w-]+$/.test(part) ? part : JSON.stringify(part))).join('.');
  return new SlipwayError('CONFIG_INVALID', `${where}: unknown key ${name}${near === undefined ? '' : ` (did you mean ${near}?)`}`, {
    hint: `there are ${known.join(', ')}`,
  });
}

/** Where a key is written, the first line being 1: the parser does not say. Undefined: in a form that is not looked for. */
function lineOf(text: string, path: readonly string[]): number | undefined {
  let table: readonly string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const header = /^\s*\[\[?(.*?)\]\]?\s*(?:#.*)?$/.exec(line)?.[1];
    if (header !== undefined) table = partsOf(header);
    const written = header === undefined ? [...table, ...partsOf(/^((?:"[^"]*"|'[^']*'|[^="'])*)=/.exec(line)?.[1] ?? '')] : table;
    if (path.every((part, at) => written[at] === part)) return index + 1;
  }
  return undefined;
}

/** The names of a dotted key. */
function partsOf(key: string): readonly string[] {
  return [...key.matchAll(/"([^"]*)"|'([^']*)'|([\w-]+)/g)].map(([, double, single, bare]) => double ?? single ?? bare ?? '');
}

function asObject(value: unknown): object {
  return typeof value === 'object' && value !== null ? value : {};
}
