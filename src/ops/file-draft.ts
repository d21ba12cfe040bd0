// A root filesystem while file actions change it: the tree below, and what is different. What is different becomes one layer.

import { closeSync, openSync, readSync } from 'node:fs';
import { baseName, type BytePath, type Digest, SlipwayError } from '../base/index.ts';
import { checkPathLength, type Entry, type FileBytes, type RowChange, type Tree } from '../layer/index.ts';
import { FolderTree } from '../source/index.ts';
import { changed, type EntryMeta, placed } from './entry-meta.ts';

/** Where a new file's bytes come from. */
export type ByteSource =
  /** A file of a tree. */
  | { readonly kind: 'tree'; readonly tree: Tree; readonly entry: Entry }
  | { readonly kind: 'data'; readonly data: Uint8Array }
  /** A piece of a file: an archive taken apart. `of` is a path of ours, or a file of a tree. */
  | {
      readonly kind: 'part';
      readonly of: string | { readonly tree: Tree; readonly entry: Entry };
      readonly offset: number;
      readonly size: number;
    };

/** An entry of the new layer, with its digest when that is known. `bytes` is there for kind `file` with a size. Hardlinks name the entry that has the bytes. */
export interface DraftEntry {
  readonly entry: Entry;
  readonly bytes?: ByteSource;
}

/** All that is in a directory of a user's folder, copied as one piece. */
export interface Graft {
  readonly tree: FolderTree;
  /** The directory whose content it is. */
  readonly path: BytePath;
  readonly change: RowChange;
  /** How many things it is. */
  readonly count: number;
}

/** A graft among what changed: right behind the directory that it is in. */
export interface DraftGraft {
  readonly graft: Graft;
  /** Path of that directory. */
  readonly below: BytePath;
}

/** What changed. */
export type DraftItem = DraftEntry | DraftGraft;

/** Everything of an entry but its place. Names of one file share it, and so do changes to it. */
export interface Inode {
  /** May be an entry of some tree: only what an EntryMeta says is read of it. */
  meta: EntryMeta;
  bytes?: ByteSource | undefined;
  /** How many places it was put at. */
  names?: number;
}

/** One place of the changed tree. A handle is good until something above it is removed or replaced. */
export class DraftNode {
  readonly path: BytePath;
  readonly #draft: Draft;
  readonly #parent: DraftNode | undefined;
  #children: Map<BytePath, DraftNode> | undefined;
  /** What was put here; null: it was removed; undefined: as below. */
  #now: Inode | null | undefined;
  /** Nothing below this path is taken from the base any more. */
  #hidesBase = false;
  #base: Entry | undefined | null = null;
  /** What is in this directory, as long as nobody looks into it. */
  #graft: Graft | undefined;

  constructor(draft: Draft, parent: DraftNode | undefined, path: BytePath) {
    this.#draft = draft;
    this.#parent = parent;
    this.path = path;
  }

