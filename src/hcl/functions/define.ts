// How a function is written down: its parameters by name, and what it does with their values.

import { type HclFunction, type Parameter, Refusal } from '../scope.ts';
import { numberOf, type Type, type Value } from '../value.ts';

/** What functions need of the world; handed in, since this room has no clock, no home and no dice. */
export interface World {
  readonly now: () => Date;
  readonly homeFolder: () => string;
  readonly random: (bytes: number) => Uint8Array;
}

export type Table = Readonly<Record<string, HclFunction>>;

/** A parameter's type, or one that may be null. */
type Kind = Type | { readonly nullable: Type };

type Named<Names extends string> = Readonly<Record<Names, Value>>;

/** A function of a fixed number of parameters. */
export function define<Names extends string>(parameters: Readonly<Record<Names, Kind>>, call: (given: Named<Names>) => Value): HclFunction {
  const names = Object.keys(parameters) as Names[];
  return { parameters: names.map((name) => parameterOf(name, parameters[name])), call: (values) => call(named(names, values)) };
}

/** A function of some parameters and any number of further ones. */
export function defineVariadic<Names extends string>(
  parameters: Readonly<Record<Names, Kind>>,
  further: readonly [name: string, type: Kind],
  call: (given: Named<Names>, further: readonly Value[]) => Value,
): HclFunction {
  const names = Object.keys(parameters) as Names[];
  return {
    parameters: names.map((name) => parameterOf(name, parameters[name])),
    variadic: parameterOf(...further),
    call: (values) => call(named(names, values), values.slice(names.length)),
  };
}

function parameterOf(name: string, kind: Kind): Parameter {
  return typeof kind === 'object' && 'nullable' in kind ? { name, type: kind.nullable, nullable: true } : { name, type: kind };
}

function named<Names extends string>(names: readonly Names[], values: readonly Value[]): Named<Names> {
  return Object.fromEntries(names.map((name, at) => [name, values[at]])) as Named<Names>;
}

/** A number that has to be whole: an index, a length. `parameter`: which one it is. */
export function whole(value: Value, parameter: number): number {
  const found = numberOf(value);
  if (!found.isInteger() || found.abs().gt('9223372036854775807')) throw new Refusal('a whole number is wanted', parameter);
  return found.toNumber();
}

export const LIST_OF_STRING: Type = { kind: 'list', element: 'string' };
export const LIST: Type = { kind: 'list', element: 'any' };
export const SET: Type = { kind: 'set', element: 'any' };
