// Numbers as the language has them: binary floating point of 512 bits. A Decimal holds the shortest digits that mean such a number, so that it
// prints as it should and equal numbers are equal Decimals; sums and quotients are worked out in whole numbers and rounded to 512 bits.

import { Decimal } from 'decimal.js';

const BITS = 512;

/** Beyond this a number is a mistake, or meant to fill the memory. */
const MAX_EXPONENT = 20_000;

/** A fraction of whole numbers; `under` is positive. */
interface Fraction {
  readonly over: bigint;
  readonly under: bigint;
}

/** The number that a text in decimal notation means; undefined when it is none. */
export function parseNumber(text: string): Decimal | undefined {
  if (/^[+-]?inf$/i.test(text)) return new Decimal(text.startsWith('-') ? -Infinity : Infinity);
  const [, exponent] = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE]([+-]?\d+))?$/.exec(text) ?? [undefined, 'none'];
  if (exponent === 'none' || Math.abs(Number(exponent ?? 0)) > MAX_EXPONENT || text.length > MAX_EXPONENT) return undefined;
  return canonical(new Decimal(text));
}

/** As the language prints a number when it becomes a string: all digits, no exponent. */
export function formatNumber(value: Decimal): string {
  if (!value.isFinite()) return value.isNegative() ? '-Inf' : '+Inf';
  return value.isZero() && value.isNegative() ? '-0' : canonical(value).toFixed();
}

export function add(a: Decimal, b: Decimal): Decimal {
  if (!a.isFinite() || !b.isFinite()) return a.plus(b);
  const [x, y] = [fractionOf(a), fractionOf(b)];
  return rounded({ over: x.over * y.under + y.over * x.under, under: x.under * y.under });
}

export function subtract(a: Decimal, b: Decimal): Decimal {
  return add(a, b.negated());
}

export function multiply(a: Decimal, b: Decimal): Decimal {
  if (!a.isFinite() || !b.isFinite() || a.isZero() || b.isZero()) return a.times(b);
  if (Math.abs(a.e + b.e) > 2 * MAX_EXPONENT) return new Decimal(NaN);
  const [x, y] = [fractionOf(a), fractionOf(b)];
  return rounded({ over: x.over * y.over, under: x.under * y.under });
}

/** By zero: infinity, or NaN. What is beyond all measure is NaN too, here and in a product. */
export function divide(a: Decimal, b: Decimal): Decimal {
  if (!a.isFinite() || !b.isFinite() || a.isZero() || b.isZero()) return a.dividedBy(b);
  if (Math.abs(a.e - b.e) > 2 * MAX_EXPONENT) return new Decimal(NaN);
  const [x, y] = [fractionOf(a), fractionOf(b)];
  const sign = y.over < 0n ? -1n : 1n;
  return rounded({ over: sign * x.over * y.under, under: sign * x.under * y.over });
}

/** What is left of `a` after as many whole `b` as fit, with the sign of `a`; of a division by zero, `a`. */
export function modulo(a: Decimal, b: Decimal): Decimal {
  if (!a.isFinite() || !b.isFinite()) return a.times(b);
  if (a.isZero() || b.isZero()) return a;
  const times = divide(a, b);
  return times.isNaN() ? times : subtract(a, multiply(b, times.truncated()));
}

/** The nearest number of 512 bits, by its shortest digits. */
function canonical(value: Decimal): Decimal {
  return value.isFinite() && value.precision() > 150 ? rounded(fractionOf(value)) : value;
}

function fractionOf(value: Decimal): Fraction {
  const [digits = '0', exponent = '0'] = value.toExponential().split('e');
  const [whole = '0', behind = ''] = digits.split('.');
  const over = BigInt(whole + behind);
  const shift = Number(exponent) - behind.length;
  const exact = shift >= 0 ? { over: over * 10n ** BigInt(shift), under: 1n } : { over, under: 10n ** BigInt(-shift) };
  // The digits stand for the nearest binary number, which is what is to be reckoned with.
  return shift >= 0 && bitLength(exact.over) <= BITS ? exact : fractionOfBinary(binaryOf(exact));
}

/** A number `mantissa · 2^exponent` of at most 512 bits. */
interface Binary {
  readonly negative: boolean;
  readonly mantissa: bigint;
  readonly exponent: number;
}

