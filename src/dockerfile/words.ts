// How an instruction's text falls into words.

import type { Flag } from './ast.ts';
import type { SourceRange } from '../base/index.ts';
import { isSpace, skipSpace } from './go-text.ts';
import type { LineWord, LogicalLine } from './lines.ts';

/** Space around flags: BuildKit reads them byte by byte, so that only ASCII counts. */
export function isFlagSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13);
}

/** Space between plain words. Narrower than Unicode's: a no-break space is part of a word. */
export function isPlainSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13 && code !== 10);
}

// Native matching skips what means nothing: the loops below then run once for each word or special character, not once for
// each character, and stay cold enough that short-lived processes do not pay for optimizing them.
const PLAIN_WORD = /[^\t\v\f\r ]+/y;
const ORDINARY = /[^\s"'\\`\x85]+/y;
const ORDINARY_IN_FLAG = /[^\t\n\v\f\r "'\\`]+/y;
const ORDINARY_IN_QUOTES = /[^"'\\`]+/y;

/** End of the run that `pattern` matches at `start`; `start` when there is none. */
function runEnd(pattern: RegExp, text: string, start: number, end: number): number {
  pattern.lastIndex = start;
  return pattern.test(text) ? Math.min(pattern.lastIndex, end) : start;
}

/** End of the word at `start`; `start` where there is space. */
export function plainWordEnd(text: string, start: number, end: number): number {
  return runEnd(PLAIN_WORD, text, start, end);
}

/** Words between plain spaces; quotes mean nothing. */
export function splitPlain(line: LogicalLine, start: number, end: number): LineWord[] {
  const { text } = line;
  const words: LineWord[] = [];
  for (let at = start; at < end;) {
    const stop = plainWordEnd(text, at, end);
    if (stop > at) words.push(line.word(at, stop));
    at = stop + 1;
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
      at = runEnd(open === 0 ? ORDINARY : ORDINARY_IN_QUOTES, text, at, end);
      if (at >= end) break;
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
  readonly line: LogicalLine;

  constructor(name: string, value: LineWord | undefined, start: number, end: number, line: LogicalLine) {
    this.name = name;
    this.value = value;
    this.start = start;
    this.end = end;
    this.line = line;
  }

  get range(): SourceRange {
    return this.line.range(this.start, this.end);
  }

  /** The dashes and the name, as far as they stand there unquoted. */
  get nameRange(): SourceRange {
    return this.line.range(this.start, Math.min(this.start + 2 + this.name.length, this.end));
  }
}

/** The flag at `start`, where two dashes stand. */
export function readFlag(line: LogicalLine, start: number, end: number, escape: number): LineFlag {
  const stop = runEnd(ORDINARY_IN_FLAG, line.text, start, end);
  if (stop < end && !isFlagSpace(line.text.charCodeAt(stop))) return readQuotedFlag(line, start, end, escape);
  const word = line.text.slice(start + 2, stop);
  const equals = word.indexOf('=');
  if (equals < 0) return new LineFlag(word, undefined, start, stop, line);
  return new LineFlag(word.slice(0, equals), line.word(start + 2 + equals + 1, stop), start, stop, line);
}

function readQuotedFlag(line: LogicalLine, start: number, end: number, escape: number): LineFlag {
  const { text } = line;
  let word = '';
  let open = 0;
  let equals = -1;
  let valueStart = end;
  let at = start;
  const take = (from: number, to: number): void => {
    const part = text.slice(from, to);
    const found = equals < 0 ? part.indexOf('=') : -1;
    if (found >= 0) {
      equals = word.length + found;
      valueStart = from + found + 1;
    }
    word += part;
  };
  while (at < end) {
    const run = runEnd(open === 0 ? ORDINARY_IN_FLAG : ORDINARY_IN_QUOTES, text, at, end);
    if (run > at) {
      take(at, run);
      at = run;
      continue;
    }
    const code = text.charCodeAt(at);
    if (open === 0 && isFlagSpace(code)) break;
    if (open === 0 ? code === 34 || code === 39 : code === open) {
      open = open === 0 ? code : 0;
    } else if (code !== escape) take(at, at + 1);
    else if (at + 1 < end) {
      at += 1;
      take(at, at + 1);
    }
    at += 1;
  }
  const name = word.slice(2, equals < 0 ? undefined : equals);
  const value = equals < 0 ? undefined : line.word(Math.min(valueStart, at), at, word.slice(equals + 1));
  return new LineFlag(name, value, start, at, line);
}
