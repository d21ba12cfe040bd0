// Values as JSON text, as the language writes it.

import { SlipwayError } from '../base/index.ts';
import { formatNumber } from './number.ts';
import { elementsOf, entriesOf, numberOf, textOf, type Value } from './value.ts';

/** Without blanks; names in order. Throws HCL_INVALID for infinity, which JSON lacks. */
export function toJson(value: Value): string {
  if (value.value === null) return 'null';
  if (value.type === 'string') return jsonString(textOf(value));
  if (value.type === 'bool') return String(value.value);
  if (value.type === 'number') {
    if (!numberOf(value).isFinite()) throw new SlipwayError('HCL_INVALID', 'JSON has no infinity');
    return formatNumber(numberOf(value));
  }
  if (Array.isArray(value.value)) return `[${elementsOf(value).map(toJson).join(',')}]`;
  return `{${[...entriesOf(value)].map(([name, one]) => `${jsonString(name)}:${toJson(one)}`).join(',')}}`;
}

/** What could be taken for HTML is written as numbers, as Go does. */
export function jsonString(text: string): string {
  return JSON.stringify(text).replace(/[<>&\u2028\u2029\u007f]|\\b|\\f/g, (character) => {
    if (character === '\\b' || character === '\\f') return character;
    return character === '\u007f' ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
