// Values as JSON, and back: `NAME_JSON` in the environment, and the values that `--list variables` shows.

import { convert, elementsOf, entriesOf, fromJson, NULL, object, toJson, tuple, type Type, type Value } from '../../hcl/index.ts';
import { mistake } from '../mistake.ts';
import { goText } from '../print.ts';

/** The value that a text in JSON has as this type. */
export function valueOfJson(name: string, text: string, type: Type): Value {
  try {
    return convert(completed(fromJson(text), type), type);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw mistake(`failed to convert variable ${name} from JSON: ${why}`, { hint: `set ${name}_JSON to JSON of its type` });
  }
}

/** Attributes that an object leaves out are null. */
function completed(value: Value, type: Type): Value {
  if (typeof type === 'string' || value.value === null || typeof value.type === 'string') return value;
  if (value.type.kind === 'tuple') return tuple(elementsOf(value).map((one, index) => completed(one, partType(type, index))));
  const given = [...entriesOf(value)].map(([name, one]) => [name, completed(one, partType(type, name))] as const);
  const missing = type.kind === 'object' ? [...type.attributes.keys()].map((name) => [name, NULL] as const) : [];
  return object(new Map([...missing, ...given]));
}

function partType(type: Exclude<Type, string>, key: string | number): Type {
  if (type.kind === 'tuple') return type.elements[Number(key)] ?? 'any';
  return type.kind === 'object' ? (type.attributes.get(String(key)) ?? 'any') : type.element;
}

/** One line of JSON. Where the type may be any, it is told beside the value. */
export function jsonOf(value: Value, type: Type = value.type): string {
  if (type === 'any' && value.value !== null) return `{"value":${jsonOf(value)},"type":${jsonType(value.type)}}`;
  if (value.value === null || typeof type === 'string') return toJson(value);
  if (Array.isArray(value.value))
    return `[${elementsOf(value)
      .map((one, index) => jsonOf(one, partType(type, index)))
      .join(',')}]`;
  return `{${[...entriesOf(value)].map(([name, one]) => `${goText(name)}:${jsonOf(one, partType(type, name))}`).join(',')}}`;
}

function jsonType(type: Type): string {
  if (type === 'any') return '"dynamic"';
  if (typeof type === 'string') return goText(type);
  if (type.kind === 'tuple') return `["tuple",[${type.elements.map(jsonType).join(',')}]]`;
  if (type.kind !== 'object') return `["${type.kind}",${jsonType(type.element)}]`;
  return `["object",{${[...type.attributes].map(([name, one]) => `${goText(name)}:${jsonType(one)}`).join(',')}}]`;
}
