// The elements that an expression writes out, without evaluating them.

import type { Node } from './node.ts';
import type { Expression } from './tree.ts';

/** What stands in `[ … ]`; undefined: the expression is no such list. */
export function itemsOf(expression: Expression): readonly Expression[] | undefined {
  const node = expression as Node;
  return node.kind === 'tuple' ? node.items : undefined;
}
