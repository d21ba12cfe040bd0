// `--filter` of du and prune: BuildKit's names, containerd's operators.

import { compileGoPattern, SlipwayError, suggest } from '../base/index.ts';
import type { DiskUsage } from './usage.ts';

/** Decides about a row. */
export type UsageFilter = (usage: DiskUsage, now: Date) => boolean;

const NAMES = ['id', 'parents', 'description', 'inuse', 'mutable', 'immutable', 'shared', 'private', 'type', 'until', 'unused-for'];
/** Of a field that a pattern is asked about, characters: descriptions are whole scripts. */
const MAX_MATCHED = 4096;
const FORM = /^([a-z-]+)\s*(?:(==|!=|~=|=)\s*(.*))?$/s;
/** What stands between quotes; regular expressions may have slashes or bars instead. */
const QUOTED = /"(?:\\.|[^"\\])*"|~=\s*([/|])(?:\\.|(?!\1)[^\\])*\1/gs;

/**
 * Reads filters; a row must pass all of them. `name` alone (`inuse`) asks for true, `name=value` and `name==value` for equality,
 * `!=` for the opposite, `~=` for a regular expression. A value may be quoted: `"…"`, and a regular expression also `/…/` or `|…|`. One text
 * may hold several, with commas between them. `until=24h` passes what was unused for longer. Throws `FILTER_INVALID`.
 */
export function parseUsageFilters(texts: readonly string[]): UsageFilter {
  const filters = texts.flatMap(splitFilters).map((text) => parseOne(text.trim()));
  return (usage, now) => filters.every((filter) => filter(usage, now));
}

/** At commas that another filter follows: a regular expression may have some of its own, and quotes may hide them. */
function splitFilters(text: string): readonly string[] {
  const shown = text.replace(QUOTED, (quoted) => quoted.replaceAll(',', ' '));
  const ends = [...shown.matchAll(/,(?=\s*[a-z-]+\s*(?:==|!=|~=|=|,|$))/g)].map(({ index }) => index);
  return [...ends, text.length].map((end, number) => text.slice(number === 0 ? 0 : (ends[number - 1] ?? 0) + 1, end));
}

function parseOne(text: string): UsageFilter {
  const [, name, operator = '==', value = 'true'] = FORM.exec(text) ?? [];
  if (name === undefined || !NAMES.includes(name)) throw invalid(text, suggest(name ?? text, NAMES));
  if (name === 'until' || name === 'unused-for') {
    const limit = parseDuration(value);
    return (usage, now) => now.getTime() - usage.lastUsedAt > limit;
  }
  const matches = matcher(operator, unquote(value, operator === '~=' ? '"/|' : '"', text), text);
  return (usage) => matches(fieldOf(usage, name));
}

function fieldOf(usage: DiskUsage, name: string): readonly string[] {
  switch (name) {
    case 'id':
      return [usage.id];
    case 'parents':
      return usage.parents;
    case 'description':
      return [usage.description];
    case 'type':
      return [usage.type];
    case 'inuse':
      return [String(usage.inUse)];
    case 'mutable':
      return [String(usage.mutable)];
    case 'immutable':
      return [String(!usage.mutable)];
    case 'shared':
      return [String(usage.shared)];
    case 'private':
      return [String(!usage.shared)];
    default:
      throw new Error(`internal: filter ${name} has no field`);
  }
}

function matcher(operator: string, value: string, text: string): (fields: readonly string[]) => boolean {
  if (operator === '!=') return (fields) => !fields.includes(value);
  if (operator !== '~=') return (fields) => fields.includes(value);
  try {
    const pattern = compileGoPattern(value);
    return (fields) => fields.some((field) => pattern(field.slice(0, MAX_MATCHED)) !== undefined);
  } catch (cause) {
    throw new SlipwayError('FILTER_INVALID', `not a regular expression in filter ${JSON.stringify(text)}`, { cause });
  }
}

/** Milliseconds of `24h`, `1h30m`, `7d`, `90s`, `500ms`; a bare number counts seconds. Throws `DURATION_INVALID`. */
export function parseDuration(text: string): number {
  const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  if (!/^(\d+(\.\d+)?(ms|[smhdw]))+$/.test(text)) {
    throw new SlipwayError('DURATION_INVALID', `not a duration: ${JSON.stringify(text)}`, { hint: 'write it like 24h, 1h30m or 7d' });
  }
  let total = 0;
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw])/g)) total += Number(count) * (UNITS[unit as string] ?? 0);
  return total;
}

/** The value without its quotes, when it stands between two of `quotes`. */
function unquote(value: string, quotes: string, text: string): string {
  const [, quote = '', inner] = /^(["/|])((?:\\.|(?!\1)[^\\])*)\1$/s.exec(value) ?? [];
  if (inner === undefined || !quotes.includes(quote)) return value;
  return inner.replaceAll(/\\(.)/gs, (escape, character: string) => {
    if (character === '\\' || character === quote) return character;
    throw new SlipwayError('FILTER_INVALID', `${escape} between quotes in filter ${JSON.stringify(text)}`, {
      hint: `write \\\\ for a backslash there`,
    });
  });
}

function invalid(text: string, near: string | undefined): SlipwayError {
  return new SlipwayError('FILTER_INVALID', `unknown filter ${JSON.stringify(text)}`, {
    hint: near === undefined ? `filters are ${NAMES.join(', ')}` : `did you mean ${near}?`,
  });
}
