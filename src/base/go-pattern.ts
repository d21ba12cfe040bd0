// Regular expressions that somebody else writes: Go's syntax, as BuildKit reads it, and in time that grows with the text. One of
// JavaScript's own may take for ever over thirty characters, and nobody else would get a turn.

import { RE2JS } from 're2js';

/** Of a pattern, characters. Its length times that of the text is what a question costs. */
const MAX_PATTERN = 4096;

/** What the whole pattern and each of its groups stand for (`''`: nothing); undefined: no match. */
export type GoPattern = (text: string) => readonly string[] | undefined;

/** Reads a pattern. Throws an Error that says what is wrong with it. */
export function compileGoPattern(pattern: string): GoPattern {
  if (pattern.length > MAX_PATTERN) throw new Error(`error parsing regexp: longer than ${MAX_PATTERN} characters`);
  const compiled = RE2JS.compile(pattern);
  return (text) => {
    const matcher = compiled.matcher(text);
    if (!matcher.find()) return undefined;
    return Array.from({ length: matcher.groupCount() + 1 }, (_, group) => matcher.group(group) ?? '');
  };
}
