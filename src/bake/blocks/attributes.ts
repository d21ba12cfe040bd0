// Attributes of targets and groups: what value each takes, what it means for the target, what others read of it.

import { isSlipwayError, type SourceLocation } from '../../base/index.ts';
import { convert, elementsOf, entriesOf, nullOf, string, textOf, type Type, type Value } from '../../hcl/index.ts';
import type { TargetDefinition } from '../definition.ts';
import { mistake } from '../mistake.ts';
import {
  agentList,
  attestationList,
  cacheList,
  outputList,
  policyList,
  resourceRecord,
  secretList,
  type EntryKind,
} from './entry-values.ts';

/** An attribute's value, for the target and for `target.NAME.attribute` elsewhere. */
export interface Decoded {
  readonly set: Readonly<Record<string, unknown>>;
  readonly value: Value;
}

interface AttributeKind {
  /** Throws for a value that does not fit. */
  readonly decode: (value: Value, at: SourceLocation) => Decoded;
  /** As one writes it. */
  readonly example: string;
  /** What others read where the target does not say. */
  readonly unset: Value;
}

const TEXTS: Type = { kind: 'list', element: 'string' };
const RECORD: Type = { kind: 'map', element: 'string' };

function simple(
  type: Type,
  example: string,
  set: (value: Value, at: SourceLocation) => Decoded['set'],
  unset = nullOf(type),
): AttributeKind {
  return {
    unset,
    example,
    decode: (given, at) => {
      const value = convert(given, type, at);
      return { value, set: value.value === null ? {} : set(value, at) };
    },
  };
}

function text(key: keyof TargetDefinition, unset?: Value): AttributeKind {
  return simple('string', '"…"', (value) => ({ [key]: textOf(value) }), unset);
}

function flag(key: keyof TargetDefinition): AttributeKind {
  return simple('bool', 'true', ({ value }) => ({ [key]: value }));
}

function texts(key: keyof TargetDefinition | 'targets'): AttributeKind {
  return simple(TEXTS, '["…"]', (value, at) => ({ [key]: elementsOf(value).map((element) => notNull(element, at)) }));
}

/** Null is as if the name were not there, so that a condition may leave an argument away. */
function record(key: keyof TargetDefinition): AttributeKind {
  return simple(RECORD, '{ name = "…" }', (value) => ({
    [key]: Object.fromEntries([...entriesOf(value)].flatMap(([name, one]) => (one.value === null ? [] : [[name, textOf(one)]]))),
  }));
}

function fullRecord(key: keyof TargetDefinition): AttributeKind {
  return simple(RECORD, '{ name = "…" }', (value, at) => ({
    [key]: Object.fromEntries([...entriesOf(value)].map(([name, one]) => [name, notNull(one, at)])),
  }));
}

function entries<T>(key: keyof TargetDefinition, kind: EntryKind<T>): AttributeKind {
  return {
    unset: kind.toValue(undefined),
    example: '[ … ]',
    decode: (given, at) => {
      const decoded = kind.fromValue(given, at);
      return { set: { [key]: decoded }, value: kind.toValue(decoded) };
    },
  };
}

function notNull(value: Value, location: SourceLocation): string {
  if (value.value === null) throw mistake('an element is null', { hint: 'leave it out: [for one in list : one if one != null]', location });
  return textOf(value);
}

const KINDS: Readonly<Record<string, AttributeKind>> = {
  description: text('description', string('')),
  inherits: texts('inherits'),
  annotations: texts('annotations'),
  attest: entries('attest', attestationList),
  context: text('context'),
  contexts: fullRecord('contexts'),
  dockerfile: text('dockerfile'),
  'dockerfile-inline': text('dockerfileInline'),
  args: record('args'),
  labels: record('labels'),
  tags: texts('tags'),
  'cache-from': entries('cacheFrom', cacheList),
  'cache-to': entries('cacheTo', cacheList),
  target: text('target'),
  secret: entries('secrets', secretList),
  ssh: entries('ssh', agentList),
  platforms: texts('platforms'),
  output: entries('outputs', outputList),
  pull: flag('pull'),
  'no-cache': flag('noCache'),
  network: text('network'),
  'no-cache-filter': texts('noCacheFilter'),
  'shm-size': text('shmSize'),
  ulimits: texts('ulimits'),
  resources: entries('resources', resourceRecord),
  call: text('call'),
  entitlements: texts('entitlements'),
  'extra-hosts': record('extraHosts'),
  policy: entries('policy', policyList),
  /** Of groups. */
  targets: texts('targets'),
};

export const TARGET_ATTRIBUTES: readonly string[] = Object.keys(KINDS).filter((name) => name !== 'targets');
export const GROUP_ATTRIBUTES: readonly string[] = ['description', 'targets'];

/** Throws, at the value, for one that does not fit. */
export function decodeAttribute(name: string, value: Value, at: SourceLocation): Decoded {
  const kind = KINDS[name] as AttributeKind;
  try {
    return kind.decode(value, at);
  } catch (error) {
    if (!isSlipwayError(error)) throw error;
    throw mistake(`${name}: ${error.message}`, { hint: error.hint ?? `write ${name} = ${kind.example}`, location: error.location ?? at });
  }
}

/** What `target.NAME.attribute` is where the target does not say. */
export function unsetAttribute(name: string): Value {
  return (KINDS[name] as AttributeKind).unset;
}
