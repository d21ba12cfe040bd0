// Go's duration syntax: `1m30s`, `1.5h`, `250ms`.

import { quote } from './go-text.ts';
import { bad, good, type Outcome } from './outcome.ts';

const UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  '\u00b5s': 1_000n,
  '\u03bcs': 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

const LARGEST = (1n << 63n) - 1n;
const PART = /(\d*)(?:(\.)(\d*))?([^\d.]*)/y;

/** Nanoseconds of a Go duration. */
export function parseDuration(text: string): Outcome<number> {
  const invalid = (why: string): Outcome<never> =>
    bad(`time: ${why}`, 'write a number with a unit, such as 30s, 1m30s or 500ms (units are ns, us, ms, s, m and h)');
  const sign = /^[+-]/.exec(text)?.[0] ?? '';
  const body = text.slice(sign.length);
  if (body === '0') return good(0);
  if (body === '') return invalid(`invalid duration ${quote(text)}`);
  let total = 0n;
  PART.lastIndex = 0;
  while (PART.lastIndex < body.length) {
    const [whole, digits = '', , decimals = '', unit = ''] = PART.exec(body) ?? [''];
    if (whole === '' || (digits === '' && decimals === '')) return invalid(`invalid duration ${quote(text)}`);
    if (unit === '') return invalid(`missing unit in duration ${quote(text)}`);
    const scale = UNITS[unit];
    if (scale === undefined) return invalid(`unknown unit ${quote(unit)} in duration ${quote(text)}`);
    // Decimals beyond a nanosecond are cut off; eighteen digits are more than any unit has room for.
    const kept = decimals.slice(0, 18);
    total += BigInt(digits || '0') * scale + (BigInt(kept || '0') * scale) / 10n ** BigInt(kept.length);
    if (total > LARGEST) return invalid(`invalid duration ${quote(text)}`);
  }
  return good(Number(sign === '-' ? -total : total));
}
