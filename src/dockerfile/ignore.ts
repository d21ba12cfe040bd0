// The `.dockerignore` file: text to patterns.

import { cleanPath } from './go-path.ts';
import { trimSpace } from './go-text.ts';

/** One rule of an ignore file. */
export interface IgnoreRule {
  /** For `PatternMatcher`: cleaned, without a leading slash, `!` kept. */
  readonly pattern: string;
  /** 1-based. */
  readonly line: number;
}

/** Reads an ignore file. A byte order mark, comments (`#` in the first column) and blank lines are left out. */
export function parseIgnoreRules(text: string): readonly IgnoreRule[] {
  const rules: IgnoreRule[] = [];
  const lines = (text.startsWith('\ufeff') ? text.slice(1) : text).split('\n');
  for (const [index, line] of lines.entries()) {
    if (line.startsWith('#')) continue;
    const rule = trimSpace(line);
    if (rule === '') continue;
    const inverted = rule.startsWith('!');
    const path = inverted ? trimSpace(rule.slice(1)) : rule;
    const cleaned = path === '' ? '' : cleanPath(path);
    const relative = cleaned.length > 1 && cleaned.startsWith('/') ? cleaned.slice(1) : cleaned;
    rules.push({ pattern: inverted ? `!${relative}` : relative, line: index + 1 });
  }
  return rules;
}

/** The patterns of an ignore file (text, not bytes), for `PatternMatcher.compile`. */
export function parseIgnore(text: string): readonly string[] {
  return parseIgnoreRules(text).map((rule) => rule.pattern);
}
