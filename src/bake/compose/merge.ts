// Compose's rules for a later file, or a service, on top of an earlier one, as far as building goes.

import { mistake } from '../mistake.ts';
import { type List, type Mapping, mappingOf, type Node, type Scalar, textNode, textOf } from './tree.ts';

/** By the path within a service: lists of NAME=value that are added up, a later value of a name in the place of the earlier. */
const ADDED_UP = new Set(['environment', 'build.args', 'build.additional_contexts', 'build.labels']);
/** Lists where a name comes once. */
const DISTINCT = new Set([...ADDED_UP, 'build.tags']);

/** Services and secrets of two documents. */
export function mergeSections(base: Mapping, later: Mapping, section: 'services' | 'secrets'): Mapping {
  const entries = new Map(base.entries);
  for (const [name, node] of later.entries) {
    const earlier = entries.get(name);
    entries.set(name, earlier === undefined ? node : section === 'services' ? mergeService(earlier, node) : mergeNode(earlier, node, name));
  }
  return { ...later, entries };
}

/** `later` on top of `base`. */
export function mergeService(base: Node, later: Node): Node {
  return mergeNode(base, later, '');
}

function mergeNode(base: Node, later: Node, path: string): Node {
  if (later.tag !== undefined) return later;
  if (path === 'build') return mergeMappings(asBuild(base), asBuild(later), path);
  if (ADDED_UP.has(path)) return distinct({ ...later, kind: 'list', items: [...pairsOf(base), ...pairsOf(later)] });
  if (path === 'env_file') return { kind: 'list', items: [...listed(base), ...listed(later)], at: later.at };
  if (path === 'build.extra_hosts') return mergeHosts(base, later);
  if (later.kind === 'scalar' && later.value === null) return base;
  if (base.kind === 'map') {
    if (later.kind !== 'map') throw cannotMerge(later, path, 'a mapping');
    return mergeMappings(base, later, path);
  }
  if (base.kind === 'list') {
    if (later.kind !== 'list') throw cannotMerge(later, path, 'a list');
    const list: List = { ...later, items: [...base.items, ...later.items] };
    return DISTINCT.has(path) ? distinct(list) : list;
  }
  return later;
}

function mergeMappings(base: Mapping, later: Mapping, path: string): Mapping {
  const entries = new Map(base.entries);
  for (const [name, node] of later.entries) {
    if (node.tag === 'reset') {
      entries.delete(name);
      continue;
    }
    const earlier = entries.get(name);
    entries.set(name, earlier === undefined ? node : mergeNode(earlier, node, path === '' ? name : `${path}.${name}`));
  }
  return { ...later, entries };
}

/** Where this section is a name alone, it is a folder. */
export function asBuild(node: Node): Mapping {
  if (node.kind === 'map') return node;
  return mappingOf(node.kind === 'scalar' && typeof node.value === 'string' ? [['context', node]] : [], node.at);
}

/** A mapping as lines of NAME=value, in order of the lines. */
function pairsOf(node: Node): readonly Node[] {
  if (node.kind === 'list') return node.items;
  if (node.kind === 'scalar') return typeof node.value === 'string' ? [node] : [];
  const lines = [...node.entries].flatMap(([name, value]): Scalar[] => {
    if (value.kind === 'map') return [];
    if (value.kind === 'list')
      return value.items.flatMap((item) => (item.kind === 'scalar' ? [textNode(`${name}=${textOf(item)}`, item.at)] : []));
    return [textNode(value.value === null ? name : `${name}=${textOf(value)}`, value.at)];
  });
  return lines.sort((a, b) => (textOf(a) < textOf(b) ? -1 : 1));
}

function listed(node: Node): readonly Node[] {
  return node.kind === 'list' ? node.items : [node];
}

function mergeHosts(base: Node, later: Node): Node {
  const earlier = pairsOf(base);
  const known = new Set(earlier.map((node) => (node.kind === 'scalar' ? textOf(node) : '')));
  const added = pairsOf(later).filter((node) => node.kind !== 'scalar' || !known.has(textOf(node)));
  return { kind: 'list', items: [...earlier, ...added], at: later.at };
}

function distinct(list: List): List {
  const byName = new Map<string, Node>();
  for (const item of list.items) byName.set(item.kind === 'scalar' ? (textOf(item).split('=', 1)[0] as string) : `#${byName.size}`, item);
  return { ...list, items: [...byName.values()] };
}

function cannotMerge(later: Node, path: string, what: string): Error {
  return mistake(`cannot override ${path}: it is ${what} in an earlier file`, {
    hint: `write ${what}, or put !override before it`,
    location: later.at,
  });
}
