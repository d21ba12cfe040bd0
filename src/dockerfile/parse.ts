// One pass over the text: lines, comments, directives, continuations, heredocs, instructions, stages. Never throws.

import type { Diagnostic, SourceRange } from '../base/index.ts';
import { splitInstruction } from './arguments.ts';
import type { Comment, Directive, Dockerfile, Heredoc, Instruction, InstructionBase, InvalidInstruction, SyntaxNode, Word } from './ast.ts';
import { readDirective } from './directives.ts';
import { quote, skipSpace, trimEndIndex, trimSpace } from './go-text.ts';
import { findHeredocMarkers, type PlacedMarker } from './heredoc.ts';
import { INSTRUCTIONS } from './instruction-table.ts';
import { continuationEnd, LogicalLine, MAX_LINE_BYTES, TextLines } from './lines.ts';
import { type OtherPiece, parsedFile, type Pieces } from './parsed-file.ts';
import { NOTHING, type OtherLines, type ParsedLine } from './parsed-line.ts';
import { readInstruction } from './read-instruction.ts';
import { Reader, syntaxError } from './reader.ts';
import { gatherStages } from './stages.ts';
import { unknownKeyword } from './unknown-keyword.ts';

export interface ParseOptions {
  /** As the user would name the file; default `Dockerfile`. */
  readonly filename?: string;
}

/** Reads a Dockerfile. Whatever the text is, a tree comes out; what is wrong with it is in `diagnostics`. */
export function parseDockerfile(text: string, options: ParseOptions = {}): Dockerfile {
  const parser = new Parser(text);
  parser.run();
  const { metaArgs, stages, problems } = gatherStages(text, parser.instructions, parser.diagnostics.length > 0);
  return parsedFile({ filename: options.filename ?? 'Dockerfile', text }, parser, {
    metaArgs,
    stages,
    malformed: parser.stop !== undefined || parser.instructions.length === 0,
    stopsAt: parser.stop === undefined ? undefined : parser.diagnostics[parser.stop],
    diagnostics: inOrder([...parser.diagnostics, ...problems]),
  });
}

/** The source again, from the tree. */
export function printDockerfile(file: Dockerfile): string {
  return file.nodes.map((node) => node.text).join('');
}

/** A trigger of an image's ONBUILD list, read as the one instruction it must be. */
export function parseTrigger(expression: string): { instruction: Instruction | undefined; diagnostics: readonly Diagnostic[] } {
  const parser = new Parser(expression);
  parser.run();
  const [first, ...more] = parser.instructions;
  const diagnostics = [...parser.diagnostics];
  if (first === undefined || more.length > 0) {
    const range = more[0]?.range ?? { start: { line: 1, column: 0 }, end: { line: 1, column: 0 } };
    diagnostics.push(syntaxError('onbuild trigger should be a single expression', range));
    return { instruction: undefined, diagnostics };
  }
  return { instruction: first.kind === 'invalid' || diagnostics.length > 0 ? undefined : first, diagnostics };
}

const INVALID = { kind: 'invalid' } as const;

function inOrder(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  if (diagnostics.length < 2) return diagnostics;
  return diagnostics.toSorted((a, b) => a.range.start.line - b.range.start.line || a.range.start.column - b.range.start.column);
}

/** Lives for one text. (Its members are no private names, of which each costs a look-up at every use.) */
class Parser implements Pieces {
  /** All but instructions. */
  readonly others: OtherPiece[] = [];
  readonly directives: Directive[] = [];
  readonly instructions: (Instruction | InvalidInstruction)[] = [];
  readonly interrupted: (Instruction | InvalidInstruction)[] = [];
  readonly diagnostics: Diagnostic[] = [];
  escape: '\\' | '`' = '\\';
  /** Which diagnostic is the first of a fault below the level of instructions. */
  stop: number | undefined;
  readonly text: string;
  readonly lines: TextLines;
  /** Whether any line may bring a heredoc along. */
  readonly hasMarkers: boolean;
  /** Line to be read next. */
  index = 0;
  directivesOver = false;
  comments: Comment[] | undefined;
  /** Markers that no line further down ends: looked for once, so that many of them cost no more than one. */
  readonly unterminated = new Set<string>();
  reader: Reader | undefined;
  readonly report = (diagnostic: Diagnostic): void => void this.diagnostics.push(diagnostic);

