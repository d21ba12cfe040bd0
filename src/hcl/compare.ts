// Equality of values, and sets: distinct elements in the language's order.

import { formatGeneral } from './number.ts';
import { byCodePoints } from './order.ts';
import { sameType } from './type.ts';
import { elementsOf, entriesOf, nullOf, numberOf, textOf, type Type, type Value } from './value.ts';

/** Values of different types are not equal: the number 1 is not the string "1". */
export function equal(a: Value, b: Value): boolean {
  if (a.value === null || b.value === null) return a.value === b.value;
  if (!sameType(a.type, b.type)) return false;
  if (a.type === 'number') return numberOf(a).eq(numberOf(b));
  if (typeof a.type === 'string') return a.value === b.value;
  const [x, y] = [elementsOf(a), elementsOf(b)];
  if (x.length !== y.length || !x.every((one, at) => equal(one, y[at] as Value))) return false;
  const [names, others] = [[...entriesOf(a).keys()], [...entriesOf(b).keys()]];
  return names.every((name, at) => name === others[at]);
}

export function set(element: Type, values: readonly Value[]): Value {
  const ordered = values.map((value) => (value.value === null ? nullOf(element) : value)).sort((a, b) => order(a, b));
  return { type: { kind: 'set', element }, value: ordered.filter((value, at) => at === 0 || !equal(value, ordered[at - 1] as Value)) };
}

/** Strings by their letters, numbers by size, false before true; other values by how they would be written; null at the end. */
function order(a: Value, b: Value): number {
  if (a.value === null || b.value === null) return Number(a.value === null) - Number(b.value === null);
  if (a.type === 'string') return byCodePoints(textOf(a), textOf(b));
  if (a.type === 'number') return numberOf(a).cmp(numberOf(b));
  if (a.type === 'bool') return Number(a.value) - Number(b.value);
  return byCodePoints(written(a), written(b));
}

function written(value: Value): string {
  if (value.value === null) return '~';
  if (value.type === 'number') return formatGeneral(numberOf(value), 10);
  if (value.type === 'string') return JSON.stringify(value.value);
  if (typeof value.type === 'string') return value.value === true ? 'T' : 'F';
  if (value.type.kind === 'map')
    return `{${[...entriesOf(value)].map(([name, one]) => `${JSON.stringify(name)}:${written(one)};`).join('')}}`;
  const elements = elementsOf(value)
    .map((one) => `${written(one)};`)
    .join('');
  return value.type.kind === 'list' || value.type.kind === 'set' ? `[${elements}]` : `<${elements}>`;
}
