// Values of HCL expressions: data with a type, as the language's reference defines them.

import { Decimal } from 'decimal.js';
import { byCodePoints } from './order.ts';

/** A type. `any` is that of `null` alone, of an empty collection's elements, and a type constraint that every value meets. */
export type Type =
  | 'string'
  | 'number'
  | 'bool'
  | 'any'
  | { readonly kind: 'list' | 'set' | 'map'; readonly element: Type }
  | { readonly kind: 'tuple'; readonly elements: readonly Type[] }
  | { readonly kind: 'object'; readonly attributes: ReadonlyMap<string, Type>; readonly optional?: ReadonlySet<string> };

/** A value. Lists, sets and tuples hold arrays (a set's are distinct and in the language's order), maps and objects a Map in order of names. */
export interface Value {
  readonly type: Type;
  readonly value: null | string | boolean | Decimal | readonly Value[] | ReadonlyMap<string, Value>;
}

/** What the word `null` means: nothing, of no type yet. */
export const NULL: Value = { type: 'any', value: null };

export function nullOf(type: Type): Value {
  return { type, value: null };
}

/** Strings are compared letter by letter, however an accent was typed: they are kept in Unicode's composed form. */
export function string(text: string): Value {
  return { type: 'string', value: text.normalize('NFC') };
}

export function number(value: Decimal | number | bigint): Value {
  return { type: 'number', value: value instanceof Decimal ? value : new Decimal(typeof value === 'bigint' ? value.toString() : value) };
}

export function bool(value: boolean): Value {
  return { type: 'bool', value };
}

export function tuple(values: readonly Value[]): Value {
  return { type: { kind: 'tuple', elements: values.map(({ type }) => type) }, value: values };
}

export function object(entries: Iterable<readonly [string, Value]>): Value {
  const sorted = sortedMap(entries);
  return { type: { kind: 'object', attributes: new Map([...sorted].map(([name, { type }]) => [name, type])) }, value: sorted };
}

export function list(element: Type, values: readonly Value[]): Value {
  return { type: { kind: 'list', element }, value: values.map((value) => typed(value, element)) };
}

export function map(element: Type, entries: Iterable<readonly [string, Value]>): Value {
  const sorted = sortedMap([...entries].map(([name, value]) => [name, typed(value, element)] as const));
  return { type: { kind: 'map', element }, value: sorted };
}

/** A `null` of no type, among elements of one, has theirs. */
function typed(value: Value, element: Type): Value {
  return value.type === 'any' && value.value === null ? nullOf(element) : value;
}

function sortedMap(entries: Iterable<readonly [string, Value]>): ReadonlyMap<string, Value> {
  const named = new Map([...entries].map(([name, value]) => [name.normalize('NFC'), value]));
  return new Map([...named].sort(([a], [b]) => byCodePoints(a, b)));
}

/** The elements of a list, set or tuple, or the values of a map or object in order of names. */
export function elementsOf({ value }: Value): readonly Value[] {
  if (Array.isArray(value)) return value as readonly Value[];
  return value instanceof Map ? [...(value as ReadonlyMap<string, Value>).values()] : [];
}

/** What a map or object holds, by name; of anything else, nothing. */
export function entriesOf({ value }: Value): ReadonlyMap<string, Value> {
  return value instanceof Map ? (value as ReadonlyMap<string, Value>) : new Map();
}

/** The text of a string that is known to be one. */
export function textOf({ value }: Value): string {
  if (typeof value !== 'string') throw new Error('internal: not a string');
  return value;
}

/** The number in a value that is known to be one. */
export function numberOf({ value }: Value): Decimal {
  if (!(value instanceof Decimal)) throw new Error('internal: not a number');
  return value;
}
