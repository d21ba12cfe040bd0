// The answer of a small reader of user text: a value, or what is wrong with the text.

import type { Position, SourceRange } from '../base/index.ts';

/** What is wrong with a piece of user text, said without knowing where the piece stands in the file. */
export interface Problem {
  readonly message: string;
  /** How to cure it, one line. */
  readonly hint?: string;
  /** The part of the piece that is wrong, in UTF-16 units of it; undefined: all of it. */
  readonly span?: { readonly start: number; readonly end: number };
}

/** Where a part of a text stands: exactly, where a word is on one line as it was read, and in lines of a document; else the word. */
export function problemRange(word: { readonly text: string; readonly range: SourceRange }, span: Problem['span']): SourceRange {
  const { start, end } = word.range;
  if (span !== undefined && word.text.includes('\n'))
    return { start: positionIn(word.text, start, span.start), end: positionIn(word.text, start, span.end) };
  if (span === undefined || start.line !== end.line || end.column - start.column !== word.text.length) return word.range;
  const column = (offset: number): number => start.column + Math.min(offset, word.text.length);
  return { start: { line: start.line, column: column(span.start) }, end: { line: end.line, column: column(span.end) } };
}

/** Position of an offset in lines that begin at `start`. */
function positionIn(text: string, start: Position, offset: number): Position {
  const lines = text.slice(0, offset).split('\n');
  const column = lines.at(-1)?.length ?? 0;
  return { line: start.line + lines.length - 1, column: lines.length === 1 ? start.column + column : column };
}

/** Either a value or a problem. Never thrown: user text being wrong is an ordinary answer. */
export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: Problem };

/** A good outcome. */
export function good<T>(value: T): Outcome<T> {
  return { ok: true, value };
}

/** A bad outcome. */
export function bad(message: string, hint?: string, span?: Problem['span']): Outcome<never> {
  return { ok: false, problem: { message, ...(hint === undefined ? {} : { hint }), ...(span === undefined ? {} : { span }) } };
}
