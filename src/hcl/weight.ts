// How large values may become: a few lines double a text or a list until no memory is left, and a Bake file may be a stranger's.

import type { SourceLocation } from '../base/index.ts';
import { fault } from './fault.ts';
import type { Value } from './value.ts';

/** The most that a value may weigh: 4 million characters, or 250,000 values in each other. */
const LIMIT = 4 << 20;
/** What a value weighs beside the characters in it. */
const EACH = 16;

/** Of rows and maps, which are never changed: a value stands in many others. */
const known = new WeakMap<object, number>();

/** Characters of all texts in the value, and 16 for each value in it. */
export function weightOf({ value }: Value): number {
  if (typeof value === 'string') return value.length + EACH;
  const isMap = value instanceof Map;
  if (!isMap && !Array.isArray(value)) return EACH;
  const inside = value as ReadonlyMap<string, Value> | readonly Value[];
  let weight = known.get(inside);
  if (weight === undefined) {
    weight = EACH;
    for (const one of inside.values()) weight += weightOf(one);
    if (isMap) for (const name of (inside as ReadonlyMap<string, Value>).keys()) weight += name.length;
    known.set(inside, weight);
  }
  return weight;
}

/** Weighs what is made piece by piece. Throws HCL_INVALID at `at` when it is too much. */
export class Scales {
  readonly #at: SourceLocation;
  #weight = 0;

  constructor(at: SourceLocation) {
    this.#at = at;
  }

  /** Hands the value on. */
  add(value: Value): Value {
    this.#weight += weightOf(value);
    if (this.#weight > LIMIT) throw tooLarge(this.#at);
    return value;
  }
}

/** Runs what makes a text or a row, which the engine itself may find too long. */
export function bounded<T>(at: SourceLocation, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof RangeError && /^Invalid (?:string|array) length/.test(error.message)) throw tooLarge(at);
    throw error;
  }
}

function tooLarge(at: SourceLocation): Error {
  return fault('this becomes too large', at, 'a value has at most 4 million characters, or 250,000 values in it');
}
