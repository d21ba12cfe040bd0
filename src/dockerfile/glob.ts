// Go's `filepath.Match`: `*`, `?`, `[a-z]`, `\` escapes. A `*` or `?` does not match a slash. Linear in text times pattern.

import { type BytePath, toBytePath } from '../base/index.ts';
import { bad, good, type Outcome } from './outcome.ts';

/** One element of a glob. Characters are code points. */
export type GlobToken =
  | { readonly type: 'literal'; readonly text: string }
  /** `?` */
  | { readonly type: 'any' }
  /** `*` */
  | { readonly type: 'star' }
  /** `**` with more behind it: nothing, or anything that ends in a slash. Ignore patterns only. */
  | { readonly type: 'directories' }
  /** `**` at the end. Ignore patterns only. */
  | { readonly type: 'rest' }
  | { readonly type: 'class'; readonly negated: boolean; readonly ranges: readonly (readonly [number, number])[] };

/** A compiled pattern. */
export interface Glob {
  readonly pattern: string;
  /** Without wildcards: the name it stands for. */
  readonly literal: BytePath | undefined;
  matches(path: BytePath): boolean;
}

/**
 * Compiles a pattern of `filepath.Match`. A malformed one is a problem: `syntax error in pattern`. `emptyRanges` false: so is `[2-1]`,
 * which matches nothing else.
 */
export function compileGlob(pattern: string, { emptyRanges = true }: { readonly emptyRanges?: boolean } = {}): Outcome<Glob> {
  const tokens = tokenize(pattern, { deep: false, emptyRanges });
  if (!tokens.ok) return tokens;
  const matcher = new TokenMatcher(tokens.value);
  const literal = tokens.value.every((token) => token.type === 'literal')
    ? toBytePath(tokens.value.map((token) => (token.type === 'literal' ? token.text : '')).join(''))
    : undefined;
  return good({ pattern, literal, matches: (path) => (literal === undefined ? matcher.matches(decodeBytes(path)) : path === literal) });
}