  constructor(text: string) {
    this.text = text;
    this.lines = new TextLines(text);
    this.hasMarkers = text.includes('<<');
    const start = this.lines.start(0);
    if (start > 0) this.other({ kind: 'bom', text: text.slice(0, start) });
  }

  run(): void {
    const { text } = this;
    const { count, starts, ends } = this.lines;
    while (this.index < count) {
      const end = ends[this.index] as number;
      let start = starts[this.index] as number;
      let code = text.charCodeAt(start);
      if (code <= 32 || code > 126) {
        start = skipSpace(text, start, end);
        code = text.charCodeAt(start);
      }
      if (start === end) this.blank();
      else if (code === 35) this.comment(start);
      else this.instruction(start, end);
    }
  }

  other(node: SyntaxNode): void {
    this.others.push({ node, behind: this.instructions.length });
  }

  blank(): void {
    this.directivesOver = true;
    this.checkLength(this.index);
    this.other({ kind: 'blank', text: this.lineText(this.index) });
    this.index += 1;
  }

  comment(start: number): void {
    const index = this.index;
    const text = this.lineText(index);
    this.checkLength(index);
    this.index += 1;
    if (!this.directivesOver) {
      const directive = this.directive(index, start);
      if (directive !== undefined) {
        this.other({ kind: 'directive', text, directive });
        return;
      }
      this.directivesOver = true;
    }
    const end = this.lines.end(index);
    // The first character is dropped, `#` or not: that is what BuildKit does to an indented comment.
    const body = trimSpace(this.text.slice(this.lines.start(index) + 1, end));
    const comment = { text: body, range: this.lines.range(index, start, end) };
    if (body === '') this.comments = undefined;
    else (this.comments ??= []).push(comment);
    this.other({ kind: 'comment', text, comment });
  }

  directive(index: number, start: number): Directive | undefined {
    const end = this.lines.end(index);
    const span = readDirective(this.text, start, end);
    if (span === undefined) return undefined;
    const { name, value, valueStart } = span;
    const range = this.lines.range(index, start, end);
    const word = { text: value, range: this.lines.range(index, valueStart, valueStart + value.length) };
    const directive: Directive = { name, value: word, range };
    const first = this.directives.find((other) => other.name === name);
    if (first !== undefined) {
      const message = `only one ${name} parser directive can be used`;
      const related = [{ range: first.range, message: 'the first one is here' }];
      this.fault(syntaxError(message, range, { hint: 'remove one of the two', related }));
    } else if (name === 'escape') {
      if (value === '\\' || value === '`') this.escape = value;
      else {
        const message = `invalid escape token '${value}' does not match \` or \\`;
        this.fault(syntaxError(message, word.range, { hint: 'write # escape=` or # escape=\\' }));
      }
    }
    this.directives.push(directive);
    return directive;
  }

  /** Reads the instruction that begins with `[start, end)` of the line at the index, and stands behind it. */
  instruction(start: number, end: number): void {
    const { text, lines, diagnostics } = this;
    const firstLine = this.index;
    const before = diagnostics.length;
    const escape = this.escape.charCodeAt(0);
    this.directivesOver = true;
    if (lines.hasLong) this.checkLength(firstLine);
    this.index = firstLine + 1;
    const column = start - lines.origin(firstLine);
    const parsed = this.endsPlainly(end, escape)
      ? splitInstruction(new LogicalLine(text.slice(start, end), this.index, column), 0, end - start, escape)
      : this.joined(start, end, column, escape);
    // A continuation may stand in the middle of a marker.
    if ((this.hasMarkers || parsed.others !== undefined) && parsed.line.text.includes('<<')) this.takeHeredocs(parsed);
    if (this.comments !== undefined) this.takeComments(parsed);
    if (parsed.problem !== undefined) this.stop ??= diagnostics.length; // it is reported first when the line is read
    this.read(parsed, diagnostics.length === before);
    if (diagnostics.length > before) {
      Object.assign(parsed, INVALID);
      this.placeWithin(before, parsed.range);
    }
    this.instructions.push(parsed as InstructionBase as Instruction | InvalidInstruction);
  }

