// The JSON (exec) form: an array of strings, read strictly, with the place of each string.

import { skipSpace } from './go-text.ts';
import { LineWord, type LogicalLine } from './lines.ts';

/** What a text that may be a JSON array turned out to be. */
export type JsonArray =
  | { readonly type: 'array'; readonly items: readonly LineWord[] }
  /** Valid JSON array with something that is no string at `[start, end)`. */
  | { readonly type: 'not-strings'; readonly start: number; readonly end: number };

/** Reads `[start, end)` of a line; undefined when it is no JSON array. Anything after the array but space makes it none. */
export function readJsonArray(line: LogicalLine, start: number, end: number): JsonArray | undefined {
  const { text } = line;
  const open = skipSpace(text, start, end);
  if (open >= end || text.charCodeAt(open) !== 91) return undefined;
  const items: LineWord[] = [];
  let at = skipJsonSpace(text, open + 1, end);
  if (at < end && text.charCodeAt(at) === 93) return skipJsonSpace(text, at + 1, end) === end ? { type: 'array', items } : undefined;
  for (;;) {
    if (at >= end) return undefined;
    if (text.charCodeAt(at) !== 34) return notStrings(text, open, end, at);
    const close = closingQuote(text, at, end);
    const value = close === undefined ? undefined : decodeString(text, at, close);
    if (close === undefined || value === undefined) return undefined;
    items.push(new LineWord(line, at, close, value));
    at = skipJsonSpace(text, close, end);
    const code = at < end ? text.charCodeAt(at) : 0;
    if (code === 93) return skipJsonSpace(text, at + 1, end) === end ? { type: 'array', items } : undefined;
    if (code !== 44) return undefined;
    at = skipJsonSpace(text, at + 1, end);
  }
}

function notStrings(text: string, open: number, end: number, at: number): JsonArray | undefined {
  try {
    JSON.parse(text.slice(open, end));
  } catch {
    return undefined;
  }
  let stop = at;
  while (stop < end && !/[,\]\s]/.test(text.charAt(stop))) stop += 1;
  return { type: 'not-strings', start: at, end: Math.max(stop, at + 1) };
}

function skipJsonSpace(text: string, start: number, end: number): number {
  let at = start;
  while (at < end && isJsonSpace(text.charCodeAt(at))) at += 1;
  return at;
}

function isJsonSpace(code: number): boolean {
  return code === 32 || code === 9 || code === 10 || code === 13;
}

/** Index after the quote that closes the string at `open`. */
function closingQuote(text: string, open: number, end: number): number | undefined {
  for (let at = open + 1; at < end; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 92) at += 1;
    else if (code === 34) return at + 1;
  }
  return undefined;
}

// Strings with nothing to decode and nothing forbidden in them: nearly all.
const PLAIN = /^[\x20-\x5b\x5d-\ud7ff\ue000-\uffff]*$/;

function decodeString(text: string, start: number, end: number): string | undefined {
  const inner = text.slice(start + 1, end - 1);
  if (PLAIN.test(inner)) return inner;
  try {
    const value: unknown = JSON.parse(text.slice(start, end));
    // Go replaces half a surrogate pair; such a string has no UTF-8.
    return typeof value === 'string' ? value.replace(/[\ud800-\udfff]/gu, '\ufffd') : undefined;
  } catch {
    return undefined;
  }
}
