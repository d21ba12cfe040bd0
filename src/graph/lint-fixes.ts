// Edits that cure findings. Each answers `{}` where no edit is certain.

import type { Fix, Position, SourceRange } from '../base/index.ts';
import type { Word } from '../dockerfile/index.ts';

/** For spreading into what a finding carries. */
export interface MaybeFix {
  readonly fix?: Fix;
}

/** One replacement. */
export function replaceFix(title: string, range: SourceRange, text: string): MaybeFix {
  return { fix: { title, edits: [{ range, text }] } };
}

/** One removal. */
export function removalFix(title: string, start: Position, end: Position): MaybeFix {
  return replaceFix(title, { start, end }, '');
}

/** Where `$name` or `${name` stands: exactly, when its word is on one line and unchanged; else the word. */
export function variableRange(words: readonly Word[], name: string): SourceRange | undefined {
  return findVariable(words, name)?.range;
}

/** Another name for a variable. */
export function variableFix(words: readonly Word[], name: string, near: string | undefined): MaybeFix {
  const found = near === undefined ? undefined : findVariable(words, name);
  if (found === undefined || !found.exact || near === undefined) return {};
  const { end } = found.range;
  return replaceFix(`write ${near}`, { start: { line: end.line, column: end.column - name.length }, end }, near);
}

interface FoundVariable {
  readonly range: SourceRange;
  readonly exact: boolean;
}

function findVariable(words: readonly Word[], name: string): FoundVariable | undefined {
  for (const word of words) {
    const index = variableIndex(word.text, name);
    if (index < 0) continue;
    const { start, end } = word.range;
    const isVerbatim = start.line === end.line && end.column - start.column === word.text.length;
    if (!isVerbatim) return { range: word.range, exact: false };
    const at = { line: start.line, column: start.column + index };
    const braces = word.text.charAt(index + 1) === '{' ? 2 : 1;
    return { range: { start: at, end: { line: at.line, column: at.column + braces + name.length } }, exact: true };
  }
  return undefined;
}

/** Index of the `$` in front of the whole name; -1 when it is not there. */
function variableIndex(text: string, name: string): number {
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
    const start = text.charAt(at - 1) === '{' ? at - 2 : at - 1;
    if (text.charAt(start) === '$' && !/\w/.test(text.charAt(at + name.length))) return start;
  }
  return -1;
}

/** `name value` as `name="value"`. */
export function pairFix(name: Word, value: Word): MaybeFix {
  if (value.range.start.line !== value.range.end.line || /["\\`']/.test(value.text)) return {};
  const text = /^[\w./:@%+,=${}-]*$/.test(value.text) ? value.text : `"${value.text}"`;
  return replaceFix('write name=value', { start: name.range.start, end: value.range.end }, `${name.text}=${text}`);
}

/** A command of plain words as a JSON array. Anything the shell would look at is left to people. */
export function jsonFormFix(command: Word): MaybeFix & { readonly hint?: string } {
  if (COMMENTED_ARRAY.test(command.text)) return { hint: 'with a comment behind it, which needs a line of its own, this is no JSON array' };
  if (command.text.startsWith('[')) return brokenArrayFix(command);
  if (command.range.start.line !== command.range.end.line || !/^[\w./:@%+,= -]+$/.test(command.text)) return {};
  const words = command.text.trim().split(/ +/);
  if (words[0]?.includes('=') === true || BUILTINS.has(words[0] ?? '')) return {};
  return replaceFix('write a JSON array', command.range, jsonArray(words));
}

/** Strings as people write a JSON array of them. */
export function jsonArray(words: readonly string[]): string {
  return `[${words.map((word) => JSON.stringify(word)).join(', ')}]`;
}

/**
 * The strings that a text means which was to be a JSON array: `['a', "b"]`, `[a, b]`, `["a" "b"]`, `["a",]`, `["a"`. Undefined when it is
 * none, or nobody can say.
 */
export function brokenArrayItems(text: string): readonly string[] | undefined {
  const inside = /^\[(.*)$/.exec(text.trim())?.[1]?.replace(/\]$/, '');
  if (inside === undefined) return undefined;
  const items = inside.match(/'[^'"]*'|"[^"'\\]*"|[^\s,'"]+/g) ?? [];
  const left = items.reduce((rest, item) => rest.replace(item, ''), inside);
  return items.length === 0 || /[^\s,]/.test(left) ? undefined : items.map((item) => item.replace(/^(['"])(.*)\1$/, '$2'));
}

/** `["a"] # why`: the comment makes all of it a text for the shell. */
export const COMMENTED_ARRAY = /^\[.*\]\s+#[^"']*$/;

/** An array was meant, and a shell gets its text. */
function brokenArrayFix(command: Word): MaybeFix & { readonly hint: string } {
  const hint = 'this is no JSON array, so a shell gets it as it is: strings stand in double quotes, commas between them';
  const words = brokenArrayItems(command.text);
  if (words === undefined || command.range.start.line !== command.range.end.line) return { hint };
  return { hint, ...replaceFix('write a JSON array', command.range, jsonArray(words)) };
}

/** Words that only a shell knows. */
const BUILTINS = new Set(
  '. : alias cd eval exec exit export read set shift source test trap ulimit umask unset until wait while for if case'.split(' '),
);
