// `.env` and `env_file`: lines of NAME=value, as Compose reads them.

import type { SourceText } from '../../base/index.ts';
import { at as located, mistake } from '../mistake.ts';
import { type Lookup, substitute } from './interpolate.ts';

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '"': '"',
  '\\': '\\',
  $: '$$',
};

/** Variables in the order of the file. A name without a value is what `lookup` has; values see `lookup` first, then the lines before them. */
export function parseDotenv(source: SourceText, lookup: Lookup): ReadonlyMap<string, string> {
  const result = new Map<string, string>();
  const text = source.text.replace(/^\ufeff/, '').replace(/\r\n?/g, '\n');
  const both: Lookup = (name) => lookup(name) ?? result.get(name);
  const statement = /(?:export[\t\v\f ]+)?([^=:\n]*)(\n|$|[=:][\t\v\f ]*)/y;
  for (let from = 0; ;) {
    from = startOfStatement(text, from);
    if (from >= text.length) return result;
    const place = { source: { ...source, text }, range: lineRange(text, from) };
    statement.lastIndex = from;
    const [whole = '', rawName = '', end = ''] = statement.exec(text) ?? [];
    const name = rawName.trimEnd();
    if (!/^[\p{L}\p{N}_.\-[\]]+$/u.test(name)) {
      throw mistake(`${JSON.stringify(name)} is no name of a variable`, {
        hint: 'write NAME=value; comments begin with #',
        location: place,
      });
    }
    from += whole.length;
    if (end === '' || end === '\n') {
      const inherited = lookup(name);
      if (inherited !== undefined) result.set(name, inherited);
      continue;
    }
    const { value, next } = located(place, () => valueAt(text, from, both));
    result.set(name, value);
    from = next;
  }
}

function startOfStatement(text: string, from: number): number {
  const start = /(?:\s+|#[^\n]*)*/y;
  start.lastIndex = from;
  return from + (start.exec(text)?.[0].length ?? 0);
}

function lineRange(text: string, from: number): { start: { line: number; column: number }; end: { line: number; column: number } } {
  const line = text.slice(0, from).split('\n').length;
  const end = text.indexOf('\n', from);
  return { start: { line, column: 0 }, end: { line, column: (end < 0 ? text.length : end) - (text.lastIndexOf('\n', from - 1) + 1) } };
}

/** In single quotes as it is; else with variables replaced, in double quotes with escapes too. */
function valueAt(text: string, from: number, lookup: Lookup): { value: string; next: number } {
  const quote = text[from];
  if (quote !== '"' && quote !== "'") {
    const end = text.indexOf('\n', from);
    const line = text.slice(from, end < 0 ? text.length : end);
    const value = line.split(' #')[0] as string;
    return { value: substitute(value.trimEnd(), lookup), next: end < 0 ? text.length : end + 1 };
  }
  const close = quote === '"' ? /"((?:[^"\\]|\\[^])*)"/y : /'((?:[^'\\]|\\[^])*)'/y;
  close.lastIndex = from;
  const found = close.exec(text);
  if (found === null) throw mistake('unterminated quoted value', { hint: `close the ${quote}` });
  const inner = (found[1] as string).replaceAll(`\\${quote}`, quote);
  return { value: quote === "'" ? inner : substitute(unescape(inner), lookup), next: from + found[0].length };
}

function unescape(text: string): string {
  return text.replace(/\\(?:([abfnrtv$"\\])|0(\d{1,3}))/g, (whole, letter: string | undefined, octal: string | undefined) => {
    if (letter !== undefined) return ESCAPES[letter] ?? whole;
    return /^[0-7]+$/.test(octal ?? '') ? String.fromCodePoint(Number.parseInt(octal as string, 8)) : whole;
  });
}
