// One line of comma-separated values: how lists of attributes are written in flags, and in Bake files where they are strings.

import { mistake } from './mistake.ts';
import type { Fields } from './target.ts';

/** The fields of a line. A field in double quotes may hold the separator; `""` in it is a quote. */
export function csvFields(line: string, separator = ','): string[] {
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    const { field, end } = line[at] === '"' ? quotedField(line, at) : bareField(line, at, separator);
    fields.push(field);
    if (end >= line.length) return fields;
    if (line[end] !== separator) throw mistake(`extraneous or missing " in quoted field: ${line}`, { hint: QUOTING });
    at = end + 1;
  }
}

const QUOTING = 'quote a whole field: "key=a,b"';

function bareField(line: string, at: number, separator: string): { field: string; end: number } {
  const next = line.indexOf(separator, at);
  const end = next < 0 ? line.length : next;
  const field = line.slice(at, end);
  if (field.includes('"')) throw mistake(`bare " in non-quoted field: ${line}`, { hint: QUOTING });
  return { field, end };
}

function quotedField(line: string, at: number): { field: string; end: number } {
  let field = '';
  for (let from = at + 1; ;) {
    const close = line.indexOf('"', from);
    if (close < 0) throw mistake(`extraneous or missing " in quoted field: ${line}`, { hint: QUOTING });
    field += line.slice(from, close);
    if (line[close + 1] !== '"') return { field, end: close + 1 };
    field += '"';
    from = close + 2;
  }
}

/** Attributes as one line: `type` first, then by name. */
export function csvOf(fields: Fields): string {
  const { type, ...rest } = fields;
  const pairs = Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1));
  return (type === undefined ? pairs : [['type', type] as const, ...pairs]).map(([key, value]) => csvField(`${key}=${value}`)).join(',');
}

function csvField(field: string): string {
  return /[",\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}