  /** Whether a line that ends at `end` is not continued, and has no space at its end, as most lines are. */
  endsPlainly(end: number, escape: number): boolean {
    const code = this.text.charCodeAt(end - 1);
    return code > 32 && code < 127 && code !== escape;
  }

  /** The instruction that begins with `[start, end)`, together with the lines that it is continued by. */
  joined(start: number, end: number, column: number, escape: number): ParsedLine {
    const stop = continuationEnd(this.text, start, end, escape);
    const logical = new LogicalLine(this.text.slice(start, stop ?? end), this.index, column);
    const emptyContinuations = stop === undefined ? NOTHING : this.joinLines(logical, escape);
    const { text } = logical;
    // What is joined may begin with nothing but a continuation.
    const from = stop === undefined ? 0 : skipSpace(text, 0);
    const parsed = splitInstruction(logical, from, trimEndIndex(text, from, text.length), escape);
    if (stop !== undefined) this.takeLines(parsed, { emptyContinuations, lastLine: this.index });
    if (emptyContinuations.length > 0) this.interrupted.push(parsed as InstructionBase as Instruction | InvalidInstruction);
    return parsed;
  }

  /** Says of an instruction what it has on other lines; it reaches up to where the parser stands. */
  takeLines(parsed: ParsedLine, taken: Partial<OtherLines>): void {
    const { comments, heredocs, emptyContinuations, lastLine } = parsed;
    const last = this.index - 1;
    const endColumn = this.lines.end(last) - this.lines.origin(last);
    parsed.others = { comments, heredocs, emptyContinuations, lastLine, endLine: this.index, endColumn, ...taken };
  }

  takeHeredocs(parsed: ParsedLine): void {
    const heredocs = this.heredocs(parsed.line, parsed);
    if (heredocs.length > 0) this.takeLines(parsed, { heredocs });
  }

  takeComments(parsed: ParsedLine): void {
    this.takeLines(parsed, { comments: this.comments ?? NOTHING });
    this.comments = undefined;
  }

  /** Reads what the kind of an instruction has beside what all have. `sound`: nothing was reported of it yet. */
  read(parsed: ParsedLine, sound: boolean): void {
    if (parsed.kind === undefined) this.unknownKeyword(parsed.keyword, parsed.original);
    else {
      this.reader ??= new Reader(parsed, this.report);
      this.reader.begin(parsed, sound);
      readInstruction(parsed.kind, this.reader);
    }
  }

  /** Adds the lines that go on with it to a logical line, and stands behind them. Returns the blank ones. */
  joinLines(logical: LogicalLine, escape: number): readonly SourceRange[] {
    const text = this.text;
    const lines = this.lines;
    const blanks: SourceRange[] = [];
    while (this.index < lines.count) {
      const index = this.index;
      const start = lines.start(index);
      const end = lines.end(index);
      this.index += 1;
      if (lines.hasLong) this.checkLength(index);
      if (lines.isComment(index)) continue;
      if (skipSpace(text, start, end) === end) {
        blanks.push(lines.range(index, start, end));
        continue;
      }
      const stop = continuationEnd(text, start, end, escape);
      logical.append(text.slice(start, stop ?? end), index + 1, start - lines.origin(index));
      if (stop === undefined) break;
    }
    return blanks;
  }

  heredocs(logical: LogicalLine, split: ParsedLine): readonly Heredoc[] {
    const target = split.kind === 'ONBUILD' ? split.inner : split;
    if (target?.kind === undefined || INSTRUCTIONS[target.kind].heredocs !== true || target.json) return NOTHING;
    const markers = findHeredocMarkers(logical.text);
    if (markers.ok) return markers.value.map((marker) => this.heredoc(marker, logical.range(marker.start, marker.end)));
    const { message, span } = markers.problem;
    this.fault(syntaxError(message, logical.range(span?.start ?? 0, span?.end ?? 0)));
    return NOTHING;
  }

