// Patterns for names of targets, as Go's `path.Match` has them: `*`, `?`, `[a-z]`, `\` escapes. A `*` or `?` does not match a slash.

import { mistake } from './mistake.ts';

/** Whether `pattern` may stand for several names. */
export function isPattern(text: string): boolean {
  return /[*?[\]]/.test(text);
}

/** The test that a pattern stands for. Throws for one that cannot be read. */
export function namePattern(pattern: string): (name: string) => boolean {
  const parts: string[] = [];
  for (let at = 0; at < pattern.length; at += 1) {
    const char = pattern[at] as string;
    if (char === '*') parts.push('[^/]*');
    else if (char === '?') parts.push('[^/]');
    else if (char === '[') {
      const list = /^\[(\^?)((?:\\.|[^\]\\-])(?:-(?:\\.|[^\]\\-]))?(?:(?:\\.|[^\]\\-])(?:-(?:\\.|[^\]\\-]))?)*)\]/s.exec(pattern.slice(at));
      if (list === null) throw unreadable(pattern);
      parts.push(`[${list[1] as string}${(list[2] as string).replace(/(?<!\\)[[^]/g, '\\$&')}]`);
      at += list[0].length - 1;
    } else if (char === '\\') {
      at += 1;
      if (at === pattern.length) throw unreadable(pattern);
      parts.push(literal(pattern[at] as string));
    } else parts.push(literal(char));
  }
  // Stars that follow one another are one: several would take time that grows with a power of the name's length.
  const test = new RegExp(`^${parts.filter((part, index) => part !== '[^/]*' || parts[index - 1] !== part).join('')}$`, 's');
  return (name) => test.test(name);
}

function literal(char: string): string {
  return char.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}

function unreadable(pattern: string): Error {
  return mistake(`syntax error in pattern ${JSON.stringify(pattern)}`, { hint: 'close brackets, escape with \\' });
}
