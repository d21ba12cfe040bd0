// A text that is parsed: a whole file, or what is in a string of a JSON file. It knows the place in the file of each of its characters.

import type { Position, SourceLocation, SourceText } from '../base/index.ts';

export class Text {
  readonly source: SourceText;
  readonly text: string;
  readonly #lines: readonly number[];
  readonly #offsets: readonly number[] | undefined;

  /** `offsets`: where in the file each character of `text` comes from, and one more for the end; a whole file needs none. */
  constructor(source: SourceText, inside?: { readonly text: string; readonly offsets: readonly number[]; readonly file: Text }) {
    this.source = source;
    this.text = inside?.text ?? source.text;
    this.#offsets = inside?.offsets;
    this.#lines = inside === undefined ? lineStarts(source.text) : inside.file.#lines;
  }

  location(start: number, end: number): SourceLocation {
    return { source: this.source, range: { start: this.#position(start), end: this.#position(end) } };
  }

  #position(at: number): Position {
    const offset = this.#offsets === undefined ? at : (this.#offsets[at] ?? this.#offsets[this.#offsets.length - 1] ?? 0);
    let [low, high] = [0, this.#lines.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#lines[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (this.#lines[low] ?? 0) };
  }
}

function lineStarts(text: string): readonly number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}
