// A stack of layers seen as one tree, as overlayfs would show it, without mounting anything and without unpacking.

import { type BytePath, type Digest, fromBytePath, SlipwayError } from '../base/index.ts';
import type { Entry } from './entry.ts';
import { findEntry, subtreeEnd } from './layer-index.ts';
import type { FileBytes, LayerIndex, Tree } from './tree.ts';

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
    return shared ? `${(this.#layers[layer] as StackLayer).id}:${bytes.path}` : undefined;
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
      nodes.set(name, { entry: this.#visible(draft, childPath), written: draft.entry, layer: draft.layer, parts: draft.parts });
    }
    return nodes;
  }

  #visible(draft: Draft, path: BytePath): Entry {
    const { entry, layer } = draft;
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
