// What the readers of instructions share: words with places, flags checked, problems reported.

import { type Diagnostic, type Fix, type SourceRange, suggest } from '../base/index.ts';
import type { Instruction, Word } from './ast.ts';
import type { FlagType } from './instruction-table.ts';
import { LineWord } from './lines.ts';
import type { Problem } from './outcome.ts';
import { NOTHING, type ParsedLine } from './parsed-line.ts';
import type { LineFlag } from './words.ts';

/** Takes what is wrong with the text. */
export type Report = (diagnostic: Diagnostic) => void;

/** Code of every diagnostic of the parser. */
const SYNTAX_RULE = 'DOCKERFILE_SYNTAX';

/** A syntax error. */
export function syntaxError(message: string, range: SourceRange, more: Pick<Diagnostic, 'hint' | 'fix' | 'related'> = {}): Diagnostic {
  return { rule: SYNTAX_RULE, severity: 'error', message, range, ...more };
}

/** An instruction that is being read. */
export type Draft<T> = { -readonly [K in keyof T]: T[K] };

/** Stands on one instruction after the other. */
export class Reader {
  /** The one that is being read. */
  instruction: ParsedLine;
  /** Something was reported: the instruction is not valid. */
  failed: boolean;
  /** Nothing was reported of its lines before it was read. */
  sound: boolean;
  readonly sink: Report;

  /** `sink` takes what is reported. */
  constructor(instruction: ParsedLine, sink: Report) {
    this.instruction = instruction;
    this.failed = false;
    this.sound = true;
    this.sink = sink;
  }

  /** Goes on to another one. */
  begin(instruction: ParsedLine, sound: boolean): void {
    this.instruction = instruction;
    this.failed = false;
    this.sound = sound;
  }

  /** The instruction, for what its kind has to be added; undefined when it is not valid. */
  draft<T extends Instruction>(): Draft<T> | undefined {
    return this.failed || !this.sound ? undefined : (this.instruction as unknown as Draft<T>);
  }

  get words(): readonly LineWord[] {
    return this.instruction.words;
  }

  /** The word at `[start, end)` of the logical line. */
  word(start: number, end: number): LineWord {
    return new LineWord(this.instruction.line, start, end);
  }

  /** Keyword alone, or all arguments: where to point when an instruction as a whole is wrong. */
  get argumentsRange(): SourceRange {
    const first = this.words[0];
    const last = this.words.at(-1);
    return first === undefined || last === undefined ? this.instruction.keyword.range : { start: first.range.start, end: last.range.end };
  }

  report(message: string, range: SourceRange, hint?: string, fix?: Fix): void {
    this.failed = true;
    this.sink(syntaxError(message, range, { ...(hint === undefined ? {} : { hint }), ...(fix === undefined ? {} : { fix }) }));
  }

  /** Reports a problem that was found in `word`, at the exact place when the word stands in the source as it is. */
  reportIn(word: Word, problem: Problem): void {
    this.report(problem.message, word.range, problem.hint);
  }

  /** Checks the flags against `known`. */
  checkFlags(known: ReadonlyMap<string, FlagType>): void {
    const { flags } = this.instruction;
    for (let at = 0; at < flags.length; at += 1) {
      const flag = flags[at] as LineFlag;
      const type = known.get(flag.name);
      if (type === undefined) this.unknownFlag(flag, [...known.keys()]);
      else if (at > 0 && type !== 'values' && this.flag(flag.name) !== flag)
        this.report(`duplicate flag specified: --${flag.name}`, flag.range, `keep one --${flag.name}`);
      else if (type === 'bool' || flag.value === undefined) this.checkValue(flag, type);
    }
  }

  /** The value of a flag that may be given once. A flag without one is a mistake, or a bool. */
  value(name: string): Word | undefined {
    return this.flag(name)?.value;
  }

  /** The values of a flag that may be repeated. */
  valuesOf(name: string): readonly Word[] {
    const { flags } = this.instruction;
    if (flags.length === 0) return NOTHING;
    let values: Word[] | undefined;
    for (let at = 0; at < flags.length; at += 1) {
      const flag = flags[at];
      if (flag?.name !== name || flag.value === undefined) continue;
      if (values === undefined) values = [flag.value];
      else values.push(flag.value);
    }
    return values ?? NOTHING;
  }

  /** A bool flag; undefined when not given. */
  bool(name: string): boolean | undefined {
    const flag = this.flag(name);
    return flag === undefined ? undefined : flag.value?.text.toLowerCase() !== 'false';
  }

  /** The first of that name: more are a mistake. */
  flag(name: string): LineFlag | undefined {
    const { flags } = this.instruction;
    for (let at = 0; at < flags.length; at += 1) if (flags[at]?.name === name) return flags[at];
    return undefined;
  }

  checkValue(flag: LineFlag, type: FlagType): void {
    const written = `--${flag.name}`;
    const { value } = flag;
    if (type !== 'bool') {
      if (value === undefined)
        this.report(`missing a value on flag: ${written}`, flag.range, `write ${written}=…: the value is joined by an equals sign`);
    } else if (value?.text === '') {
      this.report(`missing a value on flag: ${written}`, flag.range, `write ${written} or ${written}=false`);
    } else if (value !== undefined && !/^(?:true|false)$/i.test(value.text)) {
      const message = `expecting boolean value for flag ${written}, not: ${value.text}`;
      this.report(message, value.range, `write ${written}=true or ${written}=false`);
    }
  }

  unknownFlag(flag: LineFlag, known: readonly string[]): void {
    const range = flag.nameRange;
    const near = flag.name === '' ? undefined : suggest(flag.name, known);
    const instruction = this.instruction.keyword.text.toUpperCase();
    let hint = known.length === 0 ? `${instruction} takes no flags` : `${instruction} takes ${known.map((name) => `--${name}`).join(', ')}`;
    let fix: Fix | undefined;
    if (near !== undefined) {
      hint = `did you mean --${near}?`;
      fix = { title: `replace by --${near}`, edits: [{ range, text: `--${near}` }] };
    }
    this.report(`unknown flag: --${flag.name}`, range, hint, fix);
  }
}
