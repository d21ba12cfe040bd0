// format and formatlist.

import { Refusal } from '../scope.ts';
import { isSequence } from '../type.ts';
import { elementsOf, list, string, textOf, type Value } from '../value.ts';
import { defineVariadic, type Table } from './define.ts';
import { formatVerb } from './verb.ts';

/** Wider than any line. */
const MAX_WIDTH = 10_000;

export const FORMATS: Table = {
  format: defineVariadic({ format: 'string' }, ['args', { nullable: 'any' }], ({ format }, args) =>
    string(formatted(textOf(format), args)),
  ),
  formatlist: defineVariadic({ format: 'string' }, ['args', { nullable: 'any' }], ({ format }, args) =>
    list(
      'string',
      rowsOf(args).map((row) => string(formatted(textOf(format), row))),
    ),
  ),
};

function formatted(format: string, args: readonly Value[]): string {
  const verb = /%(?:(%)|([0#\-+ ]*)([1-9]\d*)?(?:\.(\d*))?(?:\[([1-9]\d*)\])?([a-zA-Z]))?/g;
  let next = 0;
  let used = 0;
  const text = format.replace(
    verb,
    (whole, percent?: string, flags = '', width?: string, precision?: string, index?: string, mode?: string) => {
      if (percent !== undefined) return '%';
      if (mode === undefined) throw new Refusal(`a verb is missing behind %${whole.slice(1)}: write %% for a percent sign`, 0);
      const at = index === undefined ? next : Number(index) - 1;
      next = at + 1;
      used = Math.max(used, next);
      const value = args[at];
      if (value === undefined) throw new Refusal(`${whole} needs value number ${at + 1}, there are ${args.length}`, 0);
      return formatVerb({ text: whole, flags, width: count(width), precision: count(precision), mode }, value);
    },
  );
  if (used < args.length) throw new Refusal(`there are ${args.length} values, the format uses ${used}`, used + 1);
  return text;
}

function count(digits: string | undefined): number | undefined {
  if (digits === undefined) return undefined;
  if (Number(digits) > MAX_WIDTH) throw new Refusal(`a width or precision can not be above ${MAX_WIDTH}`, 0);
  return Number(digits);
}

/** One list of values for each element of the lists among them; what is no list is the same in each. */
function rowsOf(args: readonly Value[]): readonly (readonly Value[])[] {
  const isRow = (value: Value): boolean => value.value !== null && isSequence(value.type);
  const first = args.findIndex(isRow);
  if (first < 0) return [args];
  const { length } = elementsOf(args[first] as Value);
  args.forEach((value, at) => {
    if (isRow(value) && elementsOf(value).length !== length) {
      throw new Refusal(`the lists have different lengths: ${length} and ${elementsOf(value).length}`, at + 1);
    }
  });
  return Array.from({ length }, (_, at) => args.map((value) => (isRow(value) ? (elementsOf(value)[at] as Value) : value)));
}
