// An instruction's text taken apart into keyword, flags and words, by the form its keyword asks for.

import type { InstructionKind } from './ast.ts';
import { isSpace, quote, skipSpace, trimEndIndex } from './go-text.ts';
import { INSTRUCTIONS, instructionKind } from './instruction-table.ts';
import { readJsonArray } from './json-array.ts';
import { type FlagSpan, isPlainSpace, type Span, splitFlags, splitPlain, splitQuoted } from './words.ts';

/** Something wrong at a span of the logical line. */
export interface SpanProblem {
  readonly message: string;
  readonly hint?: string;
  readonly start: number;
  readonly end: number;
}

/** One `name=value`, or `name value`. */
export interface PairSpan {
  readonly name: Span;
  readonly value: Span;
  readonly legacy: boolean;
}

/** A logical line taken apart. */
export interface Split {
  readonly keyword: Span;
  /** Undefined for an unknown keyword, which then has neither flags nor words. */
  readonly kind: InstructionKind | undefined;
  readonly flags: readonly FlagSpan[];
  readonly words: readonly Span[];
  readonly pairs: readonly PairSpan[];
  readonly json: boolean;
  readonly problems: readonly SpanProblem[];
  /** ONBUILD's instruction. */
  readonly trigger: Split | undefined;
  /** Start of the text after keyword and flags, and its end. */
  readonly rest: { readonly start: number; readonly end: number };
}

/** How deep ONBUILD ONBUILD … is looked into. It is an error anyway, and the text may hold thousands of them. */
const MAX_TRIGGER_DEPTH = 3;

/** Takes `text[start, end)` apart. */
export function splitInstruction(text: string, start: number, end: number, escape: number, depth = 0): Split {
  const from = skipSpace(text, start, end);
  const to = trimEndIndex(text, from, end);
  let stop = from;
  while (stop < to && !isPlainSpace(text.charCodeAt(stop))) stop += 1;
  const keyword = { text: text.slice(from, stop), start: from, end: stop };
  const kind = instructionKind(keyword.text);
  const empty = { keyword, kind, words: [], pairs: [], json: false, problems: [], trigger: undefined };
  if (kind === undefined) return { ...empty, flags: [], rest: { start: to, end: to } };
  let argsStart = stop;
  while (argsStart < to && isPlainSpace(text.charCodeAt(argsStart))) argsStart += 1;
  const { flags, rest } = splitFlags(text, argsStart, to, escape);
  const range = { start: skipSpace(text, rest, to), end: to };
  const split = { ...empty, flags, rest: range };
  if (range.start >= to) return split;
  return { ...split, ...splitArguments(kind, text, range.start, to, escape, depth) };
}

type Parts = Partial<Pick<Split, 'words' | 'pairs' | 'json' | 'problems' | 'trigger'>>;

function splitArguments(kind: InstructionKind, text: string, start: number, end: number, escape: number, depth: number): Parts {
  switch (INSTRUCTIONS[kind].form) {
    case 'words':
      return { words: splitPlain(text, start, end) };
    case 'text':
      return { words: [whole(text, start, end)] };
    case 'json-or-words':
      return maybeJson(text, start, end) ?? { words: splitPlain(text, start, end) };
    case 'json-or-text':
      return maybeJson(text, start, end) ?? { words: [whole(text, start, end)] };
    case 'declarations':
      return { words: splitQuoted(text, start, end, escape) };
    case 'pairs':
      return splitPairs(kind, text, start, end, escape);
    case 'healthcheck':
      return splitHealthcheck(text, start, end);
    case 'instruction': {
      if (depth >= MAX_TRIGGER_DEPTH) return { words: [whole(text, start, end)] };
      const trigger = splitInstruction(text, start, end, escape, depth + 1);
      return { words: [trigger.keyword], trigger, problems: trigger.problems };
    }
  }
}

function whole(text: string, start: number, end: number): Span {
  return { text: text.slice(start, end), start, end };
}

function maybeJson(text: string, start: number, end: number): Parts | undefined {
  const json = readJsonArray(text, start, end);
  switch (json.type) {
    case 'array':
      return { words: json.items, json: true };
    case 'none':
      return undefined;
    case 'not-strings': {
      const message = 'when using JSON array syntax, arrays must be comprised of strings only';
      const hint = `put ${text.slice(json.start, json.end)} in double quotes`;
      return { problems: [{ message, hint, start: json.start, end: json.end }] };
    }
  }
}

function splitHealthcheck(text: string, start: number, end: number): Parts {
  let stop = start;
  while (stop < end && !isSpace(text.charCodeAt(stop))) stop += 1;
  const type = whole(text, start, stop);
  const command = skipSpace(text, stop, end);
  if (command >= end) return { words: [type] };
  const json = maybeJson(text, command, end);
  return json === undefined ? { words: [type, whole(text, command, end)] } : { ...json, words: [type, ...(json.words ?? [])] };
}

function splitPairs(kind: InstructionKind, text: string, start: number, end: number, escape: number): Parts {
  const words = splitQuoted(text, start, end, escape);
  const first = words[0];
  if (first === undefined) return {};
  if (!first.text.includes('=')) return legacyPair(kind, text, start, end);
  const pairs: PairSpan[] = [];
  const problems: SpanProblem[] = [];
  for (const word of words) {
    const equals = word.text.indexOf('=');
    if (equals < 0) {
      const message = `Syntax error - can't find = in ${quote(word.text)}. Must be of the form: name=value`;
      const hint = 'a value with spaces needs quotes: name="a value"';
      problems.push({ message, hint, start: word.start, end: word.end });
      continue;
    }
    const split = word.start + equals;
    pairs.push({
      name: whole(text, word.start, split),
      value: { text: word.text.slice(equals + 1), start: split + 1, end: word.end },
      legacy: false,
    });
  }
  return { pairs, problems, words: pairs.flatMap(({ name, value }) => [name, value]) };
}

/** `ENV name and all the rest`: one pair. */
function legacyPair(kind: InstructionKind, text: string, start: number, end: number): Parts {
  let stop = start;
  while (stop < end && !isPlainSpace(text.charCodeAt(stop))) stop += 1;
  const name = whole(text, start, stop);
  let from = stop;
  while (from < end && isPlainSpace(text.charCodeAt(from))) from += 1;
  if (from >= end) {
    const problem = { message: `${kind} must have two arguments`, hint: `write ${kind} ${name.text}=value`, start, end: stop };
    return { words: [name], problems: [problem] };
  }
  const value = whole(text, from, end);
  return { words: [name, value], pairs: [{ name, value, legacy: true }] };
}
