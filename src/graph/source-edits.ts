// Edits in the Dockerfile's own text, for fixes.

import type { Fix, Position, SourceRange, SourceText } from '../base/index.ts';

/** The text by lines. */
export class SourceEdits {
  readonly #lines: readonly string[];

  constructor(source: SourceText) {
    this.#lines = source.text.split('\n').map((line) => line.replace(/\r$/, ''));
  }

  /** What stands in a range. */
  slice({ start, end }: SourceRange): string {
    const lines = this.#lines.slice(start.line - 1, end.line);
    const last = lines.length - 1;
    if (last < 0) return '';
    lines[last] = (lines[last] ?? '').slice(0, end.column);
    lines[0] = (lines[0] ?? '').slice(start.column);
    return lines.join('\n');
  }

  /** The place `offset` units into a range's text. */
  place(range: SourceRange, offset: number): Position {
    const before = this.slice(range).slice(0, offset).split('\n');
    const column = (before.at(-1) ?? '').length;
    return { line: range.start.line + before.length - 1, column: before.length === 1 ? range.start.column + column : column };
  }

  /** The range of `part` where `around`, which begins or ends with it, stands once in a range; undefined when it stands there otherwise. */
  find(range: SourceRange, around: string, part: string): SourceRange | undefined {
    const text = this.slice(range);
    const at = text.indexOf(around);
    if (at < 0 || at !== text.lastIndexOf(around)) return undefined;
    const start = at + around.lastIndexOf(part);
    return { start: this.place(range, start), end: this.place(range, start + part.length) };
  }

  /** Puts `text` behind the only match of `pattern` in a range; undefined when there is none or more than one. */
  insertAfter(range: SourceRange, pattern: RegExp, text: string, title: string): Fix | undefined {
    const matches = [...this.slice(range).matchAll(new RegExp(pattern.source, 'g'))];
    const [match] = matches;
    if (match === undefined || matches.length > 1) return undefined;
    const at = this.place(range, match.index + match[0].length);
    return { title, edits: [{ range: { start: at, end: at }, text }] };
  }

  /** Puts `text` at the end of an instruction, unless its last line is a comment, or one that is to go on. */
  append(range: SourceRange, text: string, title: string): Fix | undefined {
    const last = this.slice(range).split('\n').at(-1) ?? '';
    if (last.trimStart().startsWith('#') || /[\\`]\s*$/.test(last)) return undefined;
    return { title, edits: [{ range: { start: range.end, end: range.end }, text }] };
  }

  /** The whole lines of a range. */
  lines(range: SourceRange): SourceRange {
    return { start: { line: range.start.line, column: 0 }, end: { line: range.end.line + 1, column: 0 } };
  }
}