/** Whether a pattern has `*`, `?` or `[` that is not escaped. */
export function hasWildcards(pattern: string): boolean {
  return /^(?:[^*?[\\]|\\[^])*[*?[]/.test(pattern);
}

/** Takes a pattern apart. `deep`: `**` crosses slashes; else it is two stars, which are one. */
export function tokenize(
  pattern: string,
  { deep, emptyRanges }: { readonly deep: boolean; readonly emptyRanges: boolean },
): Outcome<readonly GlobToken[]> {
  const tokens: GlobToken[] = [];
  const chars = Array.from(pattern);
  let literal = '';
  let at = 0;
  const push = (token: GlobToken): void => {
    if (literal !== '') tokens.push({ type: 'literal', text: literal });
    literal = '';
    tokens.push(token);
  };
  while (at < chars.length) {
    const char = chars[at] ?? '';
    at += 1;
    if (char === '*') {
      if (!deep || chars[at] !== '*') {
        if (tokens.at(-1)?.type !== 'star' || literal !== '') push({ type: 'star' });
        continue;
      }
      at += 1;
      if (chars[at] === '/') at += 1;
      push({ type: at >= chars.length ? 'rest' : 'directories' });
    } else if (char === '?') push({ type: 'any' });
    else if (char === '[') {
      const parsed = parseClass(chars, at);
      if (parsed === undefined) return malformed(pattern, 'a [class] must be closed and not be empty');
      const empty = emptyRanges ? undefined : parsed.token.ranges.find(([low, high]) => low > high);
      if (empty !== undefined) {
        const [from, to] = empty.map((code) => String.fromCodePoint(code));
        return malformed(pattern, `the range ${from}-${to} is empty: write ${to}-${from}`);
      }
      at = parsed.end;
      push(parsed.token);
    } else if (char === '\\') {
      const next = chars[at];
      if (next === undefined) return malformed(pattern, 'nothing follows the last backslash');
      literal += next;
      at += 1;
    } else literal += char;
  }
  if (literal !== '') tokens.push({ type: 'literal', text: literal });
  return good(tokens);
}

function malformed(pattern: string, hint: string): Outcome<never> {
  return bad(`syntax error in pattern: ${pattern}`, hint);
}

function parseClass(chars: readonly string[], start: number): { token: Extract<GlobToken, { type: 'class' }>; end: number } | undefined {
  let at = start;
  const negated = chars[at] === '^';
  if (negated) at += 1;
  const ranges: [number, number][] = [];
  const bound = (): number | undefined => {
    let char = chars[at];
    if (char === undefined || char === '-' || char === ']') return undefined;
    if (char === '\\') {
      at += 1;
      char = chars[at];
    }
    at += 1;
    return char?.codePointAt(0);
  };
  while (chars[at] !== ']' || ranges.length === 0) {
    const low = bound();
    let high = low;
    if (chars[at] === '-') {
      at += 1;
      high = bound();
    }
    if (low === undefined || high === undefined || at >= chars.length) return undefined;
    ranges.push([low, high]);
  }
  return { token: { type: 'class', negated, ranges }, end: at + 1 };
}

/** A character, a wildcard, or the inside of a `directories`. */
type State = number | GlobToken | { readonly type: 'inside' };

/** Matches tokens against whole texts, stepping all states at once. */
export class TokenMatcher {
  readonly #states: readonly State[];
  readonly #start: string;
  readonly #end: string;
  /** The longest literal: a text without it cannot match, which is cheap to see. */
  readonly #longest: string;
  /** Step in which a state was last put in; spares a set per step. */
  readonly #marks: Int32Array;
  #stamp = 0;

  constructor(tokens: readonly GlobToken[]) {
    const states: State[] = [];
    let longest = '';
    for (const token of tokens) {
      if (token.type === 'literal') {
        for (const char of token.text) states.push(char.codePointAt(0) ?? 0);
        if (token.text.length > longest.length) longest = token.text;
      } else {
        states.push(token);
        if (token.type === 'directories') states.push({ type: 'inside' });
      }
    }
    this.#states = states;
    this.#marks = new Int32Array(states.length + 1);
    const first = tokens[0];
    const last = tokens.at(-1);
    this.#start = first?.type === 'literal' ? first.text : '';
    this.#end = last?.type === 'literal' ? last.text : '';
    this.#longest = longest;
  }

  /** Whether the whole of `text` matches. */
  matches(text: string): boolean {
    if (!text.startsWith(this.#start) || !text.endsWith(this.#end) || !text.includes(this.#longest)) return false;
    let current: number[] = [];
    let next: number[] = [];
    this.#beginStep();
    this.#add(current, 0);
    for (let at = 0; at < text.length; at += 1) {
      const code = text.codePointAt(at) ?? 0;
      if (code > 0xffff) at += 1;
      this.#beginStep();
      for (const state of current) this.#step(next, state, code);
      if (next.length === 0) return false;
      [current, next] = [next, current];
      next.length = 0;
    }
    return current.includes(this.#states.length);
  }

  #beginStep(): void {
    this.#stamp += 1;
    if (this.#stamp < 0x7fffffff) return;
    this.#marks.fill(0);
    this.#stamp = 1;
  }

  /** Puts a state in, and those that are reached from it without a character. */
  #add(list: number[], state: number): void {
    if (this.#marks[state] === this.#stamp) return;
    this.#marks[state] = this.#stamp;
    list.push(state);
    const token = this.#states[state];
    if (typeof token !== 'object') return;
    if (token.type === 'star' || token.type === 'rest') this.#add(list, state + 1);
    else if (token.type === 'directories') {
      this.#add(list, state + 1);
      this.#add(list, state + 2);
    }
  }

  #step(next: number[], state: number, code: number): void {
    const token = this.#states[state];
    if (token === undefined) return;
    if (typeof token === 'number') {
      if (token === code) this.#add(next, state + 1);
      return;
    }
    switch (token.type) {
      case 'any':
        if (code !== SLASH) this.#add(next, state + 1);
        return;
      case 'star':
        if (code !== SLASH) this.#add(next, state);
        return;
      case 'rest':
        if (code !== LINE_FEED) this.#add(next, state);
        return;
      case 'inside':
        if (code !== LINE_FEED) this.#add(next, state);
        if (code === SLASH) this.#add(next, state + 1);
        return;
      case 'class':
        if (token.ranges.some(([low, high]) => code >= low && code <= high) !== token.negated) this.#add(next, state + 1);
        return;
      case 'directories':
      case 'literal':
        return;
    }
  }
}

const SLASH = 47;
const LINE_FEED = 10;

/** Bytes to characters; a byte that is no UTF-8 becomes one replacement character, as in Go. */
export function decodeBytes(path: BytePath): string {
  if (!WIDE.test(path)) return path;
  const text = Buffer.from(path, 'latin1').toString('utf8');
  if (!text.includes('\ufffd')) return text;
  return path.replace(UTF8, (bytes) => (bytes.length === 1 ? '\ufffd' : Buffer.from(bytes, 'latin1').toString('utf8')));
}

const WIDE = /[\x80-\xff]/;
// A well-formed sequence of two to four bytes, or else one byte that is not ASCII.
const UTF8 =
  /[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|[\x80-\xff]/g;
