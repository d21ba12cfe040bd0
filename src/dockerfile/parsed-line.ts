// What all instructions have: one logical line, taken apart. Places and texts that most never need are worked out when they are asked for.

import type { SourceRange } from '../base/index.ts';
import type { Comment, Heredoc, InstructionBase, InstructionKind } from './ast.ts';
import { trimEndIndex } from './go-text.ts';
import type { Keyword } from './instruction-table.ts';
import { LineWord, type LogicalLine } from './lines.ts';
import type { LineFlag } from './words.ts';

/** Something wrong at a span of the logical line. */
export interface SpanProblem {
  readonly message: string;
  readonly hint?: string;
  readonly start: number;
  readonly end: number;
}

/** Nothing at all: shared, since most instructions have none of most things. */
export const NOTHING: readonly never[] = [];

/** What an instruction has on other lines than its first. */
export interface OtherLines {
  readonly comments: readonly Comment[];
  readonly heredocs: readonly Heredoc[];
  readonly emptyContinuations: readonly SourceRange[];
  readonly lastLine: number;
  /** The end of `range`. */
  readonly endLine: number;
  readonly endColumn: number;
}

/**
 * A logical line taken apart. What its kind has beside this is added to it when it is read (`readInstruction`). A file has thousands, and
 * every member that is set costs: what most do not have is together in one.
 */
export class ParsedLine implements InstructionBase {
  readonly line: LogicalLine;
  /** Where it begins in the logical line, and where its keyword ends. */
  readonly start: number;
  readonly stop: number;
  /** What the keyword names. Undefined for an unknown one: such a line has neither flags nor words. */
  readonly kind: InstructionKind | undefined;
  readonly casing: Keyword['casing'];
  flags: readonly LineFlag[];
  /** Of ENV and LABEL, names and values in turns. */
  words: readonly LineWord[];
  json: boolean;
  /** Undefined: it is one line, and nothing belongs to it. */
  others: OtherLines | undefined;
  /** ONBUILD's instruction. */
  inner?: ParsedLine;
  /** The first thing that is wrong with it. */
  problem?: SpanProblem;

  constructor(line: LogicalLine, start: number, stop: number, { kind, casing }: Keyword) {
    this.line = line;
    this.start = start;
    this.stop = stop;
    this.kind = kind;
    this.casing = casing;
    this.flags = NOTHING;
    this.words = NOTHING;
    this.json = false;
    this.others = undefined;
  }

  get keyword(): LineWord {
    return new LineWord(this.line, this.start, this.stop);
  }

  get comments(): readonly Comment[] {
    return this.others === undefined ? NOTHING : this.others.comments;
  }

  get heredocs(): readonly Heredoc[] {
    return this.others === undefined ? NOTHING : this.others.heredocs;
  }

  get emptyContinuations(): readonly SourceRange[] {
    return this.others === undefined ? NOTHING : this.others.emptyContinuations;
  }

  get lastLine(): number {
    return this.others === undefined ? this.line.line : this.others.lastLine;
  }

  get endLine(): number {
    return this.others === undefined ? this.line.line : this.others.endLine;
  }

  /** From its first line on, which may hold nothing but a continuation. */
  get range(): SourceRange {
    const { line, others } = this;
    const end =
      others === undefined
        ? { line: line.line, column: line.column + line.text.length }
        : { line: others.endLine, column: others.endColumn };
    const start = { line: line.line, column: line.column }; // a literal within another is put together slowly
    return { start, end };
  }

  get original(): string {
    const { text } = this.line;
    return text.slice(this.start, trimEndIndex(text, this.start, text.length));
  }
}
