// The patterns of `${name#pattern}` and `${name/pattern/…}`: `*` and `?` only. Matched in linear time by stepping all
// states at once, so that no pattern can make a build hang. Neither wildcard crosses a line feed.

import { bad, good, type Outcome } from './outcome.ts';

/** A pattern taken apart: each element is one character that must stand there, `any` one, or `many`. */
export type TextPattern = readonly (string | typeof ANY | typeof MANY)[];

const ANY = Symbol('?');
const MANY = Symbol('*');

/** Reads a pattern. `\*`, `\?` and `\\` are literal; `\/` and `\}` lose their escape; any other escape is an error. */
export function parseTextPattern(pattern: string): Outcome<TextPattern> {
  const out: (string | typeof ANY | typeof MANY)[] = [];
  const chars = Array.from(pattern);
  for (let at = 0; at < chars.length; at += 1) {
    const char = chars[at] ?? '';
    if (char === '*') {
      if (out.at(-1) !== MANY) out.push(MANY);
    } else if (char === '?') out.push(ANY);
    else if (char === '\\') {
      const next = chars[at + 1];
      if (next === '}' || next === '/') continue;
      if (next !== '*' && next !== '?' && next !== '\\') {
        return bad(`invalid escape '\\${next ?? ''}'`, 'only \\*, \\?, \\\\, \\/ and \\} can be escaped in a pattern');
      }
      out.push(next);
      at += 1;
    } else out.push(char);
  }
  return good(out);
}

/** Length, in UTF-16 units, of the shortest or longest start of `text` that the pattern matches; undefined for none. */
export function matchPrefix(pattern: TextPattern, text: string, longest: boolean): number | undefined {
  let states = reach(pattern, new Set([0]));
  let found: number | undefined;
  let length = 0;
  for (const char of [...text, undefined]) {
    if (states.has(pattern.length)) {
      found = length;
      if (!longest) return found;
    }
    if (char === undefined || states.size === 0) break;
    states = reach(pattern, step(pattern, states, char));
    length += char.length;
  }
  return found;
}

/** Like `matchPrefix`, from the end: how many units of the end are matched. */
export function matchSuffix(pattern: TextPattern, text: string, longest: boolean): number | undefined {
  return matchPrefix([...pattern].reverse(), Array.from(text).reverse().join(''), longest);
}

/** Replaces the leftmost longest match, or all that do not overlap. An empty match that touches the one before is none. */
export function replacePattern(pattern: TextPattern, text: string, replacement: string, all: boolean): string {
  const chars = Array.from(text);
  let out = '';
  let at = 0;
  let lastEnd = -1;
  while (at <= chars.length) {
    const match = leftmostLongest(pattern, chars, at);
    if (match === undefined) break;
    const [start, end] = match;
    out += chars.slice(at, start).join('');
    if (end > start || start !== lastEnd) out += replacement;
    if (end > start) at = end;
    else {
      out += chars[start] ?? '';
      at = start + 1;
    }
    lastEnd = end;
    if (!all) break;
  }
  return out + chars.slice(at).join('');
}

function accepts(element: TextPattern[number] | undefined, char: string): boolean {
  return element === char || ((element === ANY || element === MANY) && char !== '\n');
}

/** States after `char`; a `many` stays where it is. */
function step(pattern: TextPattern, states: ReadonlySet<number>, char: string): Set<number> {
  const next = new Set<number>();
  for (const state of states) {
    const element = pattern[state];
    if (accepts(element, char)) next.add(element === MANY ? state : state + 1);
  }
  return next;
}

/** Adds what is reached without a character: a `many` may match nothing. */
function reach(pattern: TextPattern, states: Set<number>): Set<number> {
  for (const state of states) if (pattern[state] === MANY) states.add(state + 1);
  return states;
}

/** All states at once, each with the leftmost start that leads to it. */
function leftmostLongest(pattern: TextPattern, chars: readonly string[], from: number): [number, number] | undefined {
  const size = pattern.length + 1;
  let starts = new Float64Array(size).fill(Infinity);
  let best: [number, number] | undefined;
  for (let at = from; at <= chars.length; at += 1) {
    if (best === undefined && starts[0] === Infinity) starts[0] = at;
    let alive = false;
    for (let state = 0; state < size; state += 1) {
      const start = starts[state] ?? Infinity;
      if (start === Infinity) continue;
      if (best !== undefined && start > best[0]) {
        starts[state] = Infinity;
        continue;
      }
      alive = true;
      if (pattern[state] === MANY && start < (starts[state + 1] ?? Infinity)) starts[state + 1] = start;
      if (state === pattern.length) best = best !== undefined && best[0] < start ? best : [start, at];
    }
    if (at === chars.length || (best !== undefined && !alive)) break;
    const char = chars[at] ?? '';
    const next = new Float64Array(size).fill(Infinity);
    for (let state = 0; state < pattern.length; state += 1) {
      const start = starts[state] ?? Infinity;
      if (start === Infinity || !accepts(pattern[state], char)) continue;
      const target = pattern[state] === MANY ? state : state + 1;
      if (start < (next[target] ?? Infinity)) next[target] = start;
    }
    starts = next;
  }
  return best;
}
