// The language of Bake files: text to a tree, expressions to values.

export { convert } from './convert.ts';
export { equal, set } from './compare.ts';
export { evaluate } from './evaluate.ts';
export { itemsOf } from './items.ts';
export { functions } from './functions/index.ts';
export type { World } from './functions/define.ts';
export { fromJson } from './functions/encodings.ts';
export { toJson } from './json-write.ts';
export { formatNumber, parseNumber } from './number.ts';
export { type BlockSchema, parseHclJson } from './json.ts';
export { parseHcl } from './parse.ts';
export { type Reference, type References, references } from './reference.ts';
export { type HclFunction, type Parameter, Refusal, type Scope, type Step } from './scope.ts';
export type { Attribute, Block, Body, Expression } from './tree.ts';
export { sameType, typeName } from './type.ts';
export { keywordOf, typeOf } from './type-expression.ts';
export {
  bool,
  elementsOf,
  entriesOf,
  list,
  map,
  NULL,
  nullOf,
  number,
  object,
  string,
  textOf,
  tuple,
  type Type,
  type Value,
} from './value.ts';
