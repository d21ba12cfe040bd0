// Patterns for names of targets, as Go's `path.Match` has them: `*`, `?`, `[a-z]`, `\\` escapes. A `*` or `?` does not match a slash.

import { toBytePath } from '../base/index.ts';
import { compileGlob } from '../dockerfile/index.ts';
import { mistake } from './mistake.ts';

/** Whether `pattern` may stand for several names. */
export function isPattern(text: string): boolean {
  return /[*?[\]]/.test(text);
}

/** The test that a pattern stands for. Throws for one that cannot be read. */
export function namePattern(pattern: string): (name: string) => boolean {
  const glob = compileGlob(pattern);
  if (!glob.ok) throw mistake(`syntax error in pattern ${JSON.stringify(pattern)}`, { hint: 'close brackets, escape with \\' });
  return (name) => glob.value.matches(toBytePath(name));
}
