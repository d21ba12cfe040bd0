// Conversion: what a value of one type is as a value of another.

import { type SourceLocation, SlipwayError } from '../base/index.ts';
import { set } from './compare.ts';
import { fault } from './fault.ts';
import { formatNumber, parseNumber } from './number.ts';
import { elementType, isOpen, isPrimitive, kindOf, sameType, typeName, withoutOptional } from './type.ts';
import { canConvert, unify } from './unify.ts';
import {
  bool,
  elementsOf,
  entriesOf,
  list,
  map,
  nullOf,
  number,
  numberOf,
  object,
  string,
  textOf,
  tuple,
  type Type,
  type Value,
} from './value.ts';

/** Why a value has not the type that is wanted, and where in it. Does not leave the room: whoever asked knows the place in the text. */
export class Misfit extends Error {
  readonly path: readonly (string | number)[];

  constructor(message: string, path: readonly (string | number)[] = []) {
    super(message);
    this.path = path;
  }

  /** `element 0, attribute "name": a number is wanted`. */
  describe(): string {
    const places = this.path.map((step) => (typeof step === 'number' ? `element ${step}` : `attribute ${JSON.stringify(step)}`));
    return places.length === 0 ? this.message : `${places.join(', ')}: ${this.message}`;
  }
}

/** The value as one of that type. Throws HCL_INVALID, at the place that is given, when it does not fit. */
export function convert(value: Value, type: Type, at?: SourceLocation): Value {
  try {
    return converted(value, type);
  } catch (error) {
    if (!(error instanceof Misfit)) throw error;
    if (at !== undefined) throw fault(error.describe(), at);
    throw new SlipwayError('HCL_INVALID', error.describe(), { facts: { path: error.path } });
  }
}

/** The same for the room itself: throws Misfit. */
export function converted(value: Value, type: Type): Value {
  if (type === 'any' || sameType(value.type, withoutOptional(type))) return value;
  if (value.value === null && value.type === 'any') return nullOf(withoutOptional(type));
  if (!canConvert(value.type, type)) throw new Misfit(mismatch(value.type, type));
  if (value.value === null) return nullOf(filled(value.type, withoutOptional(type)));
  if (isPrimitive(type)) return toPrimitive(value, type);
  if (typeof type === 'string') return value;
  if (type.kind === 'object') return toObject(value, type);
  if (type.kind === 'tuple') return tuple(elementsOf(value).map((one, at) => under(at, () => converted(one, type.elements[at] as Type))));
  return type.kind === 'map' ? toMap(value, type.element) : toRow(value, type.kind, type.element);
}

function toPrimitive(value: Value, type: Type): Value {
  if (value.type === 'number') return string(formatNumber(numberOf(value)));
  if (value.type === 'bool') return string(String(value.value));
  const text = textOf(value);
  if (type === 'number') {
    const found = parseNumber(text);
    if (found === undefined) throw new Misfit(`a number is wanted, ${JSON.stringify(text)} is none`);
    return number(found);
  }
  if (text === 'true' || text === '1') return bool(true);
  if (text === 'false' || text === '0') return bool(false);
  const lower = /^(?:true|false)$/i.test(text) ? `; write it in small letters: "${text.toLowerCase()}"` : '';
  throw new Misfit(`true or false is wanted, ${JSON.stringify(text)} is neither${lower}`);
}

function toRow(value: Value, kind: 'list' | 'set', wanted: Type): Value {
  const given = elementsOf(value);
  const open = wanted === 'any' && kindOf(value.type) === 'tuple';
  const element = (open ? unify(given.map(({ type }) => type)) : undefined) ?? wanted;
  const [common, values] = alike(
    given.map((one, at) => under(at, () => converted(one, element))),
    element,
    elementType(value.type),
  );
  return kind === 'list' ? list(common, values) : set(common, values);
}

function toMap(value: Value, wanted: Type): Value {
  const given = entriesOf(value);
  const open = wanted === 'any' && kindOf(value.type) === 'object';
  const element = (open ? unify([...given.values()].map(({ type }) => type)) : undefined) ?? wanted;
  const names = [...given.keys()];
  const all = [...given].map(([name, one]) => under(name, () => converted(one, element)));
  const [common, values] = alike(all, element, elementType(value.type));
  return map(
    common,
    values.map((one, at) => [names[at] as string, one]),
  );
}

