// Which types can become which, and the one type that several values can have together.

import { elementType, isPrimitive, kindOf, sameType } from './type.ts';
import type { Type } from './value.ts';

/** Whether values of one type may become values of the other. Some of them may turn out not to fit: a string that is no number. */
export function canConvert(from: Type, to: Type): boolean {
  if (to === 'any' || from === 'any' || sameType(from, to)) return true;
  if (isPrimitive(from) && isPrimitive(to)) return from === 'string' || to === 'string';
  if (typeof from === 'string' || typeof to === 'string') return false;
  if (from.kind === 'object')
    return to.kind === 'object' ? objectFits(from, to) : to.kind === 'map' && allFit([...from.attributes.values()], to.element);
  if (from.kind === 'tuple') {
    if (to.kind === 'tuple')
      return from.elements.length === to.elements.length && from.elements.every((one, at) => canConvert(one, to.elements[at] as Type));
    return (to.kind === 'list' || to.kind === 'set') && allFit(from.elements, to.element, true);
  }
  if (from.kind === 'map')
    return to.kind === 'map' ? canConvert(from.element, to.element) : to.kind === 'object' && mapFits(from.element, to);
  return (to.kind === 'list' || to.kind === 'set') && canConvert(from.element, to.element);
}

type ObjectType = Extract<Type, { readonly kind: 'object' }>;

function objectFits(from: ObjectType, to: ObjectType): boolean {
  return [...to.attributes].every(([name, wanted]) => {
    const given = from.attributes.get(name);
    return given === undefined ? to.optional?.has(name) === true : canConvert(given, wanted);
  });
}

function mapFits(element: Type, to: ObjectType): boolean {
  return [...to.attributes].every(([name, wanted]) => canConvert(element, wanted) || to.optional?.has(name) === true);
}

/** `strict`: elements that have nothing in common are no list, though of `any` everything were one. */
function allFit(types: readonly Type[], wanted: Type, strict = false): boolean {
  if (types.length === 0) return true;
  const element = wanted === 'any' ? unify(types) : wanted;
  if (element === undefined || (strict && wanted === 'any' && element === 'any' && types.some((type) => type !== 'any'))) return false;
  return types.every((type) => canConvert(type, element));
}

/** The type that values of all these types can become; undefined when there is none. */
export function unify(types: readonly Type[]): Type | undefined {
  const kinds = new Set(types.map(kindOf));
  const open = kinds.delete('any');
  const only = kinds.size === 1 ? [...kinds][0] : undefined;
  if (only === 'list' || only === 'set' || only === 'map') return open ? 'any' : collection(only, types.map(elementType), types);
  if (only === 'object') return open ? 'any' : unifyObjects(types as readonly ObjectType[]);
  if (only === 'tuple') return open ? 'any' : unifyTuples(types as readonly TupleType[]);
  if (kinds.has('object') && kinds.has('tuple') && [...kinds].every((kind) => kind === 'object' || kind === 'tuple')) return undefined;
  if (kinds.size === 2 && kinds.has('map') && kinds.has('object')) return withRows(types, 'object', 'map') ?? preferred(types);
  if (kinds.size === 2 && kinds.has('list') && kinds.has('tuple')) return withRows(types, 'tuple', 'list') ?? preferred(types);
  return preferred(types);
}

type TupleType = Extract<Type, { readonly kind: 'tuple' }>;

function collection(kind: 'list' | 'set' | 'map', elements: readonly Type[], types: readonly Type[]): Type | undefined {
  const element = unify(elements);
  const whole: Type | undefined = element === undefined ? undefined : { kind, element };
  return whole !== undefined && types.every((type) => canConvert(type, whole)) ? whole : undefined;
}

/** Objects beside maps become maps, tuples beside lists become lists. */
function withRows(types: readonly Type[], kind: 'object' | 'tuple', as: 'map' | 'list'): Type | undefined {
  const rows = types.filter((type) => kindOf(type) === kind);
  const row = collection(as, rows.flatMap(partsOf), rows);
  return row === undefined ? undefined : unify(types.map((type) => (kindOf(type) === kind ? row : type)));
}

