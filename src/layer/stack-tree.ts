// A stack of layers seen as one tree, as overlayfs would show it, without mounting anything and without unpacking.

import { type BytePath, type Digest, fromBytePath, SlipwayError } from '../base/index.ts';
import type { Entry } from './entry.ts';
import { findEntry, subtreeEnd } from './layer-index.ts';
import type { FileBytes, FoundEntry, LayerIndex, Tree } from './tree.ts';

/** One layer of a stack. */
export interface StackLayer {
  /** Unique in the store: part of link keys. */
  readonly id: string;
  readonly index: LayerIndex;
  /** Opens the bytes of a file of this layer. Throws LAYER_BYTES_ABSENT when only the index is here. */
  open(entry: Entry): FileBytes;
}

/** A run of one layer's entries: what it has below a directory. */
interface Part {
  readonly layer: number;
  readonly from: number;
  readonly to: number;
}

/** What stands at a path, and for a directory what it is merged from, topmost first. */
interface Node {
  readonly entry: Entry;
  /** As the layer lists it. */
  readonly written: Entry | undefined;
  readonly layer: number;
  readonly parts: readonly Part[];
}

const ROOT: Entry = { path: '', kind: 'dir', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0, mtimeNs: 0 };
const NOTHING: readonly BytePath[] = [];

/** Tree over layers, lowest first. Directories are merged when they are first looked into. */
export class StackTree implements Tree {
  readonly #layers: readonly StackLayer[];
  readonly #directories = new Map<BytePath, ReadonlyMap<BytePath, Node> | undefined>();
  readonly #names = new Map<BytePath, readonly BytePath[]>();
  /** Which layer an entry that we gave came from, and the entry that has its bytes. */
  readonly #origins = new WeakMap<Entry, { readonly layer: number; readonly bytes: Entry; readonly shared: boolean }>();
  readonly #shared: (ReadonlySet<BytePath> | undefined)[] = [];
  readonly #root: Node;

  constructor(layers: readonly StackLayer[]) {
    this.#layers = layers;
    const parts: Part[] = [];
    let entry: Entry | undefined;
    for (let layer = layers.length - 1; layer >= 0; layer -= 1) {
      const { entries } = (layers[layer] as StackLayer).index;
      const own = entries[0]?.path === '' ? entries[0] : undefined;
      entry ??= own;
      parts.push({ layer, from: own === undefined ? 0 : 1, to: entries.length });
      if (own?.opaque === true) break;
    }
    this.#root = { entry: withoutOpaque(entry ?? ROOT), written: undefined, layer: -1, parts };
  }

  lookup(path: BytePath): Entry | undefined {
    const node = this.#node(path);
    if (node === undefined) return undefined;
    return this.#given(node);
  }

  list(path: BytePath): readonly BytePath[] {
    let names = this.#names.get(path);
    if (names === undefined) {
      const directory = this.#directory(path);
      names = directory === undefined ? NOTHING : [...directory.keys()].sort();
      this.#names.set(path, names);
    }
    return names;
  }

