// Parts of a service, read as what they are.

import { targetName } from '../groups.ts';
import { mistake } from '../mistake.ts';
import { type Node, textOf } from './tree.ts';

export function textAt(node: Node | undefined): string | undefined {
  return node?.kind === 'scalar' && node.value !== null ? textOf(node) : undefined;
}

export function textsAt(node: Node | undefined): readonly string[] | undefined {
  return node?.kind === 'list' ? node.items.flatMap((item) => textAt(item) ?? []) : undefined;
}

export function flagAt(node: Node | undefined): boolean | undefined {
  if (node?.kind !== 'scalar' || node.value === null) return undefined;
  if (typeof node.value === 'boolean') return node.value;
  const word = textOf(node).toLowerCase();
  if (['true', 'y', 'yes', 'on'].includes(word)) return true;
  if (['false', 'n', 'no', 'off'].includes(word)) return false;
  throw mistake(`invalid boolean: ${word}`, { hint: 'write true or false', location: node.at });
}

/** A mapping, or a list of NAME=value; undefined: a name alone. */
export function pairsAt(node: Node | undefined): ReadonlyMap<string, string | undefined> | undefined {
  if (node?.kind === 'map') return new Map([...node.entries].map(([name, value]) => [name, textAt(value)]));
  if (node?.kind !== 'list') return undefined;
  return new Map(
    node.items.flatMap((item): [string, string | undefined][] => {
      const line = textAt(item) ?? '';
      const equals = line.indexOf('=');
      return [equals < 0 ? [line, undefined] : [line.slice(0, equals), line.slice(equals + 1)]];
    }),
  );
}

/** Another service is another target. */
export function namedContexts(contexts: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(contexts).map(([name, value]) => [
      name,
      value.replace(/^(?:service|target):([^]*)$/, (_, other: string) => `target:${targetName(other)}`),
    ]),
  );
}
