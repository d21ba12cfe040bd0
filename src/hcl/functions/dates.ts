// Functions on dates.

import { Refusal } from '../scope.ts';
import { typeName } from '../type.ts';
import { number, numberOf, object, string, textOf, type Value } from '../value.ts';
import { define, type Table, type World } from './define.ts';
import {
  isoWeek,
  type Moment,
  momentAt,
  parseDuration,
  parseTimestamp,
  secondsOf,
  shown,
  type Shown,
  timestamp,
  two,
  zone,
} from './time.ts';

export function dates({ now }: World): Table {
  return {
    formatdate: define({ format: 'string', time: 'string' }, ({ format, time }) =>
      string(formatDate(textOf(format), parseTimestamp(textOf(time), 1))),
    ),
    formattimestamp: define({ format: 'string', time: 'any' }, ({ format, time }) => {
      const moment = momentOf(time);
      return string(textOf(format) === 'X' ? String(secondsOf(moment)) : formatDate(textOf(format), moment));
    }),
    timeadd: define({ timestamp: 'string', duration: 'string' }, ({ timestamp: start, duration }) => {
      const { nanoseconds, offset } = parseTimestamp(textOf(start), 0);
      return string(timestamp({ nanoseconds: nanoseconds + parseDuration(textOf(duration), 1), offset }));
    }),
    timestamp: define({}, () => string(timestamp({ nanoseconds: BigInt(now().getTime()) * 1_000_000n, offset: 0 }))),
    unixtimestampparse: define({ unix_timestamp: 'number' }, ({ unix_timestamp: seconds }) => parsed(unixMoment(seconds, 0))),
  };
}

/** A timestamp, or seconds since 1970. */
function momentOf(time: Value): Moment {
  if (time.type === 'string') return parseTimestamp(textOf(time), 1);
  if (time.type === 'number') return unixMoment(time, 1);
  throw new Refusal(`a timestamp or seconds since 1970 are wanted, this is ${typeName(time.type)}`, 1);
}

function unixMoment(seconds: Value, parameter: number): Moment {
  const value = numberOf(seconds);
  if (!value.isInteger() || value.abs().gt('8640000000000'))
    throw new Refusal('seconds since 1970 are a whole number, not too large', parameter);
  return momentAt(BigInt(value.toFixed()));
}

function parsed(moment: Moment): Value {
  const at = shown(moment);
  const iso = isoWeek(at);
  return object([
    ['year', number(at.year)],
    ['year_day', number(at.dayOfYear)],
    ['day', number(at.day)],
    ['month', number(at.month)],
    ['month_name', string(at.monthName)],
    ['weekday', number(at.weekday)],
    ['weekday_name', string(at.weekdayName)],
    ['hour', number(at.hour)],
    ['minute', number(at.minute)],
    ['second', number(at.second)],
    ['rfc3339', string(timestamp(moment))],
    ['iso_year', number(iso.year)],
    ['iso_week', number(iso.week)],
  ]);
}

/** A row of equal letters is a part of the date; what is between single quotes stands for itself. */
function formatDate(format: string, moment: Moment): string {
  const at = shown(moment);
  return format.replace(/''|'(?:[^']|'')*'?|([a-zA-Z])\1*|[^a-zA-Z']+/g, (token, letter?: string) => {
    if (token === "''") return "'";
    if (token.startsWith("'")) return quoted(token);
    if (letter === undefined) return token;
    const part = PARTS[letter]?.(at, moment)[token.length];
    if (part === undefined) throw new Refusal(`${JSON.stringify(token)} is no part of a date; put text between single quotes`, 0);
    return part;
  });
}

function quoted(token: string): string {
  if (token.length < 2 || !token.endsWith("'")) throw new Refusal("a quoted text has no end: close it with '", 0);
  return token.slice(1, -1).replaceAll("''", "'");
}

/** What a letter stands for, by how often it is repeated. */
const PARTS: Readonly<Record<string, (at: Shown, moment: Moment) => readonly (string | undefined)[]>> = {
  Y: ({ year }) => [undefined, undefined, two(year % 100), undefined, String(year).padStart(4, '0')],
  M: ({ month, monthName }) => [undefined, String(month), two(month), monthName.slice(0, 3), monthName],
  D: ({ day }) => [undefined, String(day), two(day)],
  E: ({ weekdayName }) => [undefined, undefined, undefined, weekdayName.slice(0, 3), weekdayName],
  h: ({ hour }) => [undefined, String(hour), two(hour)],
  H: ({ hour }) => [undefined, String(hour % 12 || 12), two(hour % 12 || 12)],
  A: ({ hour }) => [undefined, undefined, hour < 12 ? 'AM' : 'PM'],
  a: ({ hour }) => [undefined, undefined, hour < 12 ? 'am' : 'pm'],
  m: ({ minute }) => [undefined, String(minute), two(minute)],
  s: ({ second }) => [undefined, String(second), two(second)],
  Z: (_, { offset }) => [
    undefined,
    offset === 0 ? 'Z' : zone(offset),
    undefined,
    offset === 0 ? 'UTC' : zone(offset, false),
    zone(offset, false),
    zone(offset),
  ],
};