  /** Consumes a heredoc's lines and its terminator. */
  heredoc(marker: PlacedMarker, markerRange: SourceRange): Heredoc {
    const { name, fileDescriptor, expand, chomp } = marker;
    const lines = this.lines;
    const first = this.index;
    const end = this.findTerminator(marker, markerRange);
    for (let index = first; index < end; index += 1) this.checkLength(index);
    this.index = Math.min(end + 1, lines.count);
    const content = this.text.slice(lines.start(first), lines.start(end));
    const range =
      end === first
        ? { start: markerRange.end, end: markerRange.end }
        : { start: lines.position(first, lines.start(first)), end: lines.position(end - 1, lines.end(end - 1)) };
    return { name, fileDescriptor, expand, chomp, content, marker: markerRange, range };
  }

  /** Index of the terminator's line. Without one: of a line that was meant to be it, or behind the last. */
  findTerminator({ name, chomp, text }: PlacedMarker, markerRange: SourceRange): number {
    const lines = this.lines;
    const known = this.unterminated.has(text);
    let near: number | undefined;
    for (let index = this.index; index < lines.count; index += 1) {
      const end = lines.end(index);
      let start = lines.start(index);
      while (chomp && start < end && this.text.charCodeAt(start) === 9) start += 1;
      if (end - start === name.length && this.text.startsWith(name, start)) return index;
      if (near === undefined && this.isNearly(name, index)) near = index;
      if (known && near !== undefined) break;
    }
    this.unterminated.add(text);
    const message = `unterminated heredoc: no line ${quote(name)} ends ${text}`;
    if (near === undefined) {
      this.fault(syntaxError(message, markerRange, { hint: `add a line with nothing but ${name} behind the content` }));
      return lines.count;
    }
    const range = lines.range(near, lines.start(near), lines.end(near));
    const related = [{ range, message: 'this line has more than the delimiter' }];
    const hint = chomp
      ? 'take the spaces off the delimiter: <<- takes tabs only'
      : 'take the spaces off the delimiter, or indent by tabs and write <<-';
    const fix = { title: 'take the spaces off', edits: [{ range, text: name }] };
    this.fault(syntaxError(message, markerRange, { hint, related, fix }));
    return near;
  }

  isNearly(name: string, index: number): boolean {
    const start = this.lines.start(index);
    const end = this.lines.end(index);
    return end - start < name.length + 200 && trimSpace(this.text.slice(start, end)) === name;
  }

  /** Says of the diagnostics since `first` which instruction they are about. */
  placeWithin(first: number, within: SourceRange): void {
    for (let index = first; index < this.diagnostics.length; index += 1) {
      const diagnostic = this.diagnostics[index];
      if (diagnostic !== undefined) this.diagnostics[index] = { ...diagnostic, within };
    }
  }

  unknownKeyword(keyword: Word, text: string): void {
    const before = this.instructions.at(-1);
    const last = before === undefined ? 0 : before.range.end.line - 1;
    const beforeText = before === undefined ? '' : this.text.slice(this.lines.start(last), this.lines.end(last));
    const isIndented = keyword.range.start.column > 0;
    this.report(unknownKeyword({ keyword, text, isIndented, before, beforeText, escape: this.escape }));
  }

  checkLength(index: number): void {
    if (!this.lines.isTooLong(index)) return;
    const start = this.lines.start(index);
    const message = `dockerfile line greater than max allowed size of ${MAX_LINE_BYTES}`;
    this.fault(syntaxError(message, this.lines.range(index, start, start + 1), { hint: 'break the line by continuations' }));
  }

  /** Reports what BuildKit's line parser would stop at. */
  fault(diagnostic: Diagnostic): void {
    this.stop ??= this.diagnostics.length;
    this.report(diagnostic);
  }

  lineText(index: number): string {
    return this.text.slice(this.lines.start(index), this.lines.next(index));
  }
}
