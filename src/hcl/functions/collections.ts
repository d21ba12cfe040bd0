// Functions on lists, tuples, maps and objects.

import { converted, Misfit } from '../convert.ts';
import { equal } from '../compare.ts';
import { add } from '../number.ts';
import { Refusal } from '../scope.ts';
import { elementType, isSequence, kindOf, sameType, typeName } from '../type.ts';
import { unify } from '../unify.ts';
import {
  bool,
  elementsOf,
  entriesOf,
  list,
  map,
  number,
  numberOf,
  object,
  string,
  textOf,
  tuple,
  type Type,
  type Value,
} from '../value.ts';
import { define, defineVariadic, LIST, LIST_OF_STRING, type Table, whole } from './define.ts';

export const COLLECTIONS: Table = {
  chunklist: define({ list: LIST, size: 'number' }, ({ list: given, size }) => chunks(given, whole(size, 1))),
  coalesce: defineVariadic({}, ['vals', { nullable: 'any' }], (_, values) => firstThere(values)),
  coalescelist: defineVariadic({}, ['vals', { nullable: 'any' }], (_, values) => {
    if (values.length === 0) throw new Refusal('at least one list is wanted');
    values.forEach((value, at) => sequenceOf(value, at));
    const found = values.find((value) => elementsOf(value).length > 0);
    if (found === undefined) throw new Refusal('all lists are empty');
    return found;
  }),
  compact: define({ list: LIST_OF_STRING }, ({ list: given }) =>
    list(
      'string',
      elementsOf(given).filter(({ value }) => value !== null && value !== ''),
    ),
  ),
  concat: defineVariadic({}, ['seqs', 'any'], (_, sequences) => concatenated(sequences)),
  contains: define({ list: 'any', value: 'any' }, ({ list: given, value }) => {
    if (!isSequence(given.type)) throw new Refusal(`a list, set or tuple is wanted, this is ${typeName(given.type)}`, 0);
    return bool(elementsOf(given).some((one) => equal(value, one)));
  }),
  distinct: define({ list: LIST }, ({ list: given }) => {
    const kept: Value[] = [];
    for (const one of elementsOf(given)) if (!kept.some((other) => equal(other, one))) kept.push(one);
    return list(elementType(given.type), kept);
  }),
  element: define({ list: 'any', index: 'number' }, ({ list: given, index }) => {
    const elements = sequenceOf(given, 0);
    if (elements.length === 0) throw new Refusal('the list is empty', 0);
    return elements.at(whole(index, 1) % elements.length) as Value;
  }),
  flatten: define({ list: 'any' }, ({ list: given }) => {
    if (!isSequence(given.type)) throw new Refusal(`a list, set or tuple is wanted, this is ${typeName(given.type)}`, 0);
    return tuple(flat(given));
  }),
  hasindex: define({ collection: 'any', key: 'any' }, ({ collection, key }) => bool(elementBy(collection, key) !== undefined)),
  index: define({ collection: 'any', key: 'any' }, ({ collection, key }) => {
    const wanted = kindOf(collection.type) === 'map' ? 'string' : 'number';
    if (elementBy(collection, key) === undefined && key.type !== wanted) throw new Refusal(`the key of this is a ${wanted}`, 1);
    const found = elementBy(collection, key);
    if (found === undefined) throw new Refusal('there is no such element', 1);
    return found;
  }),
  indexof: define({ list: 'any', value: 'any' }, ({ list: given, value }) => {
    const at = sequenceOf(given, 0).findIndex((one) => equal(one, value));
    if (at < 0) throw new Refusal('the list has no such element', 1);
    return number(at);
  }),
  keys: define({ inputMap: 'any' }, ({ inputMap }) => {
    const names = [...mapOf(inputMap, 0).keys()].map(string);
    return kindOf(inputMap.type) === 'map' ? list('string', names) : tuple(names);
  }),
  length: define({ collection: 'any' }, ({ collection }) => {
    if (!isSequence(collection.type) && kindOf(collection.type) !== 'map')
      throw new Refusal(`a list, set, tuple or map is wanted, this is ${typeName(collection.type)}`, 0);
    return number(elementsOf(collection).length);
  }),
  lookup: define({ inputMap: 'any', key: 'string', default: 'any' }, ({ inputMap, key, default: otherwise }) => {
    const found = mapOf(inputMap, 0).get(textOf(key));
    if (kindOf(inputMap.type) === 'object') return found ?? otherwise;
    const fallback = fitted(otherwise, elementType(inputMap.type), 2);
    return found ?? fallback;
  }),
  merge: defineVariadic({}, ['maps', { nullable: 'any' }], (_, maps) => merged(maps)),
  range: defineVariadic({}, ['params', 'number'], (_, limits) => numbersBetween(limits)),
  reverselist: define({ list: 'any' }, ({ list: given }) => {
    if (!isSequence(given.type)) throw new Refusal(`a list or tuple is wanted, this is ${typeName(given.type)}`, 0);
    const reversed = [...elementsOf(given)].reverse();
    return kindOf(given.type) === 'tuple' ? tuple(reversed) : list(elementType(given.type), reversed);
  }),
  slice: define({ list: 'any', start_index: 'number', end_index: 'number' }, ({ list: given, start_index: from, end_index: to }) => {
    const elements = sequenceOf(given, 0);
    const [start, end] = [bounded(from, 1, elements.length), bounded(to, 2, elements.length)];
    if (start > end) throw new Refusal('the start lies behind the end', 1);
    const part = elements.slice(start, end);
    return kindOf(given.type) === 'tuple' ? tuple(part) : list(elementType(given.type), part);
  }),
  values: define({ mapping: 'any' }, ({ mapping }) => {
    const all = [...mapOf(mapping, 0).values()];
    return kindOf(mapping.type) === 'map' ? list(elementType(mapping.type), all) : tuple(all);
  }),
  zipmap: define({ keys: LIST_OF_STRING, values: 'any' }, ({ keys, values }) => zipped(elementsOf(keys), values)),
};

