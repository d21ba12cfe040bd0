// Entries of lists that a file may write as text (`type=registry,ref=…`) or as objects: caches, outputs, secrets, agents, attestations.

import { parseGoBool } from '../dockerfile/index.ts';
import { csvFields } from './csv.ts';
import { mistake } from './mistake.ts';
import type { BakeAgent, BakePolicy, Fields } from './target.ts';

function pairOf(field: string): readonly [key: string, value: string] {
  const equals = field.indexOf('=');
  if (equals < 0) throw mistake(`invalid value ${field}`, { hint: `write ${field}=…` });
  return [field.slice(0, equals), field.slice(equals + 1)];
}

/** A cache. Text without `=` is a list of images: each is an entry. */
export function parseCaches(text: string): readonly Fields[] {
  const fields = csvFields(text);
  if (!text.includes('=')) return fields.map((ref) => ({ type: 'registry', ref }));
  return [checkCache(Object.fromEntries(fields.map(pairOf).map(([key, value]) => [key.toLowerCase(), value])), text)];
}

export function checkCache(fields: Fields, text: string): Fields {
  if ((fields['type'] ?? '') === '') throw mistake(`type required for ${JSON.stringify(text)}`, { hint: 'write type=registry,ref=…' });
  return fields;
}

/** An output. Text that is no list of attributes is a folder, `-` an archive to standard output. */
export function parseOutput(text: string): Fields {
  const fields = csvFields(text);
  if (fields.length === 1 && fields[0] === text && !text.startsWith('type=')) {
    return { type: text === '-' ? 'tar' : 'local', dest: text };
  }
  return checkOutput(Object.fromEntries(fields.map(pairOf).map(([key, value]) => [key.toLowerCase().trim(), value])));
}

export function checkOutput({ dest = '', ...fields }: Fields): Fields {
  if ((fields['type'] ?? '') === '') throw mistake('type is required for output', { hint: 'write type=image, or another of docs/cli.md' });
  return dest === '' ? fields : { ...fields, dest };
}

export function parseAttestation(text: string): Fields {
  const pairs = csvFields(text).map((field) => {
    const [key, value] = pairOf(field);
    const known = key.toLowerCase().trim();
    return [known === 'type' || known === 'disabled' ? known : key, value] as const;
  });
  const fields = checkAttestation(Object.fromEntries(pairs));
  if ((fields['type'] ?? '') === '') throw mistake('attestation type not specified', { hint: 'write type=provenance or type=sbom' });
  return fields;
}

/** `disabled` is true, or not there. */
export function checkAttestation({ disabled, ...fields }: Fields): Fields {
  if (disabled === undefined) return fields;
  const off = parseGoBool(disabled);
  if (off === undefined) throw mistake(`invalid value disabled=${disabled}`, { hint: 'write disabled=true or disabled=false' });
  return off ? { ...fields, disabled: 'true' } : fields;
}

const SECRET_KEYS: Readonly<Record<string, string>> = { id: 'id', source: 'src', src: 'src', env: 'env', type: 'type' };

export function parseSecret(text: string): Fields {
  const fields: Record<string, string> = {};
  for (const field of csvFields(text)) {
    const equals = field.indexOf('=');
    if (equals < 0)
      throw mistake(`invalid field '${field}' must be a key=value pair`, { hint: 'write id=NAME,src=FILE or id=NAME,env=VARIABLE' });
    const key = field.slice(0, equals).toLowerCase();
    const name = Object.hasOwn(SECRET_KEYS, key) ? SECRET_KEYS[key] : undefined;
    if (name === undefined) throw mistake(`unexpected key '${key}' in '${field}'`, { hint: 'there are id, src, env and type' });
    fields[name] = field.slice(equals + 1);
  }
  const { type, ...rest } = fields;
  if (type !== undefined && type !== 'file' && type !== 'env')
    throw mistake(`unsupported secret type ${JSON.stringify(type)}`, { hint: 'write file or env' });
  const { src, ...withoutSource } = rest;
  return known(type === 'env' && (rest['env'] ?? '') === '' ? { ...withoutSource, env: src ?? '' } : rest);
}

/** Without what is empty. */
export function known(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''));
}

export function parseAgent(text: string): BakeAgent {
  const equals = text.indexOf('=');
  return equals < 0 ? { id: text, paths: [] } : { id: text.slice(0, equals), paths: text.slice(equals + 1).split(',') };
}

export function parsePolicy(text: string): BakePolicy {
  return policyOf(csvFields(text).map(pairOf));
}

const LOG_LEVELS: Readonly<Record<string, string>> = { warn: 'warning' };
const KNOWN_LEVELS = ['panic', 'fatal', 'error', 'warning', 'info', 'debug', 'trace'];

export function policyOf(pairs: readonly (readonly [string, string])[]): BakePolicy {
  const files: string[] = [];
  let policy: Omit<BakePolicy, 'files'> = { reset: false, disabled: false };
  for (const [name, value] of pairs) {
    const key = name.trim().toLowerCase();
    const wrong = (hint: string): Error => mistake(`invalid value ${name}=${value}`, { hint });
    if (key === 'filename') {
      if (value === '') throw wrong('name a file: filename=policy.rego');
      files.push(value);
    } else if (key === 'reset' || key === 'disabled' || key === 'strict') {
      const flag = parseGoBool(value);
      if (flag === undefined) throw wrong(`write ${key}=true or ${key}=false`);
      policy = { ...policy, [key]: flag };
    } else if (key === 'log-level') {
      const level = LOG_LEVELS[value.toLowerCase()] ?? value.toLowerCase();
      if (!KNOWN_LEVELS.includes(level)) throw wrong(`levels are ${KNOWN_LEVELS.join(', ')}`);
      policy = { ...policy, logLevel: level };
    } else throw wrong('there are filename, reset, disabled, strict and log-level');
  }
  return { files, ...policy };
}

/** Of `resources`: texts, and numbers. */
export const RESOURCE_TEXTS = ['memory', 'memory-swap', 'cpuset-cpus', 'cpuset-mems'] as const;
export const RESOURCE_NUMBERS = ['cpu-shares', 'cpu-period', 'cpu-quota'] as const;

/** In one list, without repetition. Where an entry comes again, the last of the list takes the place of the later one: so BuildKit's clients order them. */
export function distinctEntries(entries: readonly Fields[]): readonly Fields[] {
  const list = [...entries];
  for (let at = list.length - 2; at >= 0; at -= 1) {
    const again = list.findIndex((other, index) => index > at && sameFields(list[at] as Fields, other));
    if (again < 0) continue;
    const last = list.pop() as Fields;
    if (again < list.length) list[again] = last;
  }
  return list;
}

function sameFields(a: Fields, b: Fields): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && a[name] === b[name]);
}

/** One entry of each `key`: a later one takes the place of the earlier. */
export function lastOfEach<T>(entries: readonly T[], key: (entry: T) => string): readonly T[] {
  return [...new Map(entries.map((entry) => [key(entry), entry])).values()];
}
