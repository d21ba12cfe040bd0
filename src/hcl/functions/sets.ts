// Functions on sets. Lists and tuples count as sets here.

import { converted } from '../convert.ts';
import { equal, set } from '../compare.ts';
import { type HclFunction, Refusal } from '../scope.ts';
import { elementType, sameType } from '../type.ts';
import { unify } from '../unify.ts';
import { bool, elementsOf, list, tuple, type Type, type Value } from '../value.ts';
import { define, defineVariadic, SET, type Table } from './define.ts';

type Elements = readonly Value[];

const has = (elements: Elements, wanted: Value): boolean => elements.some((one) => equal(one, wanted));
const without = (a: Elements, b: Elements): Elements => a.filter((one) => !has(b, one));

/** All have their elements as one type first; then they are taken together from left to right. */
function combined(sets: Elements, join: (a: Elements, b: Elements) => Elements): Value {
  const types = sets.filter((one) => elementsOf(one).length > 0 || elementType(one.type) !== 'any').map(({ type }) => elementType(type));
  const element = types.length === 0 ? 'any' : unify(types);
  if (element === undefined) throw new Refusal('the elements of the sets have no type in common');
  const [first = [], ...further] = sets.map((one) => elementsOf(converted(one, { kind: 'set', element })));
  return set(element, further.reduce(join, first));
}

function operation(join: (a: Elements, b: Elements) => Elements): HclFunction {
  return defineVariadic({ first_set: SET }, ['other_sets', SET], ({ first_set: first }, others) => combined([first, ...others], join));
}

export const SETS: Table = {
  sethaselement: define({ set: SET, elem: 'any' }, ({ set: given, elem }) => bool(has(elementsOf(given), elem))),
  setintersection: operation((a, b) => a.filter((one) => has(b, one))),
  setproduct: defineVariadic({}, ['sets', 'any'], (_, sets) => product(sets)),
  setsubtract: define({ a: SET, b: SET }, ({ a, b }) => combined([a, b], without)),
  setsymmetricdifference: operation((a, b) => [...without(a, b), ...without(b, a)]),
  setunion: operation((a, b) => [...a, ...without(b, a)]),
};

/** More combinations than this are a mistake. */
const MAX_PRODUCT = 100_000;

/** Every combination of an element of each. A list, unless one of them is a set. */
function product(sets: Elements): Value {
  if (sets.length < 2) throw new Refusal('at least two sets are wanted');
  const types = sets.map(elementTypeOf);
  const count = sets.reduce((total, one) => total * elementsOf(one).length, 1);
  if (count > MAX_PRODUCT) throw new Refusal(`there are more than ${MAX_PRODUCT} combinations`);
  let rows: Elements[] = [[]];
  sets.forEach((one, at) => {
    const elements = elementsOf(one).map((element) => fitted(element, types[at] as Type));
    rows = rows.flatMap((row) => elements.map((element) => [...row, element]));
  });
  const element: Type = { kind: 'tuple', elements: types };
  const isSet = sets.some(({ type }) => typeof type !== 'string' && type.kind === 'set');
  return isSet ? set(element, rows.map(tuple)) : list(element, rows.map(tuple));
}

function fitted(element: Value, type: Type): Value {
  return sameType(element.type, type) ? element : converted(element, type);
}

function elementTypeOf({ type }: Value, at: number): Type {
  if (typeof type !== 'string' && (type.kind === 'list' || type.kind === 'set')) return type.element;
  if (typeof type === 'string' || type.kind !== 'tuple') throw new Refusal('a list or a set is wanted', at);
  const element = type.elements.length === 0 ? 'any' : unify(type.elements);
  if (element === undefined) throw new Refusal('the elements have no type in common', at);
  return element;
}
