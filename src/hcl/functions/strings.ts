// Functions on strings.

import { byCodePoints } from '../order.ts';
import { Refusal } from '../scope.ts';
import { elementsOf, list, number, string, textOf, type Value } from '../value.ts';
import { define, defineVariadic, LIST_OF_STRING, type Table, whole } from './define.ts';

const SPACE = '[\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const SPACES_AROUND = new RegExp(`^${SPACE}+|${SPACE}+$`, 'g');
const SEPARATOR = new RegExp(`^(?:${SPACE}|(?![a-zA-Z0-9_])[\\x00-\\x7f])$`);

/** A string in, a string out. */
const simple = (change: (text: string) => string): Table[string] => define({ str: 'string' }, ({ str }) => string(change(textOf(str))));

export const STRINGS: Table = {
  basename: define({ path: 'string' }, ({ path }) => string(baseName(textOf(path)))),
  chomp: simple((text) => text.replace(/[\r\n]+$/, '')),
  dirname: define({ path: 'string' }, ({ path }) => string(folderOf(textOf(path)))),
  indent: define({ spaces: 'number', str: 'string' }, ({ spaces, str }) => {
    const count = whole(spaces, 0);
    if (count < 0 || count > 10_000) throw new Refusal('from 0 to 10000 spaces', 0);
    return string(textOf(str).replaceAll('\n', `\n${' '.repeat(count)}`));
  }),
  join: defineVariadic({ separator: 'string' }, ['lists', LIST_OF_STRING], ({ separator }, lists) =>
    string(joined(lists).join(textOf(separator))),
  ),
  lower: simple((text) => letterwise(text, (letter) => letter.toLowerCase())),
  replace: define({ str: 'string', substr: 'string', replace: 'string' }, ({ str, substr, replace }) =>
    string(replaced(textOf(str), textOf(substr), textOf(replace))),
  ),
  reverse: simple((text) => graphemes(text).reverse().join('')),
  sanitize: define({ name: 'string' }, ({ name }) => string(textOf(name).replace(/[^a-zA-Z0-9_-]/gu, '_'))),
  sort: define({ list: LIST_OF_STRING }, ({ list: given }) => list('string', sorted(given))),
  split: define({ separator: 'string', str: 'string' }, ({ separator, str }) => {
    const parts = textOf(separator) === '' ? [...textOf(str)] : textOf(str).split(textOf(separator));
    return list('string', parts.map(string));
  }),
  strlen: define({ str: 'string' }, ({ str }) => number(graphemes(textOf(str)).length)),
  substr: define({ str: 'string', offset: 'number', length: 'number' }, ({ str, offset, length }) =>
    string(part(graphemes(textOf(str)), whole(offset, 1), whole(length, 2))),
  ),
  title: simple(titled),
  trim: define({ str: 'string', cutset: 'string' }, ({ str, cutset }) => string(trimmed([...textOf(str)], new Set(textOf(cutset))))),
  trimprefix: define({ str: 'string', prefix: 'string' }, ({ str, prefix }) => {
    const [text, head] = [textOf(str), textOf(prefix)];
    return string(text.startsWith(head) ? text.slice(head.length) : text);
  }),
  trimspace: simple((text) => text.replace(SPACES_AROUND, '')),
  trimsuffix: define({ str: 'string', suffix: 'string' }, ({ str, suffix }) => {
    const [text, tail] = [textOf(str), textOf(suffix)];
    return string(text.endsWith(tail) ? text.slice(0, text.length - tail.length) : text);
  }),
  upper: simple((text) => letterwise(text, (letter) => letter.toUpperCase())),
};

const SEGMENTER = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** What people count as letters: an accent belongs to the letter that it stands on. */
export function graphemes(text: string): string[] {
  return [...SEGMENTER.segment(text)].map(({ segment }) => segment);
}

/** One letter stays one letter: `ß` has no capital here. */
function letterwise(text: string, change: (letter: string) => string): string {
  return [...text]
    .map((letter) => {
      const changed = change(letter);
      return [...changed].length === 1 ? changed : letter;
    })
    .join('');
}

/** The first letter of each word as a capital. */
function titled(text: string): string {
  let before = ' ';
  return [...text]
    .map((letter) => {
      const begins = SEPARATOR.test(before);
      before = letter;
      return begins ? letterwise(letter, (one) => one.toUpperCase()) : letter;
    })
    .join('');
}

/** Nothing stands between any two characters, in front of the first and behind the last. */
function replaced(text: string, old: string, by: string): string {
  if (old !== '') return text.replaceAll(old, () => by);
  return `${by}${[...text].map((character) => character + by).join('')}`;
}

function trimmed(characters: readonly string[], cut: ReadonlySet<string>): string {
  let [start, end] = [0, characters.length];
  while (start < end && cut.has(characters[start] as string)) start += 1;
  while (end > start && cut.has(characters[end - 1] as string)) end -= 1;
  return characters.slice(start, end).join('');
}

/** From the end where the offset is negative; to the end where the length is. */
function part(letters: readonly string[], offset: number, length: number): string {
  if (offset >= 0 && length === 0) return '';
  const rest = letters.slice(Math.max(offset < 0 ? offset + letters.length : offset, 0));
  return (length <= 0 ? rest : rest.slice(0, length)).join('');
}

function joined(lists: readonly Value[]): readonly string[] {
  if (lists.length === 0) throw new Refusal('at least one list is wanted');
  return lists.flatMap((one, at) =>
    elementsOf(one).map((element, index) => {
      if (element.value === null) throw new Refusal(`element ${index} is null`, at + 1);
      return textOf(element);
    }),
  );
}

function sorted(given: Value): readonly Value[] {
  const elements = elementsOf(given);
  const missing = elements.findIndex(({ value }) => value === null);
  if (missing >= 0) throw new Refusal(`element ${missing} is null`, 0);
  return [...elements].sort((a, b) => byCodePoints(textOf(a), textOf(b)));
}

function baseName(path: string): string {
  if (path === '') return '.';
  const bare = path.replace(/\/+$/, '');
  return bare === '' ? '/' : bare.slice(bare.lastIndexOf('/') + 1);
}

function folderOf(path: string): string {
  return cleaned(path.slice(0, path.lastIndexOf('/') + 1));
}

/** The shortest path that means the same. */
function cleaned(path: string): string {
  const rooted = path.startsWith('/');
  const kept: string[] = [];
  for (const name of path.split('/')) {
    if (name === '' || name === '.') continue;
    if (name !== '..') kept.push(name);
    else if (kept.length > 0 && kept[kept.length - 1] !== '..') kept.pop();
    else if (!rooted) kept.push(name);
  }
  const whole = kept.join('/');
  if (rooted) return `/${whole}`;
  return whole === '' ? '.' : whole;
}
