// `x-bake` in a build section: what Bake knows and Compose does not.

import { distinctEntries, lastOfEach, parseAgent, parseCaches, parseOutput, parseSecret } from '../entries.ts';
import type { TargetDefinition } from '../definition.ts';
import { at, mistake } from '../mistake.ts';
import { type Mapping, member, type Node, textOf } from './tree.ts';
import { namedContexts } from './values.ts';

/** `target` with what `x-bake` adds and sets. */
export function extendTarget(target: TargetDefinition, node: Node | undefined): TargetDefinition {
  if (node === undefined || (node.kind === 'scalar' && node.value === null)) return target;
  if (node.kind !== 'map')
    throw mistake('x-bake must be a mapping', { hint: 'write tags:, platforms: and so on below it', location: node.at });
  const words = (key: string): readonly string[] => wordsAt(member(node, key), key);
  const read = <T>(key: string, parse: (text: string) => T): readonly T[] => {
    const list = words(key).filter((text) => text !== '');
    return at(member(node, key)?.at, () => list.map(parse));
  };
  const change: Record<string, unknown> = {};
  const add = <T>(name: keyof TargetDefinition, added: readonly T[], join: (all: readonly T[]) => readonly T[]): void => {
    if (added.length > 0) change[name] = join([...((target[name] ?? []) as readonly T[]), ...added]);
  };
  add('tags', words('tags'), distinct);
  add('cacheFrom', read('cache-from', parseCaches).flat(), distinctEntries);
  add('cacheTo', read('cache-to', parseCaches).flat(), distinctEntries);
  add('secrets', read('secret', parseSecret), (all) => lastOfEach(all, ({ id = '' }) => id));
  add('ssh', read('ssh', parseAgent), (all) => [...lastOfEach(all, ({ id }) => id)].sort((a, b) => (a.id < b.id ? -1 : 1)));
  add('platforms', words('platforms'), distinct);
  add('outputs', read('output', parseOutput), distinctEntries);
  add('noCacheFilter', words('no-cache-filter'), distinct);
  const flags = { pull: flagOf(node, 'pull'), noCache: flagOf(node, 'no-cache') };
  for (const [name, value] of Object.entries(flags)) if (value !== undefined) change[name] = value;
  const contexts = contextsOf(node);
  if (contexts !== undefined) change['contexts'] = { ...contexts, ...target.contexts };
  return { ...target, ...change };
}

const distinct = <T>(all: readonly T[]): readonly T[] => [...new Set(all)];

/** A list, or words of one text. */
function wordsAt(node: Node | undefined, key: string): readonly string[] {
  if (node === undefined || (node.kind === 'scalar' && node.value === null)) return [];
  if (node.kind === 'scalar')
    return textOf(node)
      .split(/\s+/)
      .filter((word) => word !== '');
  if (node.kind === 'list' && node.items.every((item) => item.kind === 'scalar'))
    return node.items.map((item) => (item.kind === 'scalar' && item.value !== null ? textOf(item) : ''));
  throw mistake(`x-bake.${key} must be a list of texts`, { hint: 'write one text on each line, with - before it', location: node.at });
}

function flagOf(node: Mapping, key: string): boolean | undefined {
  const value = member(node, key);
  if (value === undefined || (value.kind === 'scalar' && value.value === null)) return undefined;
  if (value.kind === 'scalar' && typeof value.value === 'boolean') return value.value;
  throw mistake(`x-bake.${key} must be true or false`, { hint: 'write true or false, without quotes', location: value.at });
}

function contextsOf(node: Mapping): Record<string, string> | undefined {
  const contexts = member(node, 'contexts');
  if (contexts?.kind !== 'map' || contexts.entries.size === 0) return undefined;
  return namedContexts(
    Object.fromEntries(
      [...contexts.entries].map(([name, value]) => [name, value.kind === 'scalar' && value.value !== null ? textOf(value) : '']),
    ),
  );
}
