// The JSON (exec) form: an array of strings, read strictly, with the place of each string.

import { isSpace } from './go-text.ts';
import type { Span } from './words.ts';

/** What a text that may be a JSON array turned out to be. */
export type JsonArray =
  | { readonly type: 'array'; readonly items: readonly Span[] }
  /** Valid JSON array with something that is no string at `[start, end)`. */
  | { readonly type: 'not-strings'; readonly start: number; readonly end: number }
  /** No JSON array: the text is meant otherwise. */
  | { readonly type: 'none' };

const NONE: JsonArray = { type: 'none' };

/** Reads `text[start, end)`. Anything after the array but space makes it no array. */
export function readJsonArray(text: string, start: number, end: number): JsonArray {
  let at = start;
  while (at < end && isSpace(text.charCodeAt(at))) at += 1;
  if (text.charCodeAt(at) !== 91 || at >= end) return NONE;
  const open = at;
  const items: Span[] = [];
  at = skipJsonSpace(text, at + 1, end);
  if (text.charCodeAt(at) === 93 && at < end) return skipJsonSpace(text, at + 1, end) === end ? { type: 'array', items } : NONE;
  for (;;) {
    if (at >= end) return NONE;
    if (text.charCodeAt(at) !== 34) return notStrings(text, open, end, at);
    const close = closingQuote(text, at, end);
    const value = close === undefined ? undefined : decodeString(text.slice(at, close));
    if (close === undefined || value === undefined) return NONE;
    items.push({ text: value, start: at, end: close });
    at = skipJsonSpace(text, close, end);
    const code = at < end ? text.charCodeAt(at) : 0;
    if (code === 93) return skipJsonSpace(text, at + 1, end) === end ? { type: 'array', items } : NONE;
    if (code !== 44) return NONE;
    at = skipJsonSpace(text, at + 1, end);
  }
}

function notStrings(text: string, open: number, end: number, at: number): JsonArray {
  try {
    JSON.parse(text.slice(open, end));
  } catch {
    return NONE;
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

function decodeString(literal: string): string | undefined {
  try {
    const value: unknown = JSON.parse(literal);
    // Go replaces half a surrogate pair; such a string has no UTF-8.
    return typeof value === 'string' ? value.replace(/[\ud800-\udfff]/gu, '\ufffd') : undefined;
  } catch {
    return undefined;
  }
}
