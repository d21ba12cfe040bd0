// Variables: what the file says, what the environment and `--var` say instead.

import type { SourceLocation } from '../../base/index.ts';
import { parseGoBool } from '../../dockerfile/index.ts';
import {
  type Attribute,
  convert,
  type Expression,
  keywordOf,
  list,
  map,
  nullOf,
  parseNumber,
  number as numberValue,
  bool,
  set,
  string,
  textOf,
  tuple,
  type Type,
  typeName,
  typeOf,
  type Value,
} from '../../hcl/index.ts';
import { csvFields } from '../csv.ts';
import { at, mistake } from '../mistake.ts';
import { valueOfJson } from './json-value.ts';
import type { NamedBlock } from './read-blocks.ts';

/** Texts in place of what files say. */
export interface Overrides {
  readonly lookup: (name: string) => string | undefined;
  /** Whether a name is a variable of its own: then `NAME_JSON` is not another form of `NAME`. */
  readonly isDefined: (name: string) => boolean;
}

export interface VariableValue {
  readonly value: Value;
  /** What the file says that it must be. */
  readonly type?: Type;
}

interface Sources {
  readonly name: string;
  /** Outside of blocks: counts before the block's default. */
  readonly attribute: Attribute | undefined;
  readonly block: NamedBlock | undefined;
}

type Evaluate = (expression: Expression) => Value;

/** The value a variable has. Throws where a value does not fit its type. */
export function readVariable(sources: Sources, overrides: Overrides, evaluate: Evaluate): VariableValue {
  const { name, attribute, block } = sources;
  const type = attribute === undefined ? typeSaid(block) : undefined;
  const expression = attribute?.expression ?? block?.attributes.get('default')?.expression;
  const fallback = expression === undefined ? undefined : defaultValue(name, expression, type, evaluate);
  const given = block === undefined ? undefined : overrideOf(name, type !== undefined, overrides);
  const value =
    given === undefined ? (fallback ?? (type === undefined ? string('') : nullOf(type))) : overridden(name, given, type, fallback);
  return { value, ...(type === undefined ? {} : { type }) };
}

/** Undefined: the file does not say a type. */
function typeSaid(block: NamedBlock | undefined): Type | undefined {
  const attribute = block?.attributes.get('type');
  return attribute === undefined || keywordOf(attribute.expression) === 'null' ? undefined : typeOf(attribute.expression);
}

function defaultValue(name: string, expression: Expression, type: Type | undefined, evaluate: Evaluate): Value {
  const value = evaluate(expression);
  if (type === undefined) return value;
  try {
    return convert(value, type, expression.location);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw mistake(`invalid type ${typeName(type)} for variable ${name} default value: ${why}`, {
      hint: 'change the default, or the type',
      location: expression.location,
    });
  }
}

interface Given {
  readonly text: string;
  readonly json: boolean;
}

/** `NAME`, or `NAME_JSON` where that is asked for first or alone. */
function overrideOf(name: string, typed: boolean, { lookup, isDefined }: Overrides): Given | undefined {
  const plain = lookup(name);
  const jsonName = `${name}_JSON`;
  const json = (plain === undefined || typed) && !isDefined(jsonName) ? lookup(jsonName) : undefined;
  if (json !== undefined) return { text: json, json: true };
  return plain === undefined ? undefined : { text: plain, json: false };
}

function overridden(name: string, { text, json }: Given, type: Type | undefined, fallback: Value | undefined): Value {
  if (type !== undefined) {
    if (json) return valueOfJson(name, text, type);
    if (typeof type !== 'string' && type.kind !== 'object') return valueOfCsv(name, text, type);
    if (type !== 'any' && typeof type === 'string') return primitive(name, text, type);
    throw unsupported(name, type, `set ${name}_JSON`);
  }
  if (fallback === undefined || fallback.type === 'any') return string(text);
  if (typeof fallback.type === 'string') return primitive(name, text, fallback.type);
  throw unsupported(name, fallback.type, 'say its type in the file: type = list(string)');
}

