// Wildcards in COPY's sources, as Go's filepath.Match reads them: `*` and `?` stop at `/`, `[^a-z]`, `\` escapes.

import { type BytePath, fromBytePath, SlipwayError } from '../base/index.ts';

/** A compiled pattern. */
export interface Glob {
  /** Whether the whole path matches. */
  matches(path: BytePath): boolean;
  /** Whether something below `path` may match: its depth is not beyond the pattern's and its own names fit so far. */
  mayMatchBelow(path: BytePath): boolean;
}

type Token =
  | { readonly kind: 'star' | 'any' }
  | { readonly kind: 'literal'; readonly char: number }
  | { readonly kind: 'class'; readonly negated: boolean; readonly ranges: readonly (readonly [number, number])[] };

const SLASH = 47;

/** Whether an unescaped `*`, `?` or `[` is in the text. */
export function hasWildcard(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const char = text[index];
    if (char === '\\') index += 1;
    else if (char === '*' || char === '?' || char === '[') return true;
  }
  return false;
}

/** Splits an absolute path at its first component with a wildcard; `pattern` is empty when there is none. Both without leading `/`. */
export function splitWildcard(path: BytePath): { readonly base: BytePath; readonly pattern: BytePath } {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  const first = parts.findIndex(hasWildcard);
  if (first < 0) return { base: parts.join('/'), pattern: '' };
  return { base: parts.slice(0, first).join('/'), pattern: parts.slice(first).join('/') };
}

/** Compiles a relative pattern (bytes). Throws `COPY_PATTERN` for a malformed one. */
export function compileGlob(pattern: BytePath): Glob {
  const tokens = tokenize(fromBytePath(pattern));
  const simple = tokens.every((token) => token.kind !== 'class');
  const components = splitTokens(tokens);
  // A class may match `/` as well, so each one may add a level.
  const depth = components.length + tokens.filter((token) => token.kind === 'class').length;
  return {
    matches: (path) => matchTokens(tokens, codePoints(path)),
    mayMatchBelow: (path) => {
      const names = path.split('/');
      if (names.length >= depth) return false;
      return !simple || names.every((name, index) => matchTokens(components[index] ?? [], codePoints(name)));
    },
  };
}

function tokenize(pattern: string): Token[] {
  const chars = [...pattern];
  const bad = (): SlipwayError =>
    new SlipwayError('COPY_PATTERN', `syntax error in pattern: ${JSON.stringify(pattern)}`, {
      hint: 'escape a literal `[` or `\\` with a backslash',
    });
  const tokens: Token[] = [];
  for (let index = 0; index < chars.length; index += 1) {
    const char = chars[index] as string;
    if (char === '*') {
      if (tokens.at(-1)?.kind !== 'star') tokens.push({ kind: 'star' });
    } else if (char === '?') tokens.push({ kind: 'any' });
    else if (char === '[') {
      const ranges: [number, number][] = [];
      index += 1;
      const negated = chars[index] === '^';
      if (negated) index += 1;
      const bound = (): number => {
        if (chars[index] === '\\') index += 1;
        else if (chars[index] === '-' || chars[index] === ']') throw bad();
        const value = chars[index]?.codePointAt(0);
        index += 1;
        if (value === undefined || index >= chars.length) throw bad();
        return value;
      };
      while (chars[index] !== ']' || ranges.length === 0) {
        const low = bound();
        if (chars[index] !== '-') ranges.push([low, low]);
        else {
          index += 1;
          ranges.push([low, bound()]);
        }
      }
      tokens.push({ kind: 'class', negated, ranges });
    } else {
      if (char === '\\') index += 1;
      const literal = chars[index]?.codePointAt(0);
      if (literal === undefined) throw bad();
      tokens.push({ kind: 'literal', char: literal });
    }
  }
  return tokens;
}

function splitTokens(tokens: readonly Token[]): Token[][] {
  const components: Token[][] = [[]];
  for (const token of tokens) {
    if (token.kind === 'literal' && token.char === SLASH) components.push([]);
    else components.at(-1)?.push(token);
  }
  return components;
}

/** Two pointers; on a mismatch only the last star grows, which is complete because no star crosses a `/`. */
function matchTokens(tokens: readonly Token[], text: readonly number[]): boolean {
  let token = 0;
  let at = 0;
  let starToken = -1;
  let starAt = 0;
  while (at < text.length || token < tokens.length) {
    const current = tokens[token];
    if (current?.kind === 'star') {
      starToken = token;
      starAt = at;
      token += 1;
    } else if (current !== undefined && at < text.length && matchChar(current, text[at] as number)) {
      token += 1;
      at += 1;
    } else {
      if (starToken < 0 || starAt >= text.length || text[starAt] === SLASH) return false;
      starAt += 1;
      token = starToken + 1;
      at = starAt;
    }
  }
  return true;
}

function matchChar(token: Token, char: number): boolean {
  if (token.kind === 'literal') return token.char === char;
  if (token.kind === 'class') return token.ranges.some(([low, high]) => low <= char && char <= high) !== token.negated;
  return char !== SLASH;
}

function codePoints(path: BytePath): number[] {
  return Array.from(fromBytePath(path), (char) => char.codePointAt(0) as number);
}