/** The elements of a list or tuple: what has indices. */
function sequenceOf(value: Value, parameter: number): readonly Value[] {
  const kind = kindOf(value.type);
  if (kind !== 'list' && kind !== 'tuple') throw new Refusal(`a list or tuple is wanted, this is ${typeName(value.type)}`, parameter);
  return elementsOf(value);
}

function mapOf(value: Value, parameter: number): ReadonlyMap<string, Value> {
  const kind = kindOf(value.type);
  if (kind !== 'map' && kind !== 'object') throw new Refusal(`a map or object is wanted, this is ${typeName(value.type)}`, parameter);
  return entriesOf(value);
}

function fitted(value: Value, type: Type, parameter: number): Value {
  try {
    return converted(value, type);
  } catch (error) {
    if (error instanceof Misfit) throw new Refusal(error.describe(), parameter);
    throw error;
  }
}

/** The element that a key names, in a list, tuple or map; undefined when there is none. */
function elementBy(collection: Value, key: Value): Value | undefined {
  const kind = kindOf(collection.type);
  if (kind === 'map') return key.type === 'string' ? entriesOf(collection).get(textOf(key)) : undefined;
  if (kind !== 'list' && kind !== 'tuple') throw new Refusal(`a list, tuple or map is wanted, this is ${typeName(collection.type)}`, 0);
  return key.type === 'number' ? elementsOf(collection)[numberOf(key).toNumber()] : undefined;
}

function bounded(value: Value, parameter: number, length: number): number {
  const found = whole(value, parameter);
  if (found < 0 || found > length) throw new Refusal(`the list has ${length} elements: the index goes from 0 to ${length}`, parameter);
  return found;
}

