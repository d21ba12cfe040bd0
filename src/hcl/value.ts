// Values of HCL expressions: data with a type, as the language's reference defines them.

import type { Decimal } from 'decimal.js';

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
