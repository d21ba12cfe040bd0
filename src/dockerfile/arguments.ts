// An instruction's text taken apart into keyword, flags and words, by the form its keyword asks for.

import type { InstructionKind } from './ast.ts';
import { isSpace, quote, skipSpace, trimEndIndex } from './go-text.ts';
import { INSTRUCTIONS, instructionKind } from './instruction-table.ts';
import { readJsonArray } from './json-array.ts';
import type { LineWord, LogicalLine } from './lines.ts';
import { isFlagSpace, isPlainSpace, type LineFlag, plainWordEnd, readFlag, splitPlain, splitQuoted } from './words.ts';

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

/** A logical line taken apart. */
export interface Split {
  readonly keyword: LineWord;
  /** Undefined for an unknown keyword, which then has neither flags nor words. */
  readonly kind: InstructionKind | undefined;
  /** Where it ends in the logical line, space behind it not counted. It begins with the keyword. */
  readonly end: number;
  flags: readonly LineFlag[];
  words: readonly LineWord[];
  pairs: readonly Pair[];
  json: boolean;
  problems: readonly SpanProblem[];
  /** ONBUILD's instruction. */
  trigger: Split | undefined;
}

/** How deep ONBUILD ONBUILD … is looked into. It is an error anyway, and the text may hold thousands of them. */
const MAX_TRIGGER_DEPTH = 3;

/** Nothing at all: shared, since most instructions have none of most things. */
export const NOTHING: readonly never[] = [];

/** Takes `[start, end)` of a line apart. */
export function splitInstruction(line: LogicalLine, start: number, end: number, escape: number, depth = 0): Split {
  const { text } = line;
  const from = skipSpace(text, start, end);
  const to = trimEndIndex(text, from, end);
  const stop = plainWordEnd(text, from, to);
  const keyword = line.word(from, stop);
  const kind = instructionKind(keyword.text);
  const split: Split = {
    keyword,
    kind,
    end: to,
    flags: NOTHING,
    words: NOTHING,
    pairs: NOTHING,
    json: false,
    problems: NOTHING,
    trigger: undefined,
  };
  if (kind === undefined) return split;
  let at = stop;
  while (at < to && isPlainSpace(text.charCodeAt(at))) at += 1;
  if (text.charCodeAt(at) === 45) at = takeFlags(split, line, at, to, escape);
  at = skipSpace(text, at, to);
  if (at < to) splitArguments(split, kind, line, at, to, escape, depth);
  return split;
}

/** Takes the flags off the front. Returns where the arguments begin. */
function takeFlags(split: Split, line: LogicalLine, start: number, end: number, escape: number): number {
  const { text } = line;
  let flags: LineFlag[] | undefined;
  let at = start;
  while (at + 1 < end && text.charCodeAt(at) === 45 && text.charCodeAt(at + 1) === 45) {
    const flag = readFlag(line, at, end, escape);
    at = flag.end;
    // A bare `--` ends the flags and is no argument itself.
    if (flag.name === '' && flag.value === undefined) break;
    // Mostly there is one: a list that is pushed to has room for sixteen more.
    if (flags === undefined) split.flags = flags = [flag];
    else flags.push(flag);
    while (at < end && isFlagSpace(text.charCodeAt(at))) at += 1;
  }
  return at;
}

function splitArguments(
  split: Split,
  kind: InstructionKind,
  line: LogicalLine,
  start: number,
  end: number,
  escape: number,
  depth: number,
): void {
  switch (INSTRUCTIONS[kind].form) {
    case 'words':
      split.words = splitPlain(line, start, end);
      return;
    case 'text':
      split.words = [line.word(start, end)];
      return;
    case 'json-or-words':
      if (!takeJson(split, line, start, end)) split.words = splitPlain(line, start, end);
      return;
    case 'json-or-text':
      if (!takeJson(split, line, start, end)) split.words = [line.word(start, end)];
      return;
    case 'declarations':
      split.words = splitQuoted(line, start, end, escape);
      return;
    case 'pairs':
      splitPairs(split, kind, line, start, end, escape);
      return;
    case 'healthcheck':
      splitHealthcheck(split, line, start, end);
      return;
    case 'instruction': {
      if (depth >= MAX_TRIGGER_DEPTH) {
        split.words = [line.word(start, end)];
        return;
      }
      const trigger = splitInstruction(line, start, end, escape, depth + 1);
      split.words = [trigger.keyword];
      split.trigger = trigger;
      split.problems = trigger.problems;
    }
  }
}

/** Whether the text is a JSON array, be it a bad one. */
function takeJson(split: Split, line: LogicalLine, start: number, end: number): boolean {
  const json = readJsonArray(line, start, end);
  if (json === undefined) return false;
  if (json.type === 'array') {
    split.words = json.items;
    split.json = true;
  } else {
    const message = 'when using JSON array syntax, arrays must be comprised of strings only';
    const found = line.text.slice(json.start, json.end);
    const hint = /^[[{]/.test(found) ? 'write one list of strings, without another inside' : `put ${found} in double quotes`;
    split.problems = [{ message, hint, start: json.start, end: json.end }];
  }
  return true;
}

function splitHealthcheck(split: Split, line: LogicalLine, start: number, end: number): void {
  const { text } = line;
  let stop = start;
  while (stop < end && !isSpace(text.charCodeAt(stop))) stop += 1;
  const type = line.word(start, stop);
  const command = skipSpace(text, stop, end);
  if (command < end && !takeJson(split, line, command, end)) split.words = [line.word(command, end)];
  split.words = [type, ...split.words];
}

function splitPairs(split: Split, kind: InstructionKind, line: LogicalLine, start: number, end: number, escape: number): void {
  const words = splitQuoted(line, start, end, escape);
  const first = words[0];
  if (first === undefined) return;
  if (!first.text.includes('=')) {
    legacyPair(split, kind, line, start, end);
    return;
  }
  const pairs: Pair[] = [];
  const parts: LineWord[] = [];
  for (const word of words) {
    const equals = word.text.indexOf('=');
    if (equals < 0) {
      const message = `Syntax error - can't find = in ${quote(word.text)}. Must be of the form: name=value`;
      const isComment = word.text.startsWith('#');
      const hint = isComment ? 'a comment has a line of its own' : 'a value with spaces needs quotes: name="a value"';
      // One is enough: the words behind it belong to the same value most of the time.
      if (split.problems.length === 0) split.problems = [{ message, hint, start: word.start, end: word.end }];
      continue;
    }
    const middle = word.start + equals;
    const name = line.word(word.start, middle);
    const value = line.word(middle + 1, word.end);
    pairs.push({ name, value, legacy: false });
    parts.push(name, value);
  }
  split.pairs = pairs;
  split.words = parts;
}

/** `ENV name and all the rest`: one pair. */
function legacyPair(split: Split, kind: InstructionKind, line: LogicalLine, start: number, end: number): void {
  const { text } = line;
  const stop = plainWordEnd(text, start, end);
  const name = line.word(start, stop);
  let from = stop;
  while (from < end && isPlainSpace(text.charCodeAt(from))) from += 1;
  if (from >= end) {
    split.words = [name];
    split.problems = [{ message: `${kind} must have two arguments`, hint: `write ${kind} ${name.text}=value`, start, end: stop }];
    return;
  }
  const value = line.word(from, end);
  split.words = [name, value];
  split.pairs = [{ name, value, legacy: true }];
}
