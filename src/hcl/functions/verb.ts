// One verb of a format, `%-08.3f`, applied to one value.

import type { Decimal } from 'decimal.js';
import { converted, Misfit } from '../convert.ts';
import { jsonString, toJson } from '../json-write.ts';
import { exactDigits, formatGeneral, formatNumber } from '../number.ts';
import { Refusal } from '../scope.ts';
import { numberOf, textOf, type Type, type Value } from '../value.ts';
import { graphemes } from './strings.ts';

export interface Verb {
  /** As it is written, for messages. */
  readonly text: string;
  readonly flags: string;
  readonly width: number | undefined;
  readonly precision: number | undefined;
  readonly mode: string;
}

export function formatVerb(verb: Verb, value: Value): string {
  if (verb.mode === 'v') return padded(verb, asIs(verb, value));
  if (value.value === null) throw new Refusal(`null can not be written as ${verb.text}`);
  switch (verb.mode) {
    case 't':
      return String(as('bool', verb, value).value);
    case 's':
      return padded(verb, shortened(verb, value));
    case 'q':
      return padded(verb, jsonString(shortened(verb, value)));
    case 'b':
    case 'd':
    case 'o':
    case 'x':
    case 'X':
      return wholeNumber(verb, numberOf(as('number', verb, value)));
    case 'e':
    case 'E':
    case 'f':
    case 'g':
    case 'G':
      return float(verb, numberOf(as('number', verb, value)));
    default:
      throw new Refusal(`there is no verb %${verb.mode} (in ${verb.text})`, 0);
  }
}

function as(type: Type, verb: Verb, value: Value): Value {
  try {
    return converted(value, type);
  } catch (error) {
    if (error instanceof Misfit) throw new Refusal(`${verb.text}: ${error.describe()}`);
    throw error;
  }
}

function asIs({ flags }: Verb, value: Value): string {
  if (!flags.includes('#') && value.value !== null) {
    if (value.type === 'string') return textOf(value);
    if (value.type === 'number') return formatGeneral(numberOf(value));
  }
  return toJson(value);
}

function shortened(verb: Verb, value: Value): string {
  const text = textOf(as('string', verb, value));
  return verb.precision === undefined || verb.precision === 0 ? text : graphemes(text).slice(0, verb.precision).join('');
}

/** Texts: to the width in letters. */
function padded({ width, flags }: Verb, text: string): string {
  const missing = (width ?? 0) - graphemes(text).length;
  if (missing <= 0) return text;
  const padding = (flags.includes('0') ? '0' : ' ').repeat(missing);
  return flags.includes('-') ? text + padding : padding + text;
}

const BASES: Readonly<Record<string, readonly [base: number, prefix: string]>> = {
  b: [2, '0b'],
  o: [8, '0'],
  d: [10, ''],
  x: [16, '0x'],
  X: [16, '0X'],
};

function wholeNumber(verb: Verb, value: Decimal): string {
  if (!value.isInteger()) throw new Refusal(`${verb.text} is for whole numbers, ${formatNumber(value)} is none`);
  const [base, prefix] = BASES[verb.mode] ?? [10, ''];
  const size = BigInt(value.abs().toFixed());
  let digits = size.toString(base).padStart(verb.precision ?? 0, '0');
  if (verb.mode === 'X') digits = digits.toUpperCase();
  if (verb.precision === 0 && size === 0n) digits = '';
  const sign = signOf(verb, value.isNegative() && size !== 0n) + (verb.flags.includes('#') ? prefix : '');
  const zeros = verb.flags.includes('0') && !verb.flags.includes('-') && verb.precision === undefined;
  return signed(verb, sign, digits, zeros);
}

function signOf({ flags }: Verb, negative: boolean): string {
  if (negative) return '-';
  if (flags.includes('+')) return '+';
  return flags.includes(' ') ? ' ' : '';
}

/** Zeros stand between sign and digits, blanks around both. */
function signed({ width, flags }: Verb, sign: string, digits: string, zeros: boolean): string {
  const missing = Math.max((width ?? 0) - sign.length - digits.length, 0);
  if (zeros) return sign + '0'.repeat(missing) + digits;
  return flags.includes('-') ? sign + digits + ' '.repeat(missing) : ' '.repeat(missing) + sign + digits;
}

function float(verb: Verb, value: Decimal): string {
  const sign = signOf(verb, value.isNegative());
  if (!value.isFinite()) return signed(verb, sign === '' ? '+' : sign, 'Inf', false);
  const digits = floatDigits(verb, value.abs());
  return signed(verb, sign, digits, verb.flags.includes('0') && !verb.flags.includes('-'));
}

function floatDigits({ mode, precision }: Verb, size: Decimal): string {
  if (mode === 'f') return exactDigits(size).toFixed(precision ?? 6, 6);
  if (mode === 'g' || mode === 'G') {
    const general = formatGeneral(
      precision === undefined ? size : exactDigits(size),
      precision === undefined ? undefined : Math.max(precision, 1),
    );
    return mode === 'G' ? general.toUpperCase() : general;
  }
  const [mantissa = '', exponent = '0'] = exactDigits(size)
    .toExponential(precision ?? 6, 6)
    .split('e');
  const power = `${exponent.startsWith('-') ? '-' : '+'}${exponent.replace(/^[+-]/, '').padStart(2, '0')}`;
  return `${mantissa}${mode}${power}`;
}
