// Go's printing verbs, because history entries are what BuildKit prints with them and builders compare those texts.

import { quote } from '../dockerfile/index.ts';

/** `%q` of a list of strings. */
export function goQuoteList(texts: readonly string[]): string {
  return `[${texts.map(quote).join(' ')}]`;
}

/** `%v` of a list of strings. */
export function goList(texts: readonly string[]): string {
  return `[${texts.join(' ')}]`;
}

/** `time.Duration.String()` of nanoseconds. */
export function goDuration(nanoseconds: number): string {
  if (nanoseconds === 0) return '0s';
  const sign = nanoseconds < 0 ? '-' : '';
  const value = Math.abs(nanoseconds);
  if (value < 1e3) return `${sign}${value}ns`;
  if (value < 1e6) return `${sign}${fraction(value, 3)}µs`;
  if (value < 1e9) return `${sign}${fraction(value, 6)}ms`;
  const seconds = Math.floor(value / 1e9);
  const rest = fraction(value - Math.floor(seconds / 60) * 60e9, 9);
  if (seconds < 60) return `${sign}${rest}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${sign}${minutes}m${rest}s`;
  return `${sign}${Math.floor(minutes / 60)}h${minutes % 60}m${rest}s`;
}

/** `value` divided by 10^`digits`, without trailing zeros and without rounding. */
function fraction(value: number, digits: number): string {
  const text = String(value).padStart(digits + 1, '0');
  const tail = text.slice(-digits).replace(/0+$/, '');
  return tail === '' ? text.slice(0, -digits) : `${text.slice(0, -digits)}.${tail}`;
}