  entries(path: BytePath): readonly Entry[] {
    const directory = this.#directory(path);
    return this.list(path).map((name) => this.#given(directory?.get(name) as Node));
  }

  walk(): Iterable<FoundEntry> {
    return this.#walk('', this.#root.parts);
  }

  open(entry: Entry): FileBytes {
    const { layer, bytes } = this.#origin(entry);
    return (this.#layers[layer] as StackLayer).open(bytes);
  }

  digest(entry: Entry): Digest {
    const digest = entry.digest ?? this.#origin(entry).bytes.digest;
    if (digest === undefined) throw new Error(`internal: the index has no digest for ${fromBytePath(entry.path)}`);
    return digest;
  }

  linkKey(entry: Entry): string | undefined {
    const { layer, bytes, shared } = this.#origin(entry);
    return shared ? linkKeyOf(this.#layers[layer] as StackLayer, bytes) : undefined;
  }

  /** Id of the layer that an entry's facts come from; undefined for the root and for directories that no layer lists. */
  layerOf(entry: Entry): string | undefined {
    const { layer } = this.#origin(entry);
    return this.#layers[layer]?.id;
  }

  /** The entry as callers see it: hard links resolved, remembered for `open`. */
  #given(node: Node): Entry {
    const known = this.#origins.get(node.entry);
    if (known !== undefined) return node.entry;
    this.#origins.set(node.entry, this.#originOf(node));
    return node.entry;
  }

  #originOf(node: Node): { readonly layer: number; readonly bytes: Entry; readonly shared: boolean } {
    const { layer, entry, written } = node;
    if (layer < 0 || entry.kind === 'dir') return { layer, bytes: entry, shared: false };
    const { entries } = (this.#layers[layer] as StackLayer).index;
    if (written?.kind !== 'hardlink') return { layer, bytes: entry, shared: this.#sharedPaths(layer).has(entry.path) };
    return { layer, bytes: entries[findEntry(entries, written.link ?? '')] ?? entry, shared: true };
  }

  #origin(entry: Entry): { readonly layer: number; readonly bytes: Entry; readonly shared: boolean } {
    const known = this.#origins.get(entry);
    if (known !== undefined) return known;
    // A copy of an entry of ours: the same path with the same bytes.
    const node = this.#node(entry.path);
    if (node === undefined || node.entry.kind !== entry.kind || (entry.digest !== undefined && node.entry.digest !== entry.digest)) {
      throw new Error(`internal: not an entry of this tree: ${fromBytePath(entry.path)}`);
    }
    return this.#originOf(node);
  }

  /** What is below a directory. What one layer alone has is gone through as the layer lists it: nothing is merged. */
  #walk(path: BytePath, parts: readonly Part[]): Iterable<FoundEntry> {
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? this.#walkPart(path, only) : this.#walkMerged(path);
  }

  *#walkMerged(path: BytePath): Generator<FoundEntry, void, void> {
    const directory = this.#directory(path);
    for (const name of this.list(path)) {
      const node = directory?.get(name) as Node;
      yield this.#found(node);
      if (node.parts.length > 0) yield* this.#walk(node.entry.path, node.parts);
    }
  }

  *#walkPart(top: BytePath, { layer, from, to }: Part): Generator<FoundEntry, void, void> {
    const { entries } = (this.#layers[layer] as StackLayer).index;
    /** The directory that the walk is in, as a prefix; and the last path that has nothing below, whatever the layer says. */
    let inside = top === '' ? '' : `${top}/`;
    let leaf: BytePath | undefined;
    for (let at = from; at < to; at += 1) {
      const written = entries[at] as Entry;
      const { path, kind } = written;
      if (leaf !== undefined && isBelow(path, leaf)) continue;
      while (!path.startsWith(inside)) inside = inside.slice(0, inside.lastIndexOf('/', inside.length - 2) + 1);
      // Directories that the layer does not list itself.
      for (let slash = path.indexOf('/', inside.length); slash >= 0; slash = path.indexOf('/', slash + 1)) {
        inside = path.slice(0, slash + 1);
        yield this.#found({ entry: { ...ROOT, path: path.slice(0, slash) }, written: undefined, layer: -1, parts: [] });
      }
      if (kind === 'dir') {
        inside = `${path}/`;
        leaf = undefined;
      } else leaf = path;
      if (kind !== 'whiteout') yield this.#found({ entry: this.#visible(written, layer, path), written, layer, parts: [] });
    }
  }

