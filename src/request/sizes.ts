// Sizes and times as people write them.

import { SlipwayError } from '../base/index.ts';

const UNITS: Readonly<Record<string, number>> = { b: 1, k: 1 << 10, m: 1 << 20, g: 1 << 30, t: 2 ** 40, p: 2 ** 50 };

/** `64m`, `1GiB`, `512kb`, plain bytes → bytes. Powers of 1024, as Docker's flags. Throws `USAGE`. */
export function parseBytes(flag: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([bkmgtp]?)(?:i?b)?$/i.exec(text.trim());
  if (match === null)
    throw new SlipwayError('USAGE', `invalid size ${JSON.stringify(text)} for ${flag}: write bytes, or a number with k, m or g`);
  return Math.round(Number(match[1]) * (UNITS[(match[2] as string).toLowerCase()] ?? 1));
}

/** `90s`, `1h30m`, `24h`, `7d` → milliseconds. Throws `USAGE`. */
export function parseDuration(flag: string, text: string): number {
  const scale: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw])/g)];
  if (parts.length === 0 || parts.map(([whole]) => whole).join('') !== text) {
    throw new SlipwayError('USAGE', `invalid duration ${JSON.stringify(text)} for ${flag}: write 90s, 15m, 24h or 7d`);
  }
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * (scale[unit as string] ?? 0), 0);
}