function chunks(given: Value, size: number): Value {
  if (size < 0) throw new Refusal('the size can not be negative', 1);
  const elements = elementsOf(given);
  const element = elementType(given.type);
  const parts: Value[] = [];
  const step = size === 0 ? Math.max(elements.length, 1) : size;
  for (let at = 0; at < elements.length; at += step) parts.push(list(element, elements.slice(at, at + step)));
  return list({ kind: 'list', element }, parts);
}

/** The first that is not null, as the type that all have in common. */
function firstThere(values: readonly Value[]): Value {
  const type = values.length === 0 ? undefined : unify(values.map((value) => value.type));
  if (type === undefined) throw new Refusal(values.length === 0 ? 'at least one value is wanted' : 'the values have no type in common');
  const at = values.findIndex(({ value }) => value !== null);
  if (at < 0) throw new Refusal('all values are null');
  return fitted(values[at] as Value, type, at);
}

/** Lists of what can be one type are one list; anything else is a tuple. */
function concatenated(sequences: readonly Value[]): Value {
  if (sequences.length === 0) throw new Refusal('at least one list is wanted');
  if (sequences.every(({ type }) => kindOf(type) === 'list')) {
    const type = unify(sequences.map((one) => one.type));
    if (type !== undefined && kindOf(type) === 'list') {
      const all = sequences.flatMap((one, at) => elementsOf(fitted(one, type, at)));
      return list(elementType(type), all);
    }
  }
  return tuple(sequences.flatMap((one, at) => sequenceOf(one, at)));
}

function flat(value: Value): readonly Value[] {
  return elementsOf(value).flatMap((one) => (one.value !== null && isSequence(one.type) ? flat(one) : [one]));
}

/** Later ones win. Maps of one type are a map; anything else is an object. */
function merged(maps: readonly Value[]): Value {
  const there = maps.filter((one) => one.type !== 'any');
  there.forEach((one, at) => mapOf(one, at));
  const entries = new Map(there.flatMap((one) => [...entriesOf(one)]));
  const [first] = there;
  const alike = first !== undefined && kindOf(first.type) === 'map' && there.every(({ type }) => sameType(type, first.type));
  return alike ? map(elementType(first.type), entries) : object(entries);
}

const MAX_RANGE = 1024;

/** Of one number: from 0; of two: in steps of 1, down where the second is smaller; of three: the third is the step. */
function numbersBetween(limits: readonly Value[]): Value {
  if (limits.length < 1 || limits.length > 3) throw new Refusal('one, two or three numbers are wanted');
  const given = limits.map(numberOf);
  const [from, to] = (given.length === 1 ? [numberOf(number(0)), given[0]] : given) as [
    ReturnType<typeof numberOf>,
    ReturnType<typeof numberOf>,
  ];
  const step = given[2] ?? numberOf(number(to.lt(from) ? -1 : 1));
  if (step.isZero()) throw new Refusal('the step can not be zero', 2);
  const down = step.isNegative();
  if (down ? to.gt(from) : to.lt(from)) throw new Refusal(`with this step the end can not be ${down ? 'above' : 'below'} the start`, 1);
  const found: Value[] = [];
  for (let at = from; down ? at.gt(to) : at.lt(to); at = add(at, step)) {
    if (found.length >= MAX_RANGE) throw new Refusal(`there are more than ${MAX_RANGE} numbers`);
    found.push(number(at));
  }
  return list('number', found);
}

function zipped(keys: readonly Value[], values: Value): Value {
  const elements = sequenceOf(values, 1);
  if (keys.length !== elements.length) throw new Refusal(`there are ${keys.length} keys and ${elements.length} values`);
  const entries = keys.map((key, at) => {
    if (key.value === null) throw new Refusal(`key ${at} is null`, 0);
    return [textOf(key), elements[at] as Value] as const;
  });
  return kindOf(values.type) === 'list' ? map(elementType(values.type), entries) : object(entries);
}