function fractionOfBinary({ negative, mantissa, exponent }: Binary): Fraction {
  const signed = negative ? -mantissa : mantissa;
  return exponent >= 0 ? { over: signed << BigInt(exponent), under: 1n } : { over: signed, under: 1n << BigInt(-exponent) };
}

/** The nearest binary number; of two that are equally near, the even one. */
function binaryOf({ over, under }: Fraction): Binary {
  const negative = over < 0n;
  const size = negative ? -over : over;
  if (size === 0n) return { negative: false, mantissa: 0n, exponent: 0 };
  let shift = BITS - (bitLength(size) - bitLength(under));
  if (bitLength(scaled(size, shift) / scaled(under, -shift)) > BITS) shift -= 1;
  const [top, bottom] = [scaled(size, shift), scaled(under, -shift)];
  const twiceRest = 2n * (top % bottom);
  let mantissa = top / bottom;
  if (twiceRest > bottom || (twiceRest === bottom && mantissa % 2n === 1n)) mantissa += 1n;
  return { negative, mantissa, exponent: -shift };
}

function scaled(value: bigint, bits: number): bigint {
  return bits > 0 ? value << BigInt(bits) : value;
}

function bitLength(value: bigint): number {
  const hex = (value < 0n ? -value : value).toString(16);
  return hex.length * 4 - (Math.clz32(parseInt(hex.charAt(0), 16)) - 28);
}

/** Rounds to 512 bits and writes the shortest digits that mean the result. */
function rounded(fraction: Fraction): Decimal {
  if (fraction.over % fraction.under === 0n) {
    const whole = fraction.over / fraction.under;
    if (bitLength(whole) <= BITS) return new Decimal(whole.toString());
  }
  const wanted = binaryOf(fraction);
  const exact = fractionOfBinary({ ...wanted, negative: false });
  const first = firstDigit(exact);
  let [low, high] = [1, 157];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (means(wanted, nearestDecimal(exact, first - middle + 1))) high = middle;
    else low = middle + 1;
  }
  const { digits, exponent } = nearestDecimal(exact, first - low + 1);
  return new Decimal(`${wanted.negative ? '-' : ''}${digits}e${exponent}`);
}

/** The power of ten of a positive number's first digit. */
function firstDigit({ over, under }: Fraction): number {
  const guess = over.toString().length - under.toString().length;
  const [top, bottom] = guess >= 0 ? [over, under * 10n ** BigInt(guess)] : [over * 10n ** BigInt(-guess), under];
  return top >= bottom ? guess : guess - 1;
}

/** `digits · 10^exponent` that is nearest to a positive number. */
function nearestDecimal({ over, under }: Fraction, exponent: number): { readonly digits: bigint; readonly exponent: number } {
  const [top, bottom] = exponent >= 0 ? [over, under * 10n ** BigInt(exponent)] : [over * 10n ** BigInt(-exponent), under];
  return { digits: (2n * top + bottom) / (2n * bottom), exponent };
}

function means(wanted: Binary, { digits, exponent }: { readonly digits: bigint; readonly exponent: number }): boolean {
  const decimal = exponent >= 0 ? { over: digits * 10n ** BigInt(exponent), under: 1n } : { over: digits, under: 10n ** BigInt(-exponent) };
  const found = binaryOf(decimal);
  return found.mantissa === wanted.mantissa && found.exponent === wanted.exponent;
}

/** With an exponent where the number is large or small; `digits`: how many significant ones, all that are needed when undefined. */
export function formatGeneral(value: Decimal, digits?: number): string {
  if (!value.isFinite() || value.isZero()) return formatNumber(value);
  const exact = digits === undefined ? canonical(value) : canonical(value).toSignificantDigits(digits, Decimal.ROUND_HALF_EVEN);
  const [mantissa = '', exponent = '0'] = exact.toExponential().split('e');
  const power = Number(exponent);
  const count = exact.precision();
  const limit = digits === undefined ? 6 : digits > count && count >= power + 1 ? count : digits;
  if (power >= -4 && power < limit) return exact.toFixed();
  return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}

/** All digits of the binary number itself, for rounding it to some of them. */
export function exactDigits(value: Decimal): Decimal {
  const { over, under } = fractionOf(value);
  const power = bitLength(under) - 1; // `under` is a power of two
  return new Decimal(`${over * 5n ** BigInt(power)}e-${power}`);
}
