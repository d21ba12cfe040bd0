// `$NAME`, `${NAME}`, `${NAME:-default}` and its relatives, as Compose files and `.env` have them.

import { at, mistake } from '../mistake.ts';
import type { Node } from './tree.ts';

export type Lookup = (name: string) => string | undefined;

const NAME = /[_a-z][_a-z0-9]*/iy;

/** A text with variables replaced. `$$` is one dollar; one that no name follows stays. */
export function substitute(text: string, lookup: Lookup): string {
  let result = '';
  for (let from = 0; ;) {
    const dollar = text.indexOf('$', from);
    if (dollar < 0) return result + text.slice(from);
    result += text.slice(from, dollar);
    const next = text[dollar + 1];
    if (next === '$') {
      result += '$';
      from = dollar + 2;
    } else if (next === '{') {
      const close = closingBrace(text, dollar + 1);
      if (close < 0) throw unreadable(text);
      result += braced(text.slice(dollar + 2, close), text, lookup);
      from = close + 1;
    } else {
      const name = nameAt(text, dollar + 1);
      result += name === '' ? '$' : (lookup(name) ?? '');
      from = dollar + 1 + name.length;
    }
  }
}

function nameAt(text: string, from: number): string {
  NAME.lastIndex = from;
  return NAME.exec(text)?.[0] ?? '';
}

/** Of the brace at `open`; nested ones are skipped. */
function closingBrace(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length; at += 1) {
    if (text[at] === '{') depth += 1;
    else if (text[at] === '}') {
      depth -= 1;
      if (depth === 0) return at;
    } else if (text[at] === '\n' && depth === 1) return -1;
  }
  return -1;
}

/** What is between braces: a name, and perhaps what to do where it is not set (or, with `:`, empty). */
function braced(inner: string, text: string, lookup: Lookup): string {
  const name = nameAt(inner, 0);
  const [, colon = '', operator, word = ''] = /^(:?)([-+?])([^]*)$/.exec(inner.slice(name.length)) ?? [];
  if (name === '' || (operator === undefined && name.length < inner.length)) throw unreadable(text);
  const value = lookup(name);
  const there = value !== undefined && (colon === '' || value !== '');
  if (operator === '-') return there ? value : substitute(word, lookup);
  if (operator === '+') return there ? substitute(word, lookup) : (value ?? '');
  if (operator === '?' && !there) {
    const reason = substitute(word, lookup);
    throw mistake(`required variable ${name} is missing a value${reason === '' ? '' : `: ${reason}`}`, {
      hint: `set it: ${name}=… in the environment or .env`,
    });
  }
  return value ?? '';
}

function unreadable(text: string): Error {
  return mistake(`invalid interpolation format: ${text}`, { hint: 'write ${NAME} or ${NAME:-default}; escape a $ with another $' });
}

/** A tree with variables replaced in all its texts. */
export function interpolate(node: Node, lookup: Lookup): Node {
  switch (node.kind) {
    case 'scalar':
      return typeof node.value === 'string' && node.value.includes('$')
        ? { ...node, value: at(node.at, () => substitute(node.value as string, lookup)) }
        : node;
    case 'list':
      return { ...node, items: node.items.map((item) => interpolate(item, lookup)) };
    case 'map':
      return { ...node, entries: new Map([...node.entries].map(([name, one]) => [name, interpolate(one, lookup)])) };
  }
}
