// YAML as a tree whose every part knows its place: documents of Compose files, which are merged before they are understood.

import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node as YamlNode,
  parseAllDocuments,
  type Scalar as YamlScalar,
} from 'yaml';
import type { Position, SourceLocation, SourceRange, SourceText } from '../../base/index.ts';
import { mistake } from '../mistake.ts';

interface Placed {
  readonly at: SourceLocation;
  /** `!override`: takes the place of what it would be merged with; `!reset`: takes it away. */
  readonly tag?: 'reset' | 'override';
}

export interface Scalar extends Placed {
  readonly kind: 'scalar';
  readonly value: string | number | boolean | null;
}
export interface List extends Placed {
  readonly kind: 'list';
  readonly items: readonly Node[];
}
export interface Mapping extends Placed {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, Node>;
}
export type Node = Scalar | List | Mapping;

/** Of one document, aliases counted each time: a few lines may otherwise stand for more than there is memory. */
const MAX_NODES = 100_000;

/** All documents of a text. */
export function parseYaml(source: SourceText): readonly Mapping[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(source.text, { lineCounter: lines, merge: true, prettyErrors: false, logLevel: 'silent' });
  if (!Array.isArray(documents)) return [];
  return documents.flatMap((document: Document.Parsed) => {
    const [problem] = document.errors;
    if (problem !== undefined) {
      throw mistake(problem.message, { hint: 'write YAML: key: value, lists with -', location: placed(problem.pos) });
    }
    if (document.contents === null) return [];
    const root = new Reader(document, placed).read(document.contents);
    if (root.kind === 'map') return [root];
    if (root.kind === 'scalar' && root.value === null) return [];
    throw mistake('top-level object must be a mapping', { hint: 'write services: and what is to be built', location: root.at });
  });

  function placed([from, to]: readonly [number, number]): SourceLocation {
    const position = (offset: number): Position => {
      const { line, col } = lines.linePos(offset);
      return { line, column: Math.max(0, col - 1) };
    };
    const range: SourceRange = { start: position(from), end: position(Math.max(from, to)) };
    return { source, range };
  }
}

class Reader {
  readonly #document: Document.Parsed;
  readonly #placed: (range: readonly [number, number]) => SourceLocation;
  #count = 0;

  constructor(document: Document.Parsed, placed: (range: readonly [number, number]) => SourceLocation) {
    this.#document = document;
    this.#placed = placed;
  }

  read(node: YamlNode | null, depth = 0): Node {
    const at = this.#placed([node?.range?.[0] ?? 0, node?.range?.[1] ?? 0]);
    this.#count += 1;
    if (this.#count > MAX_NODES) throw mistake(`more than ${MAX_NODES} nodes in one document`, { hint: 'use fewer aliases', location: at });
    if (depth > 200)
      throw mistake('an alias contains itself, or the file nests too deeply', { hint: 'write it without the alias', location: at });
    if (isAlias(node)) {
      const target = node.resolve(this.#document);
      if (target === undefined)
        throw mistake(`unknown anchor '${node.source}' referenced`, { hint: `write &${node.source} where it is defined`, location: at });
      return this.read(target, depth + 1);
    }
    const tag = node?.tag === '!reset' ? { tag: 'reset' as const } : node?.tag === '!override' ? { tag: 'override' as const } : {};
    if (isSeq(node)) return { kind: 'list', items: node.items.map((item) => this.read(item as YamlNode, depth + 1)), at, ...tag };
    if (isMap(node)) return { kind: 'map', entries: this.#entries(node.items as unknown as readonly YamlPair[], depth), at, ...tag };
    const value = isScalar(node) ? scalarValue(node) : null;
    return { kind: 'scalar', value, at, ...tag };
  }

  /** What `<<` brings stands behind what is written. */
  #entries(items: readonly YamlPair[], depth: number): ReadonlyMap<string, Node> {
    const own = new Map<string, Node>();
    const merged = new Map<string, Node>();
    for (const { key, value } of items) {
      const name = this.#key(key);
      if (name !== '<<' || (isScalar(key) && key.type !== 'PLAIN')) {
        own.set(name, this.read(value, depth + 1));
        continue;
      }
      const brought = this.read(value, depth + 1);
      for (const one of brought.kind === 'list' ? brought.items : [brought]) {
        if (one.kind !== 'map')
          throw mistake('map merge requires map or sequence of maps as the value', { hint: 'write <<: *anchor', location: one.at });
        for (const [inner, node] of one.entries) if (!merged.has(inner)) merged.set(inner, node);
      }
    }
    for (const [name, node] of merged) if (!own.has(name)) own.set(name, node);
    return own;
  }

  #key(key: YamlNode | null): string {
    const value = isScalar(key) ? key.value : undefined;
    if (typeof value === 'string') return value;
    if (isScalar(key) && typeof key.value === 'symbol') return '<<';
    const location = this.#placed([key?.range?.[0] ?? 0, key?.range?.[1] ?? 0]);
    throw mistake(`non-string key ${String(value)}`, { hint: `quote it: "${String(value)}"`, location });
  }
}

interface YamlPair {
  readonly key: YamlNode | null;
  readonly value: YamlNode | null;
}

function scalarValue({ value, source, type }: YamlScalar): Scalar['value'] {
  if (type === 'PLAIN' && source !== undefined) return plainValue(source) ?? known(value, source);
  return known(value, source);
}

function known(value: unknown, source: string | undefined): Scalar['value'] {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || value === null) return value;
  return source ?? String(value);
}

/** What Compose's reader knows from YAML 1.1: numbers in base 8 with a leading zero, or with `_` in them, and points in time. */
function plainValue(source: string): Scalar['value'] | undefined {
  if (/^[-+]?0[0-7_]*[0-7]$/.test(source)) return Number.parseInt(source.replaceAll('_', ''), 8);
  if (/^[1-9][0-9]{15,}$/.test(source)) return source; // all digits, as text
  if (/^[-+]?[1-9][0-9_]*_[0-9_]*$/.test(source)) return Number(source.replaceAll('_', ''));
  if (/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(source) && !Number.isNaN(Date.parse(source))) return `${source} 00:00:00 +0000 UTC`;
  return undefined;
}

/** A scalar as text: what an argument or a label has for a number or a boolean. */
export function textOf({ value }: Scalar): string {
  return String(value);
}

/** A member of a mapping. */
export function member(node: Node | undefined, name: string): Node | undefined {
  return node?.kind === 'map' ? node.entries.get(name) : undefined;
}

export function mappingOf(entries: Iterable<readonly [string, Node]>, at: SourceLocation): Mapping {
  return { kind: 'map', entries: new Map(entries), at };
}

export function textNode(value: string, at: SourceLocation): Scalar {
  return { kind: 'scalar', value, at };
}
