// What all instructions have: one logical line, taken apart. Places and texts that most never need are worked out when they are asked for.

import type { SourceRange } from '../base/index.ts';
import type { Comment, Heredoc, InstructionBase, InstructionKind } from './ast.ts';
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

/** One `name=value`, or `name value`. */
export interface Pair {
  readonly name: LineWord;
  readonly value: LineWord;
  readonly legacy: boolean;
}

/** Nothing at all: shared, since most instructions have none of most things. */
export const NOTHING: readonly never[] = [];

/** A logical line taken apart. What its kind has beside this is added to it when it is read (`readInstruction`). */
export class ParsedLine implements InstructionBase {
  readonly line: LogicalLine;
  /** Where it begins in the logical line, where its keyword ends, and where it ends itself, space behind it not counted. */
  readonly start: number;
  readonly stop: number;
  readonly end: number;
  /** What the keyword names. Undefined for an unknown one: such a line has neither flags nor words. */
  readonly kind: InstructionKind | undefined;
  readonly casing: Keyword['casing'];
  flags: readonly LineFlag[];
  words: readonly LineWord[];
  /** Of ENV and LABEL. */
  assignments: readonly Pair[];
  json: boolean;
  problems: readonly SpanProblem[];
  /** ONBUILD's instruction. */
  inner: ParsedLine | undefined;
  heredocs: readonly Heredoc[];
  comments: readonly Comment[];
  emptyContinuations: readonly SourceRange[];
  lastLine: number;
  /** The end of `range`. */
  endLine: number;
  endColumn: number;

  constructor(line: LogicalLine, start: number, stop: number, end: number, { kind, casing }: Keyword) {
    this.line = line;
    this.start = start;
    this.stop = stop;
    this.end = end;
    this.kind = kind;
    this.casing = casing;
    this.flags = NOTHING;
    this.words = NOTHING;
    this.assignments = NOTHING;
    this.json = false;
    this.problems = NOTHING;
    this.inner = undefined;
    this.heredocs = NOTHING;
    this.comments = NOTHING;
    this.emptyContinuations = NOTHING;
    this.lastLine = line.line;
    this.endLine = 0;
    this.endColumn = 0;
  }

  get keyword(): LineWord {
    return new LineWord(this.line, this.start, this.stop);
  }

  get range(): SourceRange {
    return { start: this.line.position(this.start), end: { line: this.endLine, column: this.endColumn } };
  }

  get original(): string {
    return this.line.text.slice(this.start, this.end);
  }
}
