// Parser directives: `# escape=\``, `# syntax=…`, `# check=…` at the very top.

import type { SourceRange } from '../base/index.ts';
import type { Directive } from './ast.ts';
import { isSpace } from './go-text.ts';
import { TextLines } from './lines.ts';

/** A directive's name and value as spans of the text. */
export interface DirectiveSpan {
  readonly name: Directive['name'];
  readonly value: string;
  readonly valueStart: number;
}

const NAMED = /^([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=/;
const SURROUNDING_SPACE = /^[\t\n\f\r ]+|(?<![\t\n\f\r ])[\t\n\f\r ]+$/g;

/** Reads `text[start, end)`, which begins with `marker` when it is a directive. Names are told apart without case. */
export function readDirective(text: string, start: number, end: number, marker = '#'): DirectiveSpan | undefined {
  if (!text.startsWith(marker, start)) return undefined;
  let at = start + marker.length;
  while (at < end && isSpace(text.charCodeAt(at))) at += 1;
  const body = text.slice(at, end);
  const [begin = '', written = ''] = NAMED.exec(body) ?? [];
  const name = written.toLowerCase();
  if (name !== 'syntax' && name !== 'escape' && name !== 'check') return undefined;
  const rest = body.slice(begin.length);
  if (rest === '') return undefined;
  const value = rest.replace(SURROUNDING_SPACE, '') || rest.slice(-1);
  return { name, value, valueStart: at + begin.length + rest.search(/[^\t\n\f\r ]/) };
}

/** A directive found without parsing the file. */
export interface FoundDirective {
  /** The value up to its first space. */
  readonly word: string;
  /** The whole value. */
  readonly value: string;
  /** The line. */
  readonly range: SourceRange;
}

/**
 * Looks for a directive as BuildKit does before it parses: a byte order mark and a `#!` line are passed over, and a line
 * with leading space is no directive.
 */
export function findDirective(text: string, name: Directive['name'], marker = '#'): FoundDirective | undefined {
  const first = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  if (!text.startsWith(marker, first) && !text.startsWith('#!', first)) return undefined;
  const lines = new TextLines(text);
  const seen = new Set<string>();
  for (let index = 0; index < lines.count; index += 1) {
    const start = lines.start(index);
    const end = lines.end(index);
    if (index === 0 && text.startsWith('#!', start)) continue;
    const found = readDirective(text, start, end, marker);
    if (found === undefined || seen.has(found.name)) return undefined;
    seen.add(found.name);
    if (found.name !== name) continue;
    return { word: found.value.split(' ', 1)[0] ?? '', value: found.value, range: lines.range(index, start, end) };
  }
  return undefined;
}

/**
 * The frontend a file asks for: `# syntax=ref`, `// syntax=ref`, or a JSON object with a `syntax` string. `word` is the
 * image reference, `value` the whole command line.
 */
export function detectSyntax(text: string): FoundDirective | undefined {
  return findDirective(text, 'syntax') ?? findDirective(text, 'syntax', '//') ?? syntaxOfJson(text);
}

function syntaxOfJson(text: string): FoundDirective | undefined {
  const body = text.replace(/^\ufeff/, '').replace(/^#!.*(?:\n|$)/, '');
  if (!/^\s*\{/.test(body)) return undefined;
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value !== 'object' || value === null || !('syntax' in value) || typeof value.syntax !== 'string') return undefined;
    const start = { line: 1, column: 0 };
    return { word: value.syntax, value: value.syntax, range: { start, end: start } };
  } catch {
    return undefined;
  }
}