function unsupported(name: string, type: Type, hint: string): Error {
  return mistake(`unsupported type ${typeName(type)} for variable ${name} from the environment`, { hint });
}

function primitive(name: string, text: string, type: Type): Value {
  if (type === 'string') return string(text);
  if (type === 'bool') {
    const value = parseGoBool(text);
    if (value === undefined) throw mistake(`failed to parse ${name} as bool: ${JSON.stringify(text)}`, { hint: 'set it to true or false' });
    return bool(value);
  }
  const value =
    type === 'number' && /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text) ? parseNumber(text.replace(/^\+/, '')) : undefined;
  if (value === undefined) throw mistake(`failed to parse ${name} as number: ${JSON.stringify(text)}`, { hint: 'set it to a number' });
  return numberValue(value);
}

/** `a,b` for lists, sets and tuples, `a:1,b:2` for maps. */
function valueOfCsv(name: string, text: string, type: Exclude<Type, string>): Value {
  const fields = text === '' ? [] : at(undefined, () => csvFields(text));
  if (type.kind === 'tuple') {
    if (type.elements.length !== fields.length) {
      throw mistake(`${name}: tuple expects ${type.elements.length} elements but ${fields.length} are given`, {
        hint: 'separate them by commas',
      });
    }
    return tuple(fields.map((field, index) => element(name, field, type.elements[index] as Type, type)));
  }
  if (type.kind === 'object') throw unsupported(name, type, `set ${name}_JSON`);
  const values = (list: readonly string[]): Value[] => list.map((field) => element(name, field, type.element, type));
  if (type.kind === 'list') return list(type.element, values(fields));
  if (type.kind === 'set') return set(type.element, values(fields));
  return map(
    type.element,
    fields.map((field) => pair(name, field, type)),
  );
}

function pair(name: string, field: string, type: Extract<Type, { readonly kind: 'list' | 'set' | 'map' }>): [string, Value] {
  const parts = csvFields(field, ':');
  const [key = '', value] = parts;
  if (value === undefined || parts.length > 2) {
    throw mistake(`${name}: expected one k/v pair but got ${parts.length} pieces from ${field}`, {
      hint: 'write NAME:value, several separated by commas',
    });
  }
  return [key, element(name, value, type.element, type)];
}

function element(name: string, text: string, type: Type, whole: Type): Value {
  if (typeof type === 'string' && type !== 'any') return primitive(name, text, type);
  throw mistake(`unsupported type ${typeName(whole)} for CSV specification of ${name}`, { hint: `set ${name}_JSON` });
}

/** Throws for a variable whose conditions do not hold. `evaluate` has all variables. */
export function validateVariable(block: NamedBlock, evaluate: Evaluate): void {
  for (const rule of block.blocks.filter(({ type }) => type === 'validation')) {
    const known = new Map(rule.body.attributes.map((one) => [one.name, one]));
    for (const { name, location } of known.values()) {
      if (name === 'condition' || name === 'error_message') continue;
      throw mistake(`there is no attribute ${name} in a validation`, { hint: 'there are condition and error_message', location });
    }
    const condition = known.get('condition');
    const location = condition?.expression.location ?? rule.location;
    if (!holds(condition, location, evaluate)) throw failed(known.get('error_message'), block.name, location, evaluate);
  }
}

function holds(condition: Attribute | undefined, location: SourceLocation, evaluate: Evaluate): boolean {
  const value = condition === undefined ? undefined : evaluate(condition.expression);
  if (value === undefined || value.value === null) {
    throw mistake('condition must be either true or false, not null', { hint: 'write condition = …', location });
  }
  return convert(value, 'bool', location).value === true;
}

function failed(attribute: Attribute | undefined, name: string, location: SourceLocation, evaluate: Evaluate): Error {
  const message = attribute === undefined ? undefined : convert(evaluate(attribute.expression), 'string', attribute.expression.location);
  const text = message === undefined || message.value === null ? 'this check failed, but has an invalid error message' : textOf(message);
  return mistake(text, { hint: `set ${name} to a value that passes`, location });
}
