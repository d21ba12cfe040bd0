// Physical lines of the text, and logical lines: several joined by continuations, with the way back to the source.

import type { Position, SourceRange } from '../base/index.ts';
import { isSpace } from './go-text.ts';

/** Longest line BuildKit's scanner takes, in bytes of UTF-8, line end excluded. */
export const MAX_LINE_BYTES = 65535;

/** One physical line: offsets into the text. */
export interface PhysicalLine {
  /** 0-based. */
  readonly index: number;
  readonly start: number;
  /** After the last character, line feed excluded, carriage return included. */
  readonly end: number;
  /** Start of the next line. */
  readonly next: number;
}

/** The lines of a text from `start`. A final line feed does not open another line. */
export function splitLines(text: string, start = 0): PhysicalLine[] {
  const lines: PhysicalLine[] = [];
  let at = start;
  while (at < text.length) {
    const feed = text.indexOf('\n', at);
    const end = feed < 0 ? text.length : feed;
    const next = feed < 0 ? text.length : feed + 1;
    lines.push({ index: lines.length, start: at, end, next });
    at = next;
  }
  return lines;
}

/** Whether a line has more than MAX_LINE_BYTES bytes. */
export function isTooLong(text: string, line: PhysicalLine): boolean {
  const units = line.end - line.start;
  if (units * 3 <= MAX_LINE_BYTES) return false;
  return Buffer.byteLength(text.slice(line.start, line.end), 'utf8') > MAX_LINE_BYTES;
}

/** `end` moved before all carriage returns and line feeds. */
export function trimNewline(text: string, start: number, end: number): number {
  let at = end;
  while (at > start && (text.charCodeAt(at - 1) === 13 || text.charCodeAt(at - 1) === 10)) at -= 1;
  return at;
}

/** Whether the first character that is no space is `#`. */
export function isCommentLine(text: string, start: number, end: number): boolean {
  let at = start;
  while (at < end && isSpace(text.charCodeAt(at))) at += 1;
  return at < end && text.charCodeAt(at) === 35;
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

/** Lines joined to one, each character knowing where it came from. */
export class LogicalLine {
  #text = '';
  readonly #pieces: Piece[] = [];

  /** The joined text. */
  get text(): string {
    return this.#text;
  }

  /** Adds `text`, which stands at `column` of 1-based `line`. */
  append(text: string, line: number, column: number): void {
    this.#pieces.push({ at: this.#text.length, line, column });
    this.#text += text;
  }

  /** The source range of `[start, end)` in the joined text. */
  range(start: number, end: number): SourceRange {
    const from = this.#position(start);
    if (end <= start) return { start: from, end: from };
    const last = this.#position(end - 1);
    return { start: from, end: { line: last.line, column: last.column + 1 } };
  }

  #position(offset: number): Position {
    const pieces = this.#pieces;
    let low = 0;
    let high = pieces.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((pieces[middle]?.at ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    const piece = pieces[low];
    if (piece === undefined) return { line: 1, column: 0 };
    return { line: piece.line, column: piece.column + offset - piece.at };
  }
}
