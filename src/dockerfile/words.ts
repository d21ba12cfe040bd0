// How an instruction's text falls into words.

import type { Flag } from './ast.ts';
import type { SourceRange } from '../base/index.ts';
import { isSpace, skipSpace } from './go-text.ts';
import type { LineWord, LogicalLine } from './lines.ts';

/** Space between plain words. Narrower than Unicode's: a no-break space is part of a word. */
export function isPlainSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13 && code !== 10);
}

/** Words between plain spaces; quotes mean nothing. */
export function splitPlain(line: LogicalLine, start: number, end: number): LineWord[] {
  const { text } = line;
  const words: LineWord[] = [];
  let at = start;
  while (at < end) {
    while (at < end && isPlainSpace(text.charCodeAt(at))) at += 1;
    const from = at;
    while (at < end && !isPlainSpace(text.charCodeAt(at))) at += 1;
    if (at > from) words.push(line.word(from, at));
  }
  return words;
}

/**
 * Words between spaces where quotes and escapes hold a word together; both stay in the text (ENV, LABEL, ARG). A quote
 * left open reaches to the end.
 */
export function splitQuoted(line: LogicalLine, start: number, end: number, escape: number): LineWord[] {
  const { text } = line;
  const words: LineWord[] = [];
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
    const stop = dropped ? at - 1 : at;
    if (stop > from) words.push(line.word(from, stop));
    at = skipSpace(text, at, end);
  }
  return words;
}

/** A flag as part of a logical line. Its range is worked out when asked for. */
export class LineFlag implements Flag {
  readonly name: string;
  readonly value: LineWord | undefined;
  readonly start: number;
  readonly end: number;
  readonly #line: LogicalLine;

  constructor(name: string, value: LineWord | undefined, start: number, end: number, line: LogicalLine) {
    this.name = name;
    this.value = value;
    this.start = start;
    this.end = end;
    this.#line = line;
  }

  get range(): SourceRange {
    return this.#line.range(this.start, this.end);
  }

  /** The dashes and the name, as far as they stand there unquoted. */
  get nameRange(): SourceRange {
    return this.#line.range(this.start, Math.min(this.start + 2 + this.name.length, this.end));
  }
}

const NO_FLAGS: readonly LineFlag[] = [];

/** Takes the flags off the front. `rest` is where the arguments begin. */
export function splitFlags(line: LogicalLine, start: number, end: number, escape: number): { flags: readonly LineFlag[]; rest: number } {
  const { text } = line;
  let flags: LineFlag[] | undefined;
  let at = start;
  for (;;) {
    at = skipSpace(text, at, end);
    if (at + 1 >= end || text.charCodeAt(at) !== 45 || text.charCodeAt(at + 1) !== 45) break;
    const flag = readFlag(line, at, end, escape);
    at = flag.end;
    // A bare `--` ends the flags and is no argument itself.
    if (flag.name === '' && flag.value === undefined) break;
    (flags ??= []).push(flag);
  }
  return { flags: flags ?? NO_FLAGS, rest: at };
}

function readFlag(line: LogicalLine, start: number, end: number, escape: number): LineFlag {
  const { text } = line;
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
    word += text.charAt(at);
  }
  const name = word.slice(2, equals < 0 ? undefined : equals);
  const value = equals < 0 ? undefined : line.word(Math.min(valueStart, at), at, word.slice(equals + 1));
  return new LineFlag(name, value, start, at, line);
}