  #found(node: Node): FoundEntry {
    const { layer, bytes, shared } = this.#originOf(node);
    const from = this.#layers[layer];
    return new FoundInLayer(node.entry, from, bytes, from !== undefined && shared ? linkKeyOf(from, bytes) : undefined);
  }

  #sharedPaths(layer: number): ReadonlySet<BytePath> {
    let shared = this.#shared[layer];
    if (shared === undefined) {
      const targets = new Set<BytePath>();
      for (const entry of (this.#layers[layer] as StackLayer).index.entries) if (entry.kind === 'hardlink') targets.add(entry.link ?? '');
      this.#shared[layer] = shared = targets;
    }
    return shared;
  }

  #node(path: BytePath): Node | undefined {
    if (path === '') return this.#root;
    const slash = path.lastIndexOf('/');
    return this.#directory(slash < 0 ? '' : path.slice(0, slash))?.get(path.slice(slash + 1));
  }

  #directory(path: BytePath): ReadonlyMap<BytePath, Node> | undefined {
    const known = this.#directories.get(path);
    if (known !== undefined || this.#directories.has(path)) return known;
    const node = this.#node(path);
    const directory = node?.entry.kind === 'dir' ? this.#merge(path, node.parts) : undefined;
    this.#directories.set(path, directory);
    return directory;
  }

  #merge(path: BytePath, parts: readonly Part[]): ReadonlyMap<BytePath, Node> {
    const merged = new Map<BytePath, Draft>();
    const skip = path === '' ? 0 : path.length + 1;
    for (const part of parts) {
      const { entries } = (this.#layers[part.layer] as StackLayer).index;
      for (let at = part.from; at < part.to;) {
        const first = entries[at] as Entry;
        const slash = first.path.indexOf('/', skip);
        const childPath = slash < 0 ? first.path : first.path.slice(0, slash);
        const name = childPath.slice(skip);
        // Not listed by the layer itself: it only has something below.
        const own = slash < 0 ? first : undefined;
        const inside = own === undefined ? at : at + 1;
        const mayHaveBelow = own === undefined || own.kind === 'dir';
        const end = mayHaveBelow && inside < part.to ? subtreeEnd(entries, childPath, at, part.to) : inside;
        let draft = merged.get(name);
        if (draft === undefined) merged.set(name, (draft = { entry: undefined, layer: -1, parts: [], open: true, gone: false }));
        addPart(draft, own, { layer: part.layer, from: inside, to: end });
        at = end;
      }
    }
    const nodes = new Map<BytePath, Node>();
    for (const [name, draft] of merged) {
      if (draft.gone) continue;
      const childPath = path === '' ? name : `${path}/${name}`;
      nodes.set(name, {
        entry: this.#visible(draft.entry, draft.layer, childPath),
        written: draft.entry,
        layer: draft.layer,
        parts: draft.parts,
      });
    }
    return nodes;
  }

  /** What a layer's entry is seen as. */
  #visible(entry: Entry | undefined, layer: number, path: BytePath): Entry {
    if (entry === undefined) return { ...ROOT, path };
    if (entry.kind !== 'hardlink') return withoutOpaque(entry);
    const { entries } = (this.#layers[layer] as StackLayer).index;
    const target = entries[findEntry(entries, entry.link ?? '')];
    if (target === undefined || target.kind === 'hardlink' || target.kind === 'dir' || target.kind === 'whiteout') {
      throw new SlipwayError('LAYER_INDEX_BROKEN', `hard link ${fromBytePath(path)} names nothing in its layer`);
    }
    return { ...target, path };
  }
}

class FoundInLayer implements FoundEntry {
  readonly entry: Entry;
  readonly linkKey: string | undefined;
  readonly #layer: StackLayer | undefined;
  readonly #bytes: Entry;

  constructor(entry: Entry, layer: StackLayer | undefined, bytes: Entry, linkKey: string | undefined) {
    this.entry = entry;
    this.linkKey = linkKey;
    this.#layer = layer;
    this.#bytes = bytes;
  }

  open(): FileBytes {
    if (this.#layer === undefined) throw new Error(`internal: no bytes for ${fromBytePath(this.entry.path)}`);
    return this.#layer.open(this.#bytes);
  }
}

function linkKeyOf(layer: StackLayer, bytes: Entry): string {
  return `${layer.id}:${bytes.path}`;
}

function isBelow(path: BytePath, above: BytePath): boolean {
  return path.charCodeAt(above.length) === SLASH && path.startsWith(above);
}

const SLASH = 47;

/** A name while layers are merged from the top down. `open`: lower layers may still add to it. */
interface Draft {
  entry: Entry | undefined;
  layer: number;
  parts: Part[];
  open: boolean;
  gone: boolean;
}

function addPart(draft: Draft, own: Entry | undefined, part: Part): void {
  if (!draft.open) return;
  const isDirectory = own === undefined || own.kind === 'dir';
  if (!isDirectory) {
    draft.open = false;
    // Below a directory of a higher layer it is hidden; on top it is what is seen.
    if (draft.parts.length > 0) return;
    draft.gone = own.kind === 'whiteout';
    draft.entry = own;
    draft.layer = part.layer;
    return;
  }
  draft.parts.push(part);
  if (draft.entry === undefined && own !== undefined) {
    draft.entry = own;
    draft.layer = part.layer;
  }
  if (own?.opaque === true) draft.open = false;
}

function withoutOpaque(entry: Entry): Entry {
  if (entry.opaque === undefined) return entry;
  const { opaque: _, ...rest } = entry;
  return rest;
}