function partsOf(type: Type): readonly Type[] {
  if (typeof type === 'string') return [];
  if (type.kind === 'tuple') return type.elements;
  return type.kind === 'object' ? [...type.attributes.values()] : [type.element];
}

function unifyObjects(types: readonly ObjectType[]): Type | undefined {
  const names = [...(types[0]?.attributes.keys() ?? [])];
  const alike = types.every(({ attributes }) => attributes.size === names.length && names.every((name) => attributes.has(name)));
  if (!alike) return collection('map', types.flatMap(partsOf), types);
  const attributes = new Map<string, Type>();
  for (const name of names) {
    const common = unify(types.map((type) => type.attributes.get(name) as Type));
    if (common === undefined) return undefined;
    attributes.set(name, common);
  }
  const whole: Type = { kind: 'object', attributes };
  return types.every((type) => canConvert(type, whole)) ? whole : collection('map', types.flatMap(partsOf), types);
}

function unifyTuples(types: readonly TupleType[]): Type | undefined {
  const length = types[0]?.elements.length ?? 0;
  if (!types.every(({ elements }) => elements.length === length)) return collection('list', types.flatMap(partsOf), types);
  const elements: Type[] = [];
  for (let at = 0; at < length; at += 1) {
    const common = unify(types.map((type) => type.elements[at] as Type));
    if (common === undefined) return undefined;
    elements.push(common);
  }
  const whole: Type = { kind: 'tuple', elements };
  return types.every((type) => canConvert(type, whole)) ? whole : collection('list', types.flatMap(partsOf), types);
}

/** The first of the types, most general first, that all others can become. */
function preferred(types: readonly Type[]): Type | undefined {
  return byGenerality(types).find((wanted) => types.every((type) => canConvert(type, wanted)));
}

/** More general types before those they are more general than; others as they come. */
function byGenerality(types: readonly Type[]): readonly Type[] {
  const left = types.map((type) => ({ type, above: types.filter((other) => compare(other, type) < 0).length }));
  const sorted: Type[] = [];
  for (;;) {
    const next = left.find(({ above }) => above === 0);
    if (next === undefined) return sorted;
    sorted.push(next.type);
    next.above = -1;
    for (const one of left) if (one.above > 0 && compare(next.type, one.type) < 0) one.above -= 1;
  }
}

/** Below zero: `a` is more general than `b`. Zero: neither is. */
function compare(a: Type, b: Type): number {
  if (a === 'any' || b === 'any') return Number(a === 'any') - Number(b === 'any');
  if (typeof a === 'string' || typeof b === 'string')
    return isPrimitive(a) && isPrimitive(b) ? Number(b === 'string') - Number(a === 'string') : 0;
  if (a.kind === b.kind) return compareAlike(a, b);
  const order = GENERALITY.indexOf(a.kind) - GENERALITY.indexOf(b.kind);
  return comparable(a.kind, b.kind) ? order : 0;
}

/** A set holds less than a list, a list less than a tuple: the less a type says, the more general it is. */
const GENERALITY = ['set', 'list', 'tuple', 'map', 'object'];

function comparable(a: string, b: string): boolean {
  const row = (kind: string): boolean => kind !== 'map' && kind !== 'object';
  return row(a) === row(b);
}

function compareAlike(a: Exclude<Type, string>, b: Exclude<Type, string>): number {
  if ('element' in a && 'element' in b) return compare(a.element, b.element);
  const [x, y] = [partsOf(a), partsOf(b)];
  const named = a.kind === 'object' && b.kind === 'object' ? [...a.attributes.keys()].every((name) => b.attributes.has(name)) : true;
  if (x.length !== y.length || !named) return 0;
  const signs = x.map((one, at) => Math.sign(compare(one, y[at] as Type)));
  if (signs.includes(-1) && signs.includes(1)) return 0;
  return signs.find((sign) => sign !== 0) ?? 0;
}
