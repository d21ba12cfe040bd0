// `--set PATTERN.KEY[.NAME]=VALUE`: read into changes, by the name of the target that they change.

import { SlipwayError } from '../base/index.ts';
import type { Definitions } from './definition.ts';
import { mistake, nearHint } from './mistake.ts';
import { namePattern } from './name-pattern.ts';

/** What is to be set of one key of a target; several of one key come together. */
export interface Override {
  readonly key: string;
  /** Behind the key: name of an argument, a label, … */
  readonly name?: string;
  /** Of the last `--set`. */
  readonly value: string;
  /** Of all of them, for lists. */
  readonly values: readonly string[];
  /** `+=`: to what the target has. */
  readonly append: boolean;
}

/** Keys, and whether each wants a name behind it. */
const KEYS: Readonly<Record<string, 'name' | 'list' | 'value'>> = {
  annotations: 'list',
  args: 'name',
  attest: 'list',
  'cache-from': 'list',
  'cache-to': 'list',
  call: 'value',
  context: 'value',
  contexts: 'name',
  dockerfile: 'value',
  entitlements: 'list',
  'extra-hosts': 'name',
  labels: 'name',
  load: 'value',
  network: 'value',
  'no-cache': 'value',
  'no-cache-filter': 'list',
  output: 'list',
  platform: 'list',
  policy: 'list',
  pull: 'value',
  push: 'value',
  resources: 'name',
  secret: 'name',
  secrets: 'list',
  'shm-size': 'value',
  ssh: 'list',
  tags: 'list',
  target: 'value',
  ulimits: 'list',
};
/** Keys of attributes that have another name here. */
const OTHER_NAMES: Readonly<Record<string, string>> = { platforms: 'platform', outputs: 'output', 'dockerfile-inline': 'dockerfile' };

/** Reads `--set` flags. `env` answers `args.NAME` without a value. */
export function readOverrides(
  texts: readonly string[],
  definitions: Definitions,
  env: (name: string) => string | undefined,
): ReadonlyMap<string, readonly Override[]> {
  const byTarget = new Map<string, Map<string, Override>>();
  for (const text of texts) {
    const { pattern, key, name, value, append } = readOverride(text);
    const given = value ?? (key === 'args' && name !== undefined ? env(name) : undefined);
    for (const target of targetsMatching(pattern, text, definitions)) {
      if (given === undefined) continue;
      const changes = byTarget.get(target) ?? new Map<string, Override>();
      byTarget.set(target, changes);
      const full = name === undefined ? key : `${key}.${name}`;
      const values = [...(changes.get(full)?.values ?? []), given];
      changes.set(full, { key, ...(name === undefined ? {} : { name }), value: given, values, append });
    }
  }
  return new Map([...byTarget].map(([target, changes]) => [target, [...changes.values()]]));
}

interface ReadOverride {
  readonly pattern: string;
  readonly key: string;
  readonly name: string | undefined;
  readonly value: string | undefined;
  readonly append: boolean;
}

function readOverride(text: string): ReadOverride {
  const equals = text.indexOf('=');
  const left = equals < 0 ? text : text.slice(0, equals);
  const value = equals < 0 ? undefined : text.slice(equals + 1);
  const append = left.endsWith('+');
  const [pattern = '', key, ...names] = (append ? left.slice(0, -1) : left).split('.');
  if (key === undefined) throw mistake(`invalid override key ${left}, expected target.name`, { hint: 'write --set TARGET.KEY=VALUE' });
  if (value === undefined && key !== 'args') {
    throw mistake(`invalid override ${text}, expected target.name=value`, { hint: `write --set ${text}=VALUE` });
  }
  const kind = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
  if (kind === undefined) throw unknownKey(key, text);
  const name = names.length === 0 ? undefined : names.join('.');
  if (kind === 'name' && (name === undefined || name === '')) {
    throw mistake(`invalid key ${left}, ${key} requires name`, { hint: `write --set ${pattern}.${key}.NAME=VALUE` });
  }
  if (append && (key === 'resources' || key === 'secret')) {
    throw mistake(`invalid key ${left}, ${key} does not support append`, { hint: `write = in place of +=` });
  }
  if (kind !== 'name' && name !== undefined) throw unknownKey(`${key}.${name}`, text);
  return { pattern, key, name, value, append };
}

function unknownKey(key: string, text: string): SlipwayError {
  const hint = OTHER_NAMES[key] === undefined ? nearHint(key, Object.keys(KEYS)) : `write ${OTHER_NAMES[key]}`;
  return mistake(`unknown key ${key} in --set ${text}`, { hint });
}

/** Names of targets: a target's own, or a pattern that several match. Groups have nothing to set. */
function targetsMatching(pattern: string, text: string, { targets, groups }: Definitions): readonly string[] {
  const names = targets.map(({ name }) => name);
  if (names.includes(pattern)) return [pattern];
  const matching = names.filter(namePattern(pattern));
  if (matching.length > 0) return matching;
  const group = groups.find(({ name }) => name === pattern);
  throw new SlipwayError('BAKE_TARGET_UNKNOWN', `could not find any target matching '${pattern}' for --set ${text}`, {
    hint:
      group === undefined
        ? (nearHint(pattern, names) ?? 'the files define no targets')
        : `${pattern} is a group: name its targets, ${(group.targets ?? []).join(', ')}`,
  });
}
