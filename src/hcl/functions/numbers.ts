// Functions on numbers and truth values, the operators among them.

import { Decimal } from 'decimal.js';
import { OPERATORS } from '../operator.ts';
import { type HclFunction, Refusal } from '../scope.ts';
import { bool, number, numberOf, textOf, type Value } from '../value.ts';
import { define, defineVariadic, type Table, whole } from './define.ts';

/** An operator by its name. */
function operator(sign: string, nullable = false): HclFunction {
  const found = OPERATORS[sign];
  if (found === undefined) throw new Error(`internal: no operator ${sign}`);
  const operand = nullable ? { nullable: found.operand } : found.operand;
  return define({ a: operand, b: operand }, ({ a, b }) => checked(found.apply(a, b)));
}

function checked(result: Value): Value {
  if (result.type === 'number' && numberOf(result).isNaN()) throw new Refusal('this has no result');
  return result;
}

/** What floating point of 64 bits makes of it. */
function float(value: number): Value {
  if (Number.isNaN(value)) throw new Refusal('this has no result');
  return number(value);
}

/** Whole powers by squaring, which rounds as Go does; JavaScript's own operator differs in the last digit. */
function power64(base: number, power: number): number {
  if (!Number.isSafeInteger(power)) return base ** power;
  let [result, square] = [1, base];
  for (let left = Math.abs(power); left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result *= square;
    square *= square;
  }
  if (!Number.isFinite(result)) return base ** power; // of a negative power, something very small is left
  return power < 0 ? 1 / result : result;
}

function extreme(better: (a: Decimal, b: Decimal) => boolean): HclFunction {
  return defineVariadic({}, ['numbers', 'number'], (_, numbers) => {
    const [first] = numbers;
    if (first === undefined) throw new Refusal('at least one number is wanted');
    return numbers.reduce((best, one) => (better(numberOf(one), numberOf(best)) ? one : best), first);
  });
}

/** Without the sign that a zero may have. */
function plain(value: Decimal): Value {
  return number(value.isZero() ? new Decimal(0) : value);
}

export const NUMBERS: Table = {
  absolute: define({ num: 'number' }, ({ num }) => number(numberOf(num).abs())),
  add: operator('+'),
  and: operator('&&'),
  ceil: define({ num: 'number' }, ({ num }) => plain(numberOf(num).ceil())),
  divide: operator('/'),
  equal: operator('==', true),
  floor: define({ num: 'number' }, ({ num }) => plain(numberOf(num).floor())),
  greaterthan: operator('>'),
  greaterthanorequalto: operator('>='),
  int: define({ num: 'number' }, ({ num }) => plain(numberOf(num).truncated())),
  lessthan: operator('<'),
  lessthanorequalto: operator('<='),
  log: define({ num: 'number', base: 'number' }, ({ num, base }) =>
    float(Math.log(numberOf(num).toNumber()) / Math.log(numberOf(base).toNumber())),
  ),
  max: extreme((a, b) => a.gt(b)),
  min: extreme((a, b) => a.lt(b)),
  modulo: operator('%'),
  multiply: operator('*'),
  negate: define({ num: 'number' }, ({ num }) => number(numberOf(num).negated())),
  not: define({ val: 'bool' }, ({ val }) => bool(val.value !== true)),
  notequal: operator('!=', true),
  or: operator('||'),
  parseint: define({ number: 'any', base: 'number' }, parseWhole),
  pow: define({ num: 'number', power: 'number' }, ({ num, power }) => float(power64(numberOf(num).toNumber(), numberOf(power).toNumber()))),
  signum: define({ num: 'number' }, ({ num }) => number(Math.sign(whole(num, 0)))),
  subtract: operator('-'),
};

const DIGITS = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** Small and capital letters are the same digits unless there are more than 36. */
function parseWhole({ number: given, base: radix }: Readonly<Record<'number' | 'base', Value>>): Value {
  if (given.type !== 'string') throw new Refusal('a string is wanted', 0);
  const base = whole(radix, 1);
  if (base < 2 || base > 62) throw new Refusal('the base is a whole number from 2 to 62', 1);
  const text = textOf(given);
  const digits = text.replace(/^[+-]/, '');
  const values = [...digits].map((digit) => DIGITS.indexOf(base <= 36 ? digit.toLowerCase() : digit));
  if (digits === '' || values.some((value) => value < 0 || value >= base)) {
    throw new Refusal(`${JSON.stringify(text)} is no whole number to the base ${base}`, 0);
  }
  const size = values.reduce((sum, value) => sum * BigInt(base) + BigInt(value), 0n);
  return number(text.startsWith('-') ? -size : size);
}
