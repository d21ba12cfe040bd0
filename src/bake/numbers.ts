// Sizes and limits as Docker's commands write them.

import { mistake } from './mistake.ts';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB', 'ZiB', 'YiB'];
const FACTORS: Readonly<Record<string, number>> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40, p: 2 ** 50 };

/** A size (`128m`, or bytes) in the largest unit that it fills, with four digits; undefined for none. */
export function bytesText(text: string): string | undefined {
  const [, number, unit] = /^(\d+(?:\.\d+)?) ?(?:([kmgtp])i?b?|b)?$/i.exec(text.trim()) ?? [];
  if (number === undefined) throw mistake(`invalid size: '${text}'`, { hint: 'write 128m, 1g, or a number of bytes' });
  let size = Math.trunc(Number(number) * (FACTORS[(unit ?? '').toLowerCase()] ?? 1));
  if (size === 0) return undefined;
  let step = 0;
  for (; size >= 1024 && step < UNITS.length - 1; step += 1) size /= 1024;
  return `${Number(size.toPrecision(4))}${UNITS[step] as string}`;
}

const LIMITS = [
  'core',
  'cpu',
  'data',
  'fsize',
  'locks',
  'memlock',
  'msgqueue',
  'nice',
  'nofile',
  'nproc',
  'rss',
  'rtprio',
  'rttime',
  'sigpending',
  'stack',
];

/** `NAME=SOFT:HARD`. */
export function limitText(name: string, soft: string, hard: string): string {
  if (!LIMITS.includes(name)) throw mistake(`invalid ulimit type: ${name}`, { hint: `there are ${LIMITS.join(', ')}` });
  for (const number of [soft, hard]) {
    if (!/^-?\d+$/.test(number)) throw mistake(`invalid limit ${number} of ${name}`, { hint: 'write a whole number, -1 for no limit' });
  }
  if (hard !== '-1' && (soft === '-1' || Number(soft) > Number(hard))) {
    throw mistake(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`, { hint: `raise hard, or lower soft` });
  }
  return `${name}=${soft}:${hard}`;
}
