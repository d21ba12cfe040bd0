// How an instruction's text falls into words.

import type { Flag } from './ast.ts';
import type { SourceRange } from '../base/index.ts';
import { isSpace, skipSpace } from './go-text.ts';
import { LineWord, type LogicalLine } from './lines.ts';

/** First index at or after `start` without space as it stands around flags: BuildKit reads them byte by byte, so that only ASCII counts. */
export function skipFlagSpace(text: string, start: number, end: number): number {
  let at = start;
  for (; at < end; at += 1) {
    const code = text.charCodeAt(at);
    if (code !== 32 && (code < 9 || code > 13)) break;
  }
  return at;
}

/** The same for space between plain words. Narrower than Unicode's: a no-break space is part of a word. */
export function skipPlainSpace(text: string, start: number, end: number): number {
  let at = start;
  for (; at < end; at += 1) {
    const code = text.charCodeAt(at);
    if (code !== 32 && (code < 9 || code > 13 || code === 10)) break;
  }
  return at;
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
  if (!pattern.test(text)) return start;
  const found = pattern.lastIndex;
  return found < end ? found : end;
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
    if (stop > at) words.push(new LineWord(line, at, stop));
    at = stop + 1;
  }
  return words;
}

/** Words between spaces where quotes and escapes hold a word together; both stay in the text (ARG). No space stands at `start`. */
export function splitQuoted(line: LogicalLine, start: number, end: number, escape: number): LineWord[] {
  const words: LineWord[] = [];
  for (let at = start; at < end;) {
    const stop = quotedWordEnd(line.text, at, end, escape);
    const kept = keptEnd(stop, end);
    if (kept > at) words.push(new LineWord(line, at, kept));
    at = skipSpace(line.text, stop, end);
  }
  return words;
}

/**
 * End of the word at `start`, where quotes and escapes hold a word together. A quote left open reaches to the end. It is `end + 1` when
 * the last character is an escape character that escapes nothing.
 */
export function quotedWordEnd(text: string, start: number, end: number, escape: number): number {
  let open = 0;
  let at = start;
  while (at < end) {
    at = runEnd(open === 0 ? ORDINARY : ORDINARY_IN_QUOTES, text, at, end);
    if (at === end) break;
    const code = text.charCodeAt(at);
    if (code === escape && open !== 39) {
      at += 2;
      continue;
    }
    if (open === 0 && isSpace(code)) break;
    if (open === 0 && (code === 34 || code === 39)) open = code;
    else if (code === open) open = 0;
    at += 1;
  }
  return at;
}

/** Where a word's text ends: an escape character at the very end vanishes. */
export function keptEnd(stop: number, end: number): number {
  return stop > end ? end - 1 : stop;
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
  const { text } = line;
  const stop = runEnd(ORDINARY_IN_FLAG, text, start, end);
  if (stop < end && text.charCodeAt(stop) !== 32 && skipFlagSpace(text, stop, end) === stop)
    return readQuotedFlag(line, start, end, escape);
  const equals = text.indexOf('=', start + 2);
  if (equals < 0 || equals >= stop) return new LineFlag(text.slice(start + 2, stop), undefined, start, stop, line);
  return new LineFlag(text.slice(start + 2, equals), new LineWord(line, equals + 1, stop), start, stop, line);
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
    if (open === 0 && skipFlagSpace(text, at, at + 1) > at) break;
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
  const value = equals < 0 ? undefined : new LineWord(line, Math.min(valueStart, at), at, word.slice(equals + 1));
  return new LineFlag(name, value, start, at, line);
}