  /** What is here. */
  get entry(): Entry | undefined {
    if (this.#now === null) return undefined;
    return this.#now === undefined ? this.#baseEntry() : placed(this.path, this.#now.meta);
  }

  /** What kind of thing is here. */
  get kind(): Entry['kind'] | undefined {
    if (this.#now === null) return undefined;
    return this.#now === undefined ? this.#baseEntry()?.kind : this.#now.meta.kind;
  }

  child(name: BytePath): DraftNode {
    this.#expand();
    let node = this.#children?.get(name);
    if (node === undefined) {
      const path = this.path === '' ? name : `${this.path}/${name}`;
      checkPathLength(path);
      node = new DraftNode(this.#draft, this, path);
      (this.#children ??= new Map<BytePath, DraftNode>()).set(name, node);
    }
    return node;
  }

  /** Names of what is in this directory, sorted. */
  names(): BytePath[] {
    if (this.entry?.kind !== 'dir') return [];
    this.#expand();
    const names = new Set(this.#seesBase() ? this.#draft.base.list(this.path) : []);
    for (const [name, node] of this.#children ?? []) {
      if (node.entry === undefined) names.delete(name);
      else names.add(name);
    }
    return [...names].sort();
  }

  /** Puts something here in place of what was. A directory over a directory keeps what is in it. */
  put(inode: Inode): void {
    if (inode.meta.kind !== 'dir' || this.kind !== 'dir') this.#hidesBase = true;
    if (inode.meta.kind !== 'dir') this.#children = this.#graft = undefined;
    inode.names = (inode.names ?? 0) + 1;
    this.#now = inode;
  }

  /** Puts a whole directory's content into this one, which is empty. */
  graft(graft: Graft): void {
    this.#graft = graft;
  }

  /** Makes the graft's first level, whose directories have the rest. */
  #expand(): void {
    const graft = this.#graft;
    if (graft === undefined) return;
    this.#graft = undefined;
    const { tree, change } = graft;
    for (const entry of tree.entries(graft.path)) {
      const node = this.child(baseName(entry.path));
      node.put({ meta: changed(entry, change), bytes: entry.kind === 'file' ? sourceOf(tree, entry) : undefined });
      if (entry.kind === 'dir') node.graft({ ...graft, path: entry.path, count: tree.countBelow(entry.path) ?? 0 });
    }
  }

  /** Removes what is here with everything below. */
  remove(): void {
    this.#children = this.#graft = undefined;
    this.#hidesBase = true;
    this.#now = null;
  }

  /** Where the bytes of the file here come from. */
  get bytes(): ByteSource | undefined {
    if (this.#now === null) return undefined;
    if (this.#now !== undefined) return this.#now.bytes;
    const entry = this.#baseEntry();
    return entry === undefined ? undefined : sourceOf(this.#draft.base, entry);
  }

  /** The file that is here, to be given another name; a file of the base becomes part of the layer. */
  inode(): Inode | undefined {
    if (this.#now === null) return undefined;
    if (this.#now === undefined) {
      const entry = this.#baseEntry();
      if (entry === undefined) return undefined;
      this.#now = { meta: entry, bytes: entry.kind === 'file' ? sourceOf(this.#draft.base, entry) : undefined, names: 1 };
    }
    return this.#now;
  }

  /** For the draft: appends what changed here and below. */
  collect(into: DraftItem[], firstNames: Map<Inode, BytePath>): void {
    const own = into.length;
    const isRoot = this.#parent === undefined;
    if (this.#now === null) {
      if (!isRoot && this.#baseEntry() !== undefined) into.push({ entry: whiteout(this.path) });
      return;
    }
    if (this.#now !== undefined && !isRoot) into.push(this.#draftEntry(this.#now, firstNames));
    if (this.#graft !== undefined) into.push({ graft: this.#graft, below: this.path });
    if (this.#children !== undefined) {
      for (const name of [...this.#children.keys()].sort()) this.#children.get(name)?.collect(into, firstNames);
    }
    // Overlay and tar alike need the directories on the way to a change, as they are.
    if (this.#now === undefined && !isRoot && into.length > own) into.splice(own, 0, { entry: stripped(this.#baseEntry(), this.path) });
  }

  #draftEntry(inode: Inode, firstNames: Map<Inode, BytePath>): DraftEntry {
    const { meta, bytes, names = 0 } = inode;
    if (meta.kind === 'dir') {
      const entry = placed(this.path, meta);
      return { entry: this.#hidesBase && this.#baseEntry()?.kind === 'dir' ? { ...entry, opaque: true } : entry };
    }
    if (names > 1) {
      const first = firstNames.get(inode);
      if (first !== undefined) return { entry: { ...placed(this.path, meta), kind: 'hardlink', size: 0, link: first } };
      firstNames.set(inode, this.path);
    }
    if (bytes === undefined || meta.size === 0) return { entry: placed(this.path, meta) };
    return { entry: placed(this.path, meta, knownDigest(bytes)), bytes };
  }

  #baseEntry(): Entry | undefined {
    if (this.#base === null) {
      const visible = this.#parent === undefined || this.#parent.#seesBase();
      this.#base = visible ? this.#draft.base.lookup(this.path) : undefined;
      if (this.#base === undefined && this.#parent === undefined) this.#base = ROOT;
    }
    return this.#base;
  }

  /** Whether names in this directory are looked up in the base. */
  #seesBase(): boolean {
    return !this.#hidesBase && (this.#parent === undefined || this.#baseEntry()?.kind === 'dir');
  }
}

/** The changes of one FileOp action chain over a base tree. */
export class Draft {
  readonly base: Tree;
  readonly root: DraftNode;

  constructor(base: Tree) {
    this.base = base;
    this.root = new DraftNode(this, undefined, '');
  }

  /** The place of a path; symlinks are not followed. */
  at(path: BytePath): DraftNode {
    let node = this.root;
    if (path !== '') for (const name of path.split('/')) node = node.child(name);
    return node;
  }

  lookup(path: BytePath): Entry | undefined {
    return this.at(path).entry;
  }

  /** What changed, sorted: new entries, whiteouts for what is gone, and the unchanged directories that lead there. */
  finish(): DraftItem[] {
    const items: DraftItem[] = [];
    this.root.collect(items, new Map());
    return items;
  }
}

/** The changed tree to read from: a later action copies from an earlier one's result. Bytes are asked for by `sourceOf`. */
export class DraftTree implements Tree {
  readonly #draft: Draft;

  constructor(draft: Draft) {
    this.#draft = draft;
  }

  lookup(path: BytePath): Entry | undefined {
    return this.#draft.lookup(path);
  }

  list(path: BytePath): readonly BytePath[] {
    return this.#draft.at(path).names();
  }

  /** Where the bytes of a file here come from; undefined for an empty one. */
  source(path: BytePath): ByteSource | undefined {
    return this.#draft.at(path).bytes;
  }

  open(entry: Entry): FileBytes {
    throw new Error(`internal: /${entry.path} of a draft is not a file yet`);
  }

  digest(entry: Entry): Digest {
    throw new Error(`internal: /${entry.path} of a draft has no digest yet`);
  }

  linkKey(): string | undefined {
    return undefined;
  }
}

/** Where the bytes of an entry of any tree come from. */
export function sourceOf(tree: Tree, entry: Entry): ByteSource | undefined {
  if (entry.size === 0) return undefined;
  return tree instanceof DraftTree ? tree.source(entry.path) : { kind: 'tree', tree, entry };
}

/** Reads bytes whole; for small files. Throws `FILE_TOO_LARGE` beyond `limit`. */
export function readSource(source: ByteSource | undefined, limit: number, name: string): Buffer {
  if (source === undefined) return Buffer.alloc(0);
  if (source.kind === 'data') return Buffer.from(source.data.buffer, source.data.byteOffset, source.data.byteLength);
  using bytes = openSource(source);
  if (bytes.size > limit) throw new SlipwayError('FILE_TOO_LARGE', `${name} exceeds ${limit} bytes`);
  const buffer = Buffer.alloc(bytes.size);
  for (let at = 0; at < buffer.length;) {
    const count = readSync(bytes.fd, buffer, at, buffer.length - at, bytes.offset + at);
    if (count === 0) throw new SlipwayError('FILE_CHANGED', `${name} became shorter while it was read`);
    at += count;
  }
  return buffer;
}

/** Digest of bytes where no reading is needed to know it. */
function knownDigest(source: ByteSource): Digest | undefined {
  if (source.kind !== 'tree') return undefined;
  const { tree, entry } = source;
  return entry.digest ?? (tree instanceof FolderTree ? tree.node(entry.path)?.digest : undefined);
}

/** Opens bytes that are in a file. */
export function openSource(source: Exclude<ByteSource, { kind: 'data' }>): FileBytes {
  if (source.kind === 'tree') return source.tree.open(source.entry);
  const { of, offset, size } = source;
  if (typeof of === 'string') {
    const fd = openSync(of, 'r');
    return { fd, offset, size, [Symbol.dispose]: () => closeSync(fd) };
  }
  const whole = of.tree.open(of.entry);
  return { fd: whole.fd, offset, size, [Symbol.dispose]: () => whole[Symbol.dispose]() };
}

/** A tree with nothing in it: `FROM scratch`. */
export const EMPTY_TREE: Tree = {
  lookup: (path) => (path === '' ? ROOT : undefined),
  list: () => [],
  open: (entry) => {
    throw new SlipwayError('FILE_MISSING', `no file /${entry.path} in an empty filesystem`);
  },
  digest: (entry) => {
    throw new SlipwayError('FILE_MISSING', `no file /${entry.path} in an empty filesystem`);
  },
  linkKey: () => undefined,
};

const ROOT: Entry = { path: '', kind: 'dir', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0, mtimeNs: 0 };

function whiteout(path: BytePath): Entry {
  return { path, kind: 'whiteout', mode: 0, uid: 0, gid: 0, size: 0, mtime: 0, mtimeNs: 0 };
}

function stripped(entry: Entry | undefined, path: BytePath): Entry {
  if (entry === undefined) throw new Error(`internal: a change below /${path}, which does not exist`);
  return placed(path, entry);
}
