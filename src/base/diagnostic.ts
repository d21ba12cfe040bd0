// Diagnostics: what is wrong, or doubtful, in what the user wrote. Data, never thrown by the parser.

/** A place in a text: 1-based line, 0-based column in UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** From `start` up to, not including, `end`. */
export interface SourceRange {
  readonly start: Position;
  readonly end: Position;
}

/** A range as clients of BuildKit's protocol want it, who mark whole lines: one range for each line. */
export function lineRanges({
  start,
  end,
}: SourceRange): { start: { line: number; character: number }; end: { line: number; character: number } }[] {
  const last = end.column === 0 && end.line > start.line ? end.line - 1 : end.line;
  if (last === start.line) {
    return [
      {
        start: { line: start.line, character: start.column },
        end: { line: start.line, character: end.line === start.line ? end.column : start.column },
      },
    ];
  }
  return Array.from({ length: last - start.line + 1 }, (_, index) => {
    const line = start.line + index;
    return { start: { line, character: 0 }, end: { line, character: 0 } };
  });
}

/** A text that ranges point into. */
export interface SourceText {
  /** As the user would name it: `Dockerfile`, `docker/app.Dockerfile`. */
  readonly filename: string;
  readonly text: string;
}

/** A range with its text. */
export interface SourceLocation {
  readonly source: SourceText;
  readonly range: SourceRange;
}

/** A replacement that cures a diagnostic. */
export interface Fix {
  readonly title: string;
  readonly edits: readonly { readonly range: SourceRange; readonly text: string }[];
}

/** One finding. `severity: 'error'` stops a build; `warning` and `info` do not. */
export interface Diagnostic {
  /** Rule name (`StageNameCasing`) or error code (`DOCKERFILE_SYNTAX`). */
  readonly rule: string;
  readonly severity: 'error' | 'warning' | 'info';
  readonly message: string;
  readonly range: SourceRange;
  /** The whole instruction, where `range` is a part of it. */
  readonly within?: SourceRange;
  /** More ranges that take part (both ends of a cycle, the first of two equal names). */
  readonly related?: readonly { readonly range: SourceRange; readonly message: string }[];
  /** What the rule is about, for every finding of it. */
  readonly description?: string;
  /** How to cure it, one line. */
  readonly hint?: string;
  readonly url?: string;
  readonly fix?: Fix;
}
