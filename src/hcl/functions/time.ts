// Moments as the functions know them: RFC 3339 texts, and durations like `1h30m`.

import { Refusal } from '../scope.ts';

/** `nanoseconds` since 1970; `offset` from UTC in minutes. */
export interface Moment {
  readonly nanoseconds: bigint;
  readonly offset: number;
}

const MONTHS = 'January February March April May June July August September October November December'.split(' ');
const DAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');
const SECOND = 1_000_000_000n;

/** What a clock and a calendar show at a moment, where it was taken. */
export interface Shown {
  readonly year: number;
  readonly month: number;
  readonly monthName: string;
  readonly day: number;
  readonly weekday: number;
  readonly weekdayName: string;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly dayOfYear: number;
}

export function shown({ nanoseconds, offset }: Moment): Shown {
  const date = new Date(Number(floorDivide(nanoseconds, 1_000_000n)) + offset * 60_000);
  if (Number.isNaN(date.getTime())) throw new Refusal('this time is too far away');
  const [year, month, weekday] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDay()];
  return {
    year,
    month: month + 1,
    monthName: MONTHS[month] ?? '',
    day: date.getUTCDate(),
    weekday,
    weekdayName: DAYS[weekday] ?? '',
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    dayOfYear: Math.floor((Date.UTC(year, month, date.getUTCDate()) - Date.UTC(year, 0, 1)) / 86_400_000) + 1,
  };
}

/** Whole seconds since 1970. */
export function secondsOf({ nanoseconds }: Moment): bigint {
  return floorDivide(nanoseconds, SECOND);
}

export function momentAt(seconds: bigint): Moment {
  return { nanoseconds: seconds * SECOND, offset: 0 };
}

function floorDivide(a: bigint, b: bigint): bigint {
  return a / b - (a % b < 0n ? 1n : 0n);
}

/** `Z`, or `+01:00`; `colon` false: `+0100`. */
export function zone(offset: number, colon = true): string {
  const size = Math.abs(offset);
  return `${offset < 0 ? '-' : '+'}${two(Math.trunc(size / 60))}${colon ? ':' : ''}${two(size % 60)}`;
}

export function two(value: number): string {
  return String(value).padStart(2, '0');
}

/** RFC 3339, in whole seconds. */
export function timestamp(moment: Moment): string {
  const { year, month, day, hour, minute, second } = shown(moment);
  const years = `${year < 0 ? '-' : ''}${String(Math.abs(year)).padStart(4, '0')}`;
  return `${years}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}:${two(second)}${moment.offset === 0 ? 'Z' : zone(moment.offset)}`;
}

const TIMESTAMP = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))$/;

export function parseTimestamp(text: string, parameter: number): Moment {
  const found = TIMESTAMP.exec(text);
  if (found === null) throw new Refusal(`${JSON.stringify(text)} is no timestamp like 2006-01-02T15:04:05Z (RFC 3339)`, parameter);
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = found.slice(1, 7).map(Number);
  const [, , , , , , , fraction = '', sign, hours = '0', minutes = '0'] = found;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  const real = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && hour < 24 && minute < 60 && second < 60;
  if (!real || Number(hours) > 23 || Number(minutes) > 59) throw new Refusal(`there is no such time: ${text}`, parameter);
  const offset = (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1);
  const rest = BigInt(fraction.slice(0, 9).padEnd(9, '0'));
  return { nanoseconds: BigInt(date.getTime() - offset * 60_000) * 1_000_000n + rest, offset };
}

const UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  '\u00b5s': 1_000n,
  '\u03bcs': 1_000n,
  ms: 1_000_000n,
  s: SECOND,
  m: 60n * SECOND,
  h: 3600n * SECOND,
};

/** Nanoseconds. */
export function parseDuration(text: string, parameter: number): bigint {
  const refused = new Refusal(`${JSON.stringify(text)} is no duration like 1h30m (units are ns, us, ms, s, m and h)`, parameter);
  const body = text.replace(/^[+-]/, '');
  if (body === '0') return 0n;
  if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h))+$/.test(body)) throw refused;
  let total = 0n;
  for (const [, digits = '', fraction = '', unit = ''] of body.matchAll(/(\d*)\.?(\d*)([^\d.]+)/g)) {
    const scale = UNITS[unit] ?? 0n;
    const kept = fraction.slice(0, 18);
    total += BigInt(digits || '0') * scale + (BigInt(kept || '0') * scale) / 10n ** BigInt(kept.length);
  }
  if (total >= 1n << 63n) throw refused;
  return text.startsWith('-') ? -total : total;
}

/** The week of the calendar that begins on Mondays and belongs to the year that has most of it. */
export function isoWeek({ year, month, day }: Shown): { readonly year: number; readonly week: number } {
  const date = new Date(Date.UTC(year, month - 1, day));
  date.setUTCDate(date.getUTCDate() + 4 - (date.getUTCDay() || 7));
  const first = Date.UTC(date.getUTCFullYear(), 0, 1);
  return { year: date.getUTCFullYear(), week: Math.ceil(((date.getTime() - first) / 86_400_000 + 1) / 7) };
}
