// Doc comments: what `--call=outline` and `--call=targets` show beside a name.

import type { Comment } from './ast.ts';

/** The rest of the first comment line that starts with `name` and a space. */
export function descriptionOf(comments: readonly Comment[], name: string): string | undefined {
  if (name === '' || comments.length === 0) return undefined;
  const start = `${name} `;
  return comments.find((comment) => comment.text.startsWith(start))?.text.slice(start.length);
}
