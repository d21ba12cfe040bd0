// An instruction's text taken apart into keyword, flags and words, by the form its keyword asks for.

import type { InstructionKind } from './ast.ts';
import { isSpace, quote, skipSpace } from './go-text.ts';
import { type ArgumentForm, readKeyword, usualKeyword } from './instruction-table.ts';
import { readJsonArray } from './json-array.ts';
import { LineWord, type LogicalLine } from './lines.ts';
import { ParsedLine, type SpanProblem } from './parsed-line.ts';
import {
  keptEnd,
  type LineFlag,
  plainWordEnd,
  quotedWordEnd,
  readFlag,
  skipFlagSpace,
  skipPlainSpace,
  splitPlain,
  splitQuoted,
} from './words.ts';

/** How deep ONBUILD ONBUILD … is looked into. It is an error anyway, and the text may hold thousands of them. */
const MAX_TRIGGER_DEPTH = 3;

/** Takes `[start, end)` of a line apart; space stands neither at `start` nor in front of `end`. */
export function splitInstruction(line: LogicalLine, start: number, end: number, escape: number, depth = 0): ParsedLine {
  const { text } = line;
  // Mostly a blank stands behind the keyword, and nothing else that could end it in front of that.
  const blank = text.indexOf(' ', start);
  const usual = blank < 0 ? undefined : usualKeyword(text.slice(start, blank));
  const stop = usual === undefined ? plainWordEnd(text, start, end) : blank;
  const keyword = usual ?? readKeyword(text.slice(start, stop));
  const { kind, spec } = keyword;
  const split = new ParsedLine(line, start, stop, keyword);
  if (kind === undefined || spec === undefined || stop === end) return split;
  let at = stop + 1;
  let code = text.charCodeAt(at);
  if (code <= 32) {
    at = skipPlainSpace(text, at, end);
    code = text.charCodeAt(at);
  }
  if (code === 45) {
    at = takeFlags(split, line, at, end, escape);
    code = text.charCodeAt(at);
  }
  if (code <= 32 || code > 126) at = skipSpace(text, at, end);
  if (at < end) splitArguments(split, kind, spec.form, line, at, end, escape, depth);
  return split;
}

/** Takes the flags off the front. Returns where the arguments begin. */
function takeFlags(split: ParsedLine, line: LogicalLine, start: number, end: number, escape: number): number {
  const { text } = line;
  let flags: LineFlag[] | undefined;
  let at = start;
  while (text.startsWith('--', at) && at + 1 < end) {
    const flag = readFlag(line, at, end, escape);
    at = flag.end;
    // A bare `--` ends the flags and is no argument itself.
    if (flag.name === '' && flag.value === undefined) break;
    // Mostly there is one: a list that is pushed to has room for sixteen more.
    if (flags === undefined) split.flags = flags = [flag];
    else flags.push(flag);
    // Mostly one blank.
    at = text.charCodeAt(at + 1) > 32 && text.charCodeAt(at) === 32 ? at + 1 : skipFlagSpace(text, at, end);
  }
  return at;
}

function splitArguments(
  split: ParsedLine,
  kind: InstructionKind,
  form: ArgumentForm,
  line: LogicalLine,
  start: number,
  end: number,
  escape: number,
  depth: number,
): void {
  switch (form) {
    case 'words':
      split.words = splitPlain(line, start, end);
      return;
    case 'text':
      split.words = [new LineWord(line, start, end)];
      return;
    case 'json-or-words':
      if (!takeJson(split, line, start, end)) split.words = splitPlain(line, start, end);
      return;
    case 'json-or-text':
      if (!takeJson(split, line, start, end)) split.words = [new LineWord(line, start, end)];
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
        split.words = [new LineWord(line, start, end)];
        return;
      }
      const trigger = splitInstruction(line, start, end, escape, depth + 1);
      split.words = [trigger.keyword];
      split.inner = trigger;
      if (trigger.problem !== undefined) split.problem = trigger.problem;
    }
  }
}

/** Whether the text is a JSON array, be it a bad one. */
function takeJson(split: ParsedLine, line: LogicalLine, start: number, end: number): boolean {
  const json = line.text.charCodeAt(start) === 91 ? readJsonArray(line, start, end) : undefined;
  if (json === undefined) return false;
  if (json.type === 'array') {
    split.words = json.items;
    split.json = true;
  } else {
    const message = 'when using JSON array syntax, arrays must be comprised of strings only';
    const found = line.text.slice(json.start, json.end);
    const hint = /^[[{]/.test(found) ? 'write one list of strings, without another inside' : `put ${found} in double quotes`;
    split.problem = { message, hint, start: json.start, end: json.end };
  }
  return true;
}

function splitHealthcheck(split: ParsedLine, line: LogicalLine, start: number, end: number): void {
  const { text } = line;
  let stop = start;
  while (stop < end && !isSpace(text.charCodeAt(stop))) stop += 1;
  const type = new LineWord(line, start, stop);
  const command = skipSpace(text, stop, end);
  if (command < end && !takeJson(split, line, command, end)) split.words = [new LineWord(line, command, end)];
  split.words = [type, ...split.words];
}

function splitPairs(split: ParsedLine, kind: InstructionKind, line: LogicalLine, start: number, end: number, escape: number): void {
  const { text } = line;
  // Mostly there is one pair: a list that is pushed to has room for sixteen more.
  let parts: LineWord[] | undefined;
  let equals = -1;
  for (let at = start; at < end;) {
    const stop = quotedWordEnd(text, at, end, escape);
    const kept = keptEnd(stop, end);
    if (equals < at) equals = nextEquals(text, at);
    if (equals < kept) {
      const name = new LineWord(line, at, equals);
      const value = new LineWord(line, equals + 1, kept);
      if (parts === undefined) split.words = parts = [name, value];
      else parts.push(name, value);
    } else if (kept > at) {
      if (parts === undefined && split.problem === undefined) {
        legacyPair(split, kind, line, start, end);
        return;
      }
      // One is enough: the words behind it belong to the same value most of the time.
      split.problem ??= noEquals(line, at, kept);
    }
    at = skipSpace(text, stop, end);
  }
}

/** Looked for once for all words in front of it: without one, many words cost no more than one. */
function nextEquals(text: string, start: number): number {
  const equals = text.indexOf('=', start);
  return equals < 0 ? Infinity : equals;
}

function noEquals(line: LogicalLine, start: number, end: number): SpanProblem {
  const word = line.text.slice(start, end);
  const message = `Syntax error - can't find = in ${quote(word)}. Must be of the form: name=value`;
  const hint = word.startsWith('#') ? 'a comment has a line of its own' : 'a value with spaces needs quotes: name="a value"';
  return { message, hint, start, end };
}

/** `ENV name and all the rest`: one pair. */
function legacyPair(split: ParsedLine, kind: InstructionKind, line: LogicalLine, start: number, end: number): void {
  const { text } = line;
  const stop = plainWordEnd(text, start, end);
  const name = new LineWord(line, start, stop);
  const from = skipPlainSpace(text, stop, end);
  if (from >= end) {
    split.words = [name];
    split.problem = { message: `${kind} must have two arguments`, hint: `write ${kind} ${name.text}=value`, start, end: stop };
    return;
  }
  split.words = [name, new LineWord(line, from, end)];
}
