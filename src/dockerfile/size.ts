// Amounts of memory as people write them: `512`, `64k`, `1.5g`, `2GiB`. Units are powers of 1024.

import { bad, good, type Outcome } from './outcome.ts';

const SCALE: Readonly<Record<string, number>> = { b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40, p: 2 ** 50 };

/** Bytes. Fractions of a byte are cut off. */
export function parseMemorySize(text: string): Outcome<number> {
  const match = /^\+?(\d+(?:\.\d*)?|\.\d+) ?(?:([kmgtp])(i?b)?|(b))?$/i.exec(text);
  if (match === null) return bad(`invalid size: '${text}'`, 'write a number with an optional unit: 1048576, 64k, 512m, 1.5g');
  const [, number = '0', unit = 'b'] = match;
  return good(Math.trunc(Number(number) * (SCALE[unit.toLowerCase()] ?? 1)));
}
