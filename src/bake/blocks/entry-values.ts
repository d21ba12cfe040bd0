// Entries of lists as values of the language: each a text, as in a flag, or an object.

import type { SourceLocation } from '../../base/index.ts';
import { convert, elementsOf, entriesOf, list, map, nullOf, object, string, textOf, type Type, type Value } from '../../hcl/index.ts';
import {
  checkAttestation,
  checkCache,
  checkOutput,
  known,
  parseAgent,
  parseAttestation,
  parseCaches,
  parseOutput,
  parsePolicy,
  parseSecret,
  policyOf,
  RESOURCE_NUMBERS,
  RESOURCE_TEXTS,
} from '../entries.ts';
import { at as located, mistake } from '../mistake.ts';
import type { BakeAgent, BakePolicy, Fields } from '../target.ts';

/** There and back. */
export interface EntryKind<T> {
  readonly fromValue: (value: Value, at: SourceLocation) => T;
  /** Undefined: the target does not say. */
  readonly toValue: (decoded: T | undefined) => Value;
}

const RECORD: Type = { kind: 'map', element: 'string' };

/** A list whose entries are read one by one: their types differ. Empty texts are no entries, so that a condition may leave one away. */
function entryList<T>(
  element: Type,
  parse: (text: string) => readonly T[],
  read: (entry: Value, at: SourceLocation) => T,
  toValue: (entry: T) => Value,
): EntryKind<readonly T[]> {
  return {
    fromValue: (value, location) =>
      located(location, () =>
        entriesIn(value).flatMap((entry) => {
          if (entry.value === null) throw mistake('an entry is null', { hint: 'write "" where there may be none' });
          if (entry.type !== 'string') return [read(entry, location)];
          return entry.value === '' ? [] : parse(textOf(entry));
        }),
      ),
    toValue: (entries) => list(element, (entries ?? []).map(toValue)),
  };
}

function entriesIn(value: Value): readonly Value[] {
  const kind = typeof value.type === 'string' ? value.type : value.type.kind;
  if (value.value === null) throw mistake('null value is not allowed', { hint: 'write [] for none, or leave the attribute away' });
  if (kind === 'list' || kind === 'tuple') return elementsOf(value);
  throw mistake(`a list is required, this is ${kind === 'any' ? 'something else' : kind}`, { hint: 'write [ … ]' });
}

function fieldsOf(entry: Value, at: SourceLocation): Fields {
  const record = entriesOf(convert(entry, RECORD, at));
  return Object.fromEntries([...record].flatMap(([name, one]) => (one.value === null ? [] : [[name, textOf(one)]])));
}

function fieldsValue(fields: Fields): Value {
  return map(
    'string',
    Object.entries(fields).map(([name, text]) => [name, string(text)]),
  );
}

export const cacheList = entryList<Fields>(
  RECORD,
  parseCaches,
  (entry, at) => {
    const fields = fieldsOf(entry, at);
    return checkCache(fields, JSON.stringify(fields));
  },
  fieldsValue,
);

export const outputList = entryList<Fields>(
  RECORD,
  (text) => [parseOutput(text)],
  (entry, at) => checkOutput(fieldsOf(entry, at)),
  ({ dest = '', ...fields }) => fieldsValue({ ...fields, dest }),
);

export const attestationList = entryList<Fields>(
  RECORD,
  (text) => [parseAttestation(text)],
  (entry, at) => checkAttestation(fieldsOf(entry, at)),
  fieldsValue,
);

export const policyList = entryList<BakePolicy>(
  RECORD,
  (text) => [parsePolicy(text)],
  (entry, at) => policyOf(Object.entries(known(fieldsOf(entry, at)))),
  ({ files, reset, disabled, strict, logLevel }) =>
    fieldsValue({
      ...(files[0] === undefined ? {} : { filename: files[0] }),
      ...(reset ? { reset: 'true' } : {}),
      ...(disabled ? { disabled: 'true' } : {}),
      ...(strict === undefined ? {} : { strict: String(strict) }),
      ...(logLevel === undefined ? {} : { 'log-level': logLevel }),
    }),
);

function objectType(attributes: Readonly<Record<string, Type>>): Type {
  return { kind: 'object', attributes: new Map(Object.entries(attributes)), optional: new Set(Object.keys(attributes)) };
}

const SECRET = objectType({ id: 'string', src: 'string', env: 'string' });
const TEXTS: Type = { kind: 'list', element: 'string' };
const AGENT = objectType({ id: 'string', paths: TEXTS });

/** Attributes that an object says, without those that are null. */
function saidBy(entry: Value, type: Type, at: SourceLocation): ReadonlyMap<string, Value> {
  return new Map([...entriesOf(convert(entry, type, at))].filter(([, value]) => value.value !== null));
}

export const secretList = entryList<Fields>(
  SECRET,
  (text) => [parseSecret(text)],
  (entry, at) => known(Object.fromEntries([...saidBy(entry, SECRET, at)].map(([name, value]) => [name, textOf(value)]))),
  ({ id = '', src = '', env = '' }) =>
    object([
      ['id', string(id)],
      ['src', string(src)],
      ['env', string(env)],
    ]),
);

export const agentList = entryList<BakeAgent>(
  AGENT,
  (text) => [parseAgent(text)],
  (entry, at) => {
    const said = saidBy(entry, AGENT, at);
    const [id, paths] = [said.get('id'), said.get('paths')];
    return { id: id === undefined ? '' : textOf(id), paths: paths === undefined ? [] : elementsOf(paths).map(textOf) };
  },
  ({ id, paths }) =>
    object([
      ['id', string(id)],
      ['paths', list('string', paths.map(string))],
    ]),
);

const RESOURCES = objectType({
  ...Object.fromEntries(RESOURCE_TEXTS.map((name) => [name, 'string' as const])),
  ...Object.fromEntries(RESOURCE_NUMBERS.map((name) => [name, 'number' as const])),
});

export const resourceRecord: EntryKind<Readonly<Record<string, string>>> = {
  fromValue: (value, at) => {
    if (value.value === null) throw mistake('null value is not allowed', { hint: 'leave the attribute away', location: at });
    const said = saidBy(value, RESOURCES, at);
    return Object.fromEntries([...said].map(([name, one]) => [name, wholeText(name, one, at)]));
  },
  toValue: (resources) => {
    const type = RESOURCES as Extract<Type, { readonly kind: 'object' }>;
    if (resources === undefined) return nullOf(RESOURCES);
    return object(
      [...type.attributes].map(([name, one]) => {
        const text = resources[name];
        return [name, text === undefined ? nullOf(one) : convert(string(text), one)];
      }),
    );
  },
};

function wholeText(name: string, value: Value, location: SourceLocation): string {
  const text = textOf(convert(value, 'string', location));
  if (value.type !== 'number' || /^-?\d+$/.test(text)) return text;
  throw mistake(`resources.${name} must be a whole number`, { hint: `write ${name} = ${Math.round(Number(text))}`, location });
}
