// Values as JSON, and back: `NAME_JSON` in the environment, and the values that `--list variables` shows.

import {
  bool,
  convert,
  elementsOf,
  entriesOf,
  formatNumber,
  NULL,
  number,
  object,
  parseNumber,
  string,
  tuple,
  type Type,
  type Value,
} from '../../hcl/index.ts';
import { mistake } from '../mistake.ts';
import { goText } from '../print.ts';

/** The value that a text in JSON has as this type. */
export function valueOfJson(name: string, text: string, type: Type): Value {
  try {
    return convert(fromJson(completed(JSON.parse(text), type)), type);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw mistake(`failed to convert variable ${name} from JSON: ${why}`, { hint: `set ${name}_JSON to JSON of its type` });
  }
}

/** Attributes that an object leaves out are null. */
function completed(json: unknown, type: Type): unknown {
  if (typeof type === 'string' || typeof json !== 'object' || json === null) return json;
  if (Array.isArray(json))
    return json.map((one, index) =>
      completed(one, type.kind === 'tuple' ? (type.elements[index] ?? 'any') : 'element' in type ? type.element : 'any'),
    );
  const members = Object.entries(json).map(
    ([name, one]) =>
      [
        name,
        completed(one, type.kind === 'object' ? (type.attributes.get(name) ?? 'any') : 'element' in type ? type.element : 'any'),
      ] as const,
  );
  return {
    ...(type.kind === 'object' ? Object.fromEntries([...type.attributes.keys()].map((name) => [name, null])) : {}),
    ...Object.fromEntries(members),
  };
}

function fromJson(json: unknown): Value {
  if (typeof json === 'string') return string(json);
  if (typeof json === 'boolean') return bool(json);
  if (typeof json === 'number') return number(parseNumber(String(json)) ?? json);
  if (Array.isArray(json)) return tuple(json.map(fromJson));
  if (typeof json === 'object' && json !== null) return object(Object.entries(json).map(([name, value]) => [name, fromJson(value)]));
  return NULL;
}

/** One line of JSON. Where the type may be any, it is told beside the value. */
export function jsonOf(value: Value, type: Type = value.type): string {
  if (type === 'any' && value.value !== null) return `{"value":${jsonOf(value)},"type":${jsonType(value.type)}}`;
  if (value.value === null) return 'null';
  if (type === 'string' || type === 'bool') return goText(value.value);
  if (type === 'number') return formatNumber(value.value as Parameters<typeof formatNumber>[0]);
  if (typeof type === 'string') return 'null';
  if (type.kind === 'list' || type.kind === 'set')
    return `[${elementsOf(value)
      .map((one) => jsonOf(one, type.element))
      .join(',')}]`;
  if (type.kind === 'tuple')
    return `[${elementsOf(value)
      .map((one, index) => jsonOf(one, type.elements[index]))
      .join(',')}]`;
  const typeOf = (name: string): Type | undefined => (type.kind === 'object' ? type.attributes.get(name) : type.element);
  const members = [...entriesOf(value)].map(([name, one]) => `${goText(name)}:${jsonOf(one, typeOf(name))}`);
  return `{${members.join(',')}}`;
}

function jsonType(type: Type): string {
  if (type === 'any') return '"dynamic"';
  if (typeof type === 'string') return goText(type);
  if (type.kind === 'tuple') return `["tuple",[${type.elements.map(jsonType).join(',')}]]`;
  if (type.kind !== 'object') return `["${type.kind}",${jsonType(type.element)}]`;
  return `["object",{${[...type.attributes].map(([name, one]) => `${goText(name)}:${jsonType(one)}`).join(',')}}]`;
}