/** Where the wanted type leaves something open, the elements may have come out different: they get what is common to them. */
function alike(values: readonly Value[], wanted: Type, given: Type): readonly [Type, readonly Value[]] {
  if (!isOpen(wanted)) return [withoutOptional(wanted), values];
  if (values.length === 0) return [wanted === 'any' ? given : withoutOptional(wanted), values];
  const common = unify(values.map(({ type }) => type));
  const mixed = common === 'any' && new Set(values.filter(({ type }) => type !== 'any').map(({ type }) => typeName(type))).size > 0;
  if (common === undefined || mixed) throw new Misfit('the elements have no type in common');
  return [common, values.map((value, at) => under(at, () => converted(value, common)))];
}

function toObject(value: Value, type: Extract<Type, { readonly kind: 'object' }>): Value {
  const given = entriesOf(value);
  return object(
    [...type.attributes].map(([name, wanted]) => {
      const one = given.get(name);
      if (one !== undefined) return [name, under(name, () => converted(one, wanted))] as const;
      if (type.optional?.has(name) !== true) throw new Misfit(`the attribute ${JSON.stringify(name)} is missing`);
      return [name, nullOf(withoutOptional(wanted))] as const;
    }),
  );
}

function under<T>(step: string | number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof Misfit) throw new Misfit(error.message, [step, ...error.path]);
    throw error;
  }
}

/** The type of a null that becomes a null of `to`: what that leaves open is as it was. */
function filled(from: Type, to: Type): Type {
  if (to === 'any') return from;
  if (typeof to === 'string' || typeof from === 'string' || !('element' in to)) return to;
  if ('element' in from) return { kind: to.kind, element: filled(from.element, to.element) };
  return to;
}

/** Why no value of the one type is one of the other. */
function mismatch(from: Type, to: Type): string {
  if (typeof from !== 'string' && typeof to !== 'string') {
    if (from.kind === 'object' && to.kind === 'object') return mismatchOfObjects(from, to);
    if (from.kind === 'tuple' && to.kind === 'tuple') {
      if (from.elements.length !== to.elements.length)
        return `${to.elements.length} elements are wanted, there are ${from.elements.length}`;
      return mismatchOfParts(from.elements.map((type, at) => [at, type, to.elements[at] as Type])) ?? wanted(from, to);
    }
    if (from.kind === 'tuple' && 'element' in to && to.kind !== 'map') {
      return mismatchOfParts(from.elements.map((type, at) => [at, type, to.element])) ?? 'all elements must have one type';
    }
    if (from.kind === 'object' && to.kind === 'map') {
      return mismatchOfParts([...from.attributes].map(([name, type]) => [name, type, to.element])) ?? 'all attributes must have one type';
    }
  }
  return wanted(from, to);
}

function mismatchOfObjects(from: Extract<Type, { readonly kind: 'object' }>, to: Extract<Type, { readonly kind: 'object' }>): string {
  const missing = [...to.attributes.keys()].filter((name) => !from.attributes.has(name) && to.optional?.has(name) !== true);
  if (missing.length > 0) return `missing: ${missing.map((name) => `attribute ${JSON.stringify(name)}`).join(', ')}`;
  const both = [...to.attributes].flatMap(([name, type]) => {
    const given = from.attributes.get(name);
    return given === undefined ? [] : [[name, given, type] as const];
  });
  return mismatchOfParts(both) ?? wanted(from, to);
}

function mismatchOfParts(parts: readonly (readonly [string | number, Type, Type])[]): string | undefined {
  const bad = parts.find(([, from, to]) => !canConvert(from, to));
  return bad === undefined ? undefined : new Misfit(mismatch(bad[1], bad[2]), [bad[0]]).describe();
}

function wanted(from: Type, to: Type): string {
  return `${typeName(to)} is wanted, this is ${typeName(from)}`;
}
