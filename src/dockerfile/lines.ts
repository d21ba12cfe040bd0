// Physical lines of the text, and logical lines: several joined by continuations, with the way back to the source.

import type { Position, SourceRange } from '../base/index.ts';
import type { Word } from './ast.ts';
import { isSpace } from './go-text.ts';

/** Longest line BuildKit's scanner takes, in bytes of UTF-8, line end excluded. */
export const MAX_LINE_BYTES = 65535;

/** The physical lines of a text, by 0-based index. A byte order mark is no part of the first one. */
export class TextLines {
  readonly text: string;
  /** Whether any line may be too long. */
  readonly hasLong: boolean;
  /** A final line feed does not open another line. */
  readonly count: number;
  /** Where each line starts, and behind them all the end of the text. (No private names: each costs a look-up at every use.) */
  readonly starts: readonly number[];
  /** Where each line ends, line end excluded: all carriage returns and the line feed are cut. */
  readonly ends: number[];

  constructor(text: string) {
    this.text = text;
    const first = text.charCodeAt(0) === 0xfeff ? 1 : 0;
    const starts: number[] = [];
    const ends: number[] = [];
    let longest = 0;
    for (let at = first; at < text.length;) {
      const feed = text.indexOf('\n', at);
      const end = feed < 0 ? text.length : feed;
      starts.push(at);
      ends.push(end);
      if (end - at > longest) longest = end - at;
      at = end + 1;
    }
    this.count = starts.length;
    starts.push(text.length);
    this.starts = starts;
    this.ends = ends;
    if (text.includes('\r')) this.cutReturns();
    this.hasLong = (longest + 1) * 3 > MAX_LINE_BYTES; // a UTF-16 unit has at most three bytes
  }

  /** Offset of the first character. */
  start(index: number): number {
    return this.starts[index] ?? this.text.length;
  }

  /** Offset behind the last character, line end excluded. */
  end(index: number): number {
    return this.ends[index] ?? this.text.length;
  }

  /** Offset of the next line. */
  next(index: number): number {
    return this.starts[index + 1] ?? this.text.length;
  }

  cutReturns(): void {
    this.ends.forEach((end, index) => {
      const start = this.start(index);
      let at = end;
      while (at > start && this.text.charCodeAt(at - 1) === 13) at -= 1;
      this.ends[index] = at;
    });
  }

  /** Where columns are counted from. A byte order mark is part of the first line's columns, though not of its text. */
  origin(index: number): number {
    return index === 0 ? 0 : this.start(index);
  }

  /** Whether a line has more than MAX_LINE_BYTES bytes. */
  isTooLong(index: number): boolean {
    if (!this.hasLong) return false;
    const start = this.start(index);
    const next = this.next(index);
    const end = this.text.charCodeAt(next - 1) === 10 ? next - 1 : next;
    return Buffer.byteLength(this.text.slice(start, end), 'utf8') > MAX_LINE_BYTES;
  }

  position(index: number, offset: number): Position {
    return { line: index + 1, column: offset - this.origin(index) };
  }

  /** A range inside one line. */
  range(index: number, start: number, end: number): SourceRange {
    return { start: this.position(index, start), end: this.position(index, end) };
  }

  /** Whether the first character that is no space is `#`. */
  isComment(index: number): boolean {
    const end = this.end(index);
    let at = this.start(index);
    while (at < end && isSpace(this.text.charCodeAt(at))) at += 1;
    return at < end && this.text.charCodeAt(at) === 35;
  }
}

/**
 * Where a line's text ends when it is continued: before the escape character; undefined when it is not continued.
 * An escape character in front of another one does not continue, as in BuildKit.
 */
export function continuationEnd(text: string, start: number, end: number, escape: number): number | undefined {
  let at = end;
  while (at > start && (text.charCodeAt(at - 1) === 32 || text.charCodeAt(at - 1) === 9)) at -= 1;
  if (at === start || text.charCodeAt(at - 1) !== escape) return undefined;
  if (at - 2 >= start && text.charCodeAt(at - 2) === escape) return undefined;
  return at - 1;
}

interface Piece {
  /** Where it begins in the logical line. */
  readonly at: number;
  /** 1-based line, and the column of the piece's first character. */
  readonly line: number;
  readonly column: number;
}

// A file has thousands of the following. Their members are no private names, of which each costs a look-up at every use.

/** Lines joined to one, each character knowing where it came from. */
export class LogicalLine {
  text: string;
  /** Where the first of them begins: 1-based line, and column. */
  readonly line: number;
  readonly column: number;
  /** The others; most have none. */
  more: Piece[] | undefined;

  constructor(text: string, line: number, column: number) {
    this.text = text;
    this.line = line;
    this.column = column;
    this.more = undefined;
  }

  /** Adds `text`, which stands at `column` of 1-based `line`. */
  append(text: string, line: number, column: number): void {
    (this.more ??= []).push({ at: this.text.length, line, column });
    this.text += text;
  }

  /** The source range of `[start, end)` in the joined text. */
  range(start: number, end: number): SourceRange {
    const from = this.position(start);
    if (end <= start) return { start: from, end: from };
    const last = this.position(end - 1);
    const to = { line: last.line, column: last.column + 1 };
    return { start: from, end: to };
  }

  /** The source position of a character. */
  position(offset: number): Position {
    const piece = this.more === undefined ? undefined : pieceAt(this.more, offset);
    if (piece === undefined) return { line: this.line, column: this.column + offset };
    return { line: piece.line, column: piece.column + offset - piece.at };
  }
}

/** The last piece that begins at or in front of `offset`. */
function pieceAt(pieces: readonly Piece[], offset: number): Piece | undefined {
  let low = -1;
  let high = pieces.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((pieces[middle]?.at ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return pieces[low];
}

/** A word of a logical line. Its range is worked out when asked for: most words of a good file never are. */
export class LineWord implements Word {
  readonly text: string;
  /** Where it stands in the logical line. */
  readonly start: number;
  readonly end: number;
  readonly line: LogicalLine;

  /** The word at `[start, end)`; `text` where it is not just what stands there. */
  constructor(line: LogicalLine, start: number, end: number, text: string = line.text.slice(start, end)) {
    this.text = text;
    this.start = start;
    this.end = end;
    this.line = line;
  }

  get range(): SourceRange {
    return this.line.range(this.start, this.end);
  }
}
