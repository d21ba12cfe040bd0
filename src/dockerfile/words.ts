// How an instruction's text falls into words. Words are spans of the logical line.

import { isSpace, skipSpace } from './go-text.ts';

/** A word as a span of the logical line. */
export interface Span {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** A flag in front of the arguments: `--name` or `--name=value`, quotes removed. */
export interface FlagSpan extends Span {
  readonly name: string;
  readonly value: Span | undefined;
}

/** Space between plain words. Narrower than Unicode's: a no-break space is part of a word. */
export function isPlainSpace(code: number): boolean {
  return code === 32 || code === 9 || code === 11 || code === 12 || code === 13;
}

/** Words between plain spaces; quotes mean nothing. */
export function splitPlain(text: string, start: number, end: number): Span[] {
  const words: Span[] = [];
  let at = start;
  while (at < end) {
    while (at < end && isPlainSpace(text.charCodeAt(at))) at += 1;
    const from = at;
    while (at < end && !isPlainSpace(text.charCodeAt(at))) at += 1;
    if (at > from) words.push({ text: text.slice(from, at), start: from, end: at });
  }
  return words;
}

/**
 * Words between spaces where quotes and escapes hold a word together; both stay in the text (ENV, LABEL, ARG). A quote
 * left open reaches to the end.
 */
export function splitQuoted(text: string, start: number, end: number, escape: number): Span[] {
  const words: Span[] = [];
  let at = skipSpace(text, start, end);
  while (at < end) {
    const from = at;
    let dropped = false;
    let open = 0;
    while (at < end) {
      const code = text.charCodeAt(at);
      if (open === 0 && isSpace(code)) break;
      if (code === escape && open !== 39) {
        // An escape character at the very end escapes nothing and vanishes.
        if (at + 1 === end) dropped = true;
        at += 2;
        continue;
      }
      if (open === 0 && (code === 34 || code === 39)) open = code;
      else if (code === open) open = 0;
      at += 1;
    }
    if (at > end) at = end;
    const word = text.slice(from, dropped ? at - 1 : at);
    if (word !== '') words.push({ text: word, start: from, end: dropped ? at - 1 : at });
    at = skipSpace(text, at, end);
  }
  return words;
}

/** Takes the flags off the front. `rest` is where the arguments begin. */
export function splitFlags(text: string, start: number, end: number, escape: number): { flags: FlagSpan[]; rest: number } {
  const flags: FlagSpan[] = [];
  let at = start;
  for (;;) {
    at = skipSpace(text, at, end);
    if (at + 1 >= end || text.charCodeAt(at) !== 45 || text.charCodeAt(at + 1) !== 45) return { flags, rest: at };
    const flag = readFlag(text, at, end, escape);
    at = flag.end;
    // A bare `--` ends the flags and is no argument itself.
    if (flag.text === '--') return { flags, rest: at };
    flags.push(flag);
  }
}

function readFlag(text: string, start: number, end: number, escape: number): FlagSpan {
  let word = '';
  let open = 0;
  let equals = -1;
  let valueStart = end;
  let at = start;
  for (; at < end; at += 1) {
    let code = text.charCodeAt(at);
    if (open === 0 && isSpace(code)) break;
    if (open === 0 ? code === 34 || code === 39 : code === open) {
      open = open === 0 ? code : 0;
      continue;
    }
    if (code === escape) {
      if (at + 1 === end) continue;
      at += 1;
      code = text.charCodeAt(at);
    }
    if (equals < 0 && code === 61) {
      equals = word.length;
      valueStart = at + 1;
    }
    word += text[at];
  }
  const name = word.slice(2, equals < 0 ? undefined : equals);
  const value = equals < 0 ? undefined : { text: word.slice(equals + 1), start: Math.min(valueStart, at), end: at };
  return { text: word, start, end: at, name, value };
}
