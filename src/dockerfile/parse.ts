// One pass over the text: lines, comments, directives, continuations, heredocs, instructions, stages. Never throws.

import { type Diagnostic, type SourceRange, suggest } from '../base/index.ts';
import { splitInstruction } from './arguments.ts';
import type { Comment, Directive, Dockerfile, Heredoc, Instruction, InstructionBase, InvalidInstruction, SyntaxNode } from './ast.ts';
import { readDirective } from './directives.ts';
import { quote, skipSpace, trimSpace } from './go-text.ts';
import { findHeredocMarkers, type HeredocMarker } from './heredoc.ts';
import { INSTRUCTION_NAMES, INSTRUCTIONS } from './instruction-table.ts';
import {
  continuationEnd,
  isCommentLine,
  isTooLong,
  LogicalLine,
  MAX_LINE_BYTES,
  type PhysicalLine,
  splitLines,
  trimNewline,
} from './lines.ts';
import { readInstruction } from './read-instruction.ts';
import { Reader, syntaxError } from './reader.ts';
import { gatherStages } from './stages.ts';

export interface ParseOptions {
  /** As the user would name the file; default `Dockerfile`. */
  readonly filename?: string;
}

/** Reads a Dockerfile. Whatever the text is, a tree comes out; what is wrong with it is in `diagnostics`. */
export function parseDockerfile(text: string, options: ParseOptions = {}): Dockerfile {
  const parser = new Parser(text);
  parser.run();
  const { metaArgs, stages, problems } = gatherStages(text, parser.instructions, parser.diagnostics.length > 0);
  return {
    source: { filename: options.filename ?? 'Dockerfile', text },
    nodes: parser.nodes,
    directives: parser.directives,
    escape: parser.escape,
    metaArgs,
    stages,
    diagnostics: inOrder([...parser.diagnostics, ...problems]),
  };
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

function inOrder(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  return diagnostics.toSorted((a, b) => a.range.start.line - b.range.start.line || a.range.start.column - b.range.start.column);
}

class Parser {
  readonly nodes: SyntaxNode[] = [];
  readonly directives: Directive[] = [];
  readonly instructions: (Instruction | InvalidInstruction)[] = [];
  readonly diagnostics: Diagnostic[] = [];
  escape: '\\' | '`' = '\\';
  readonly #text: string;
  readonly #lines: readonly PhysicalLine[];
  #index = 0;
  #directivesOver = false;
  #comments: Comment[] = [];
  /** Delimiters that no line further down ends: looked for once, so that many of them cost no more than one. */
  readonly #unterminated = new Set<string>();

  constructor(text: string) {
    this.#text = text;
    const start = text.startsWith('\ufeff') ? 1 : 0;
    if (start > 0) this.nodes.push({ kind: 'bom', text: text.slice(0, 1) });
    this.#lines = splitLines(text, start);
  }

  run(): void {
    for (let line = this.#lines[0]; line !== undefined; line = this.#lines[this.#index]) {
      this.#checkLength(line);
      const end = trimNewline(this.#text, line.start, line.end);
      if (isCommentLine(this.#text, line.start, end)) this.#comment(line, end);
      else if (skipSpace(this.#text, line.start, end) === end) this.#blank(line);
      else this.#instruction();
    }
  }

  #blank(line: PhysicalLine): void {
    this.#directivesOver = true;
    this.nodes.push({ kind: 'blank', text: this.#text.slice(line.start, line.next) });
    this.#index += 1;
  }

  #comment(line: PhysicalLine, end: number): void {
    const text = this.#text.slice(line.start, line.next);
    const start = skipSpace(this.#text, line.start, end);
    this.#index += 1;
    if (!this.#directivesOver) {
      const directive = this.#directive(line, start, end);
      if (directive !== undefined) {
        this.nodes.push({ kind: 'directive', text, directive });
        return;
      }
      this.#directivesOver = true;
    }
    // The first character is dropped, `#` or not: that is what BuildKit does to an indented comment.
    const comment = { text: trimSpace(this.#text.slice(line.start + 1, end)), range: this.#range(line, start, end) };
    if (comment.text === '') this.#comments = [];
    else this.#comments.push(comment);
    this.nodes.push({ kind: 'comment', text, comment });
  }

  #directive(line: PhysicalLine, start: number, end: number): Directive | undefined {
    const span = readDirective(this.#text, start, end);
    if (span === undefined) return undefined;
    const { name, value, valueStart } = span;
    const range = this.#range(line, start, end);
    const word = { text: value, range: this.#range(line, valueStart, valueStart + value.length) };
    const directive: Directive = { name, value: word, range };
    const first = this.directives.find((other) => other.name === name);
    if (first !== undefined) {
      const message = `only one ${name} parser directive can be used`;
      const related = [{ range: first.range, message: 'the first one is here' }];
      this.diagnostics.push(syntaxError(message, range, { hint: 'remove one of the two', related }));
    } else if (name === 'escape') {
      if (value === '\\' || value === '`') this.escape = value;
      else {
        const message = `invalid escape token '${value}' does not match \` or \\`;
        this.diagnostics.push(syntaxError(message, word.range, { hint: 'write # escape=` or # escape=\\' }));
      }
    }
    this.directives.push(directive);
    return directive;
  }

  #instruction(): void {
    this.#directivesOver = true;
    const firstLine = this.#index;
    const before = this.diagnostics.length;
    const { logical, emptyContinuations } = this.#joinLines();
    const text = logical.text;
    const split = splitInstruction(text, 0, text.length, this.escape.charCodeAt(0));
    const { kind } = split;
    const heredocs = this.#heredocs(logical, split);
    const first = this.#lines[firstLine];
    const last = this.#lines[this.#index - 1];
    if (first === undefined || last === undefined) throw new Error('internal: an instruction without lines');
    const word = (span: { text: string; start: number; end: number }) => ({
      text: span.text,
      range: logical.range(span.start, span.end),
    });
    const keyword = word(split.keyword);
    const base: InstructionBase = {
      keyword,
      range: { start: keyword.range.start, end: this.#position(last, trimNewline(this.#text, last.start, last.end)) },
      original: trimSpace(text),
      flags: split.flags.map((flag) => ({
        name: flag.name,
        value: flag.value === undefined ? undefined : word(flag.value),
        range: logical.range(flag.start, flag.end),
      })),
      words: split.words.map(word),
      json: split.json,
      heredocs,
      comments: this.#comments,
      emptyContinuations,
    };
    this.#comments = [];
    const report = (diagnostic: Diagnostic) => void this.diagnostics.push(diagnostic);
    let typed: Instruction | undefined;
    if (kind === undefined) this.#unknownKeyword(keyword.text, keyword.range);
    else typed = readInstruction(kind, new Reader(split, base, logical, report), text);
    const valid = typed !== undefined && this.diagnostics.length === before;
    const instruction = valid && typed !== undefined ? typed : ({ ...base, kind: 'invalid' } as const);
    this.instructions.push(instruction);
    this.nodes.push({ kind: 'instruction', text: this.#text.slice(first.start, last.next), instruction });
  }

  /** Joins the line at the index with those that continue it, and stands behind them. */
  #joinLines(): { logical: LogicalLine; emptyContinuations: SourceRange[] } {
    const text = this.#text;
    const escape = this.escape.charCodeAt(0);
    const logical = new LogicalLine();
    const emptyContinuations: SourceRange[] = [];
    let first = true;
    for (let line = this.#lines[this.#index]; line !== undefined; line = this.#lines[this.#index]) {
      this.#index += 1;
      let end = trimNewline(text, line.start, line.end);
      let start = line.start;
      if (first) start = skipSpace(text, start, end);
      else {
        this.#checkLength(line);
        if (isCommentLine(text, start, end)) continue;
        if (skipSpace(text, start, end) === end) {
          emptyContinuations.push(this.#range(line, start, end));
          continue;
        }
      }
      first = false;
      const stop = continuationEnd(text, start, end, escape);
      end = stop ?? end;
      const { line: number, column } = this.#position(line, start);
      logical.append(text.slice(start, end), number, column);
      if (stop === undefined) break;
    }
    return { logical, emptyContinuations };
  }

  #heredocs(logical: LogicalLine, split: ReturnType<typeof splitInstruction>): readonly Heredoc[] {
    const target = split.kind === 'ONBUILD' ? split.trigger : split;
    if (target?.kind === undefined || INSTRUCTIONS[target.kind].heredocs !== true || target.json) return [];
    if (!logical.text.includes('<<')) return [];
    const markers = findHeredocMarkers(logical.text);
    if (!markers.ok) {
      const { message, span } = markers.problem;
      this.diagnostics.push(syntaxError(message, logical.range(span?.start ?? 0, span?.end ?? 0)));
      return [];
    }
    return markers.value.map((marker) => this.#heredoc(marker, logical.range(marker.start, marker.end)));
  }

  /** Consumes a heredoc's lines and its terminator. */
  #heredoc(marker: HeredocMarker, markerRange: SourceRange): Heredoc {
    const { name, fileDescriptor, expand, chomp } = marker;
    const firstIndex = this.#index;
    const end = this.#findTerminator(marker, markerRange);
    const contentLines = this.#lines.slice(firstIndex, end);
    this.#index = Math.min(end + 1, this.#lines.length);
    for (const line of contentLines) this.#checkLength(line);
    const first = contentLines[0];
    const last = contentLines.at(-1);
    const content = first === undefined || last === undefined ? '' : this.#text.slice(first.start, last.next);
    const range: SourceRange =
      first === undefined || last === undefined
        ? { start: markerRange.end, end: markerRange.end }
        : { start: this.#position(first, first.start), end: this.#position(last, last.end) };
    return { name, fileDescriptor, expand, chomp, content, marker: markerRange, range };
  }

  /** Index of the terminator's line. Without one: of a line that was meant to be it, or behind the last. */
  #findTerminator({ name, chomp, text }: HeredocMarker, markerRange: SourceRange): number {
    let near: number | undefined;
    const known = this.#unterminated.has(text);
    for (let index = this.#index; index < this.#lines.length; index += 1) {
      const line = this.#lines[index];
      if (line === undefined) break;
      const end = trimNewline(this.#text, line.start, line.end);
      let start = line.start;
      while (chomp && start < end && this.#text.charCodeAt(start) === 9) start += 1;
      if (end - start === name.length && this.#text.startsWith(name, start)) return index;
      if (near === undefined && this.#isNearly(name, line.start, end)) near = index;
      if (known && near !== undefined) break;
    }
    this.#unterminated.add(text);
    const nearLine = near === undefined ? undefined : this.#lines[near];
    const message = 'unterminated heredoc';
    if (near === undefined || nearLine === undefined) {
      const hint = `add a line with nothing but ${name} behind the content`;
      this.diagnostics.push(syntaxError(`${message}: no line ${quote(name)} ends ${text}`, markerRange, { hint }));
      return this.#lines.length;
    }
    const range = this.#range(nearLine, nearLine.start, trimNewline(this.#text, nearLine.start, nearLine.end));
    const related = [{ range, message: 'this line has more than the delimiter' }];
    const hint = chomp
      ? 'take the spaces off the delimiter: <<- takes tabs only'
      : 'take the spaces off the delimiter, or indent by tabs and write <<-';
    const fix = { title: 'take the spaces off', edits: [{ range, text: name }] };
    this.diagnostics.push(syntaxError(`${message}: no line ${quote(name)} ends ${text}`, markerRange, { hint, related, fix }));
    return near;
  }

  #isNearly(name: string, start: number, end: number): boolean {
    return end - start < name.length + 200 && trimSpace(this.#text.slice(start, end)) === name;
  }

  #unknownKeyword(keyword: string, range: SourceRange): void {
    const near = suggest(keyword, INSTRUCTION_NAMES);
    const message = `unknown instruction: ${keyword}`;
    if (near === undefined) {
      const hint = 'a line that belongs to the instruction above needs a continuation character at the end of that instruction';
      this.diagnostics.push(syntaxError(message, range, { hint }));
      return;
    }
    const written = keyword === keyword.toLowerCase() ? near.toLowerCase() : near;
    const fix = { title: `replace by ${written}`, edits: [{ range, text: written }] };
    this.diagnostics.push(syntaxError(`${message} (did you mean ${written}?)`, range, { fix }));
  }

  #checkLength(line: PhysicalLine): void {
    if (!isTooLong(this.#text, line)) return;
    const message = `dockerfile line greater than max allowed size of ${MAX_LINE_BYTES}`;
    const range = this.#range(line, line.start, line.start + 1);
    this.diagnostics.push(syntaxError(message, range, { hint: 'break the line by continuations' }));
  }

  #position(line: PhysicalLine, offset: number): SourceRange['start'] {
    // A byte order mark is part of the first line's columns, though not of its text.
    return { line: line.index + 1, column: offset - (line.index === 0 ? 0 : line.start) };
  }

  #range(line: PhysicalLine, start: number, end: number): SourceRange {
    return { start: this.#position(line, start), end: this.#position(line, end) };
  }
}
