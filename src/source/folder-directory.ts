// What was seen in one directory of a folder. Of what is remembered nothing is made before somebody asks: an unchanged folder of many files
// is stamps beside a cache file.

import type { BytePath, Digest } from '../base/index.ts';
import type { Entry, EntryRows } from '../layer/index.ts';
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK, Stamp, STAMP, STAMP_WORDS } from '../sys/index.ts';
import type { SpoolFile } from './file-spool.ts';
import {
  encodeStatBlock,
  SLOT_DIGEST,
  SLOT_PLAIN,
  SLOT_SEARCH,
  SLOT_STEADY,
  type StatBlock,
  type StatListing,
  type StatSlot,
} from './stat-block.ts';

/** A file or directory as it was seen. */
export interface FolderNode {
  readonly entry: Entry;
  /** What stat said. */
  readonly stamp: Stamp;
  digest: Digest | undefined;
  /** Where the bytes that gave the digest are kept until the build ends: which of a share. */
  spooled: { readonly share: SpooledFiles; readonly at: number } | undefined;
  /** It is remembered from an earlier look, with its digest if it is a file. */
  readonly known: boolean;
  /** Whether what was seen may be remembered. */
  readonly steady: boolean;
}

/** Files that one thread kept, by their number. */
export interface SpooledFiles {
  readonly file: SpoolFile;
  readonly offsets: Float64Array;
  /** Length of the header before a file's bytes; 0: there is none. */
  readonly headers: Uint32Array;
  /** What the headers say beside what was seen. */
  readonly paths: readonly BytePath[];
  readonly owner: { readonly uid: number; readonly gid: number };
}

export const KINDS: Readonly<Record<number, Entry['kind']>> = {
  [S_IFREG]: 'file',
  [S_IFDIR]: 'dir',
  [S_IFLNK]: 'symlink',
  [S_IFIFO]: 'fifo',
  [S_IFSOCK]: 'socket',
  [S_IFCHR]: 'char',
  [S_IFBLK]: 'block',
};

/** Equal for all names of one file; undefined when it has one. */
export function linkKeyOf({ entry, stamp }: FolderNode): string | undefined {
  return entry.kind === 'file' && stamp.links > 1 ? stamp.identity : undefined;
}

/** What is in a directory, names sorted. */
export class FolderDirectory implements EntryRows {
  readonly path: BytePath;
  readonly count: number;
  /** The block that remembers it; its slots are these. */
  readonly block: StatBlock | undefined;
  /** What stat said of the directory itself before it was listed, if that will show a change. */
  own: Stamp | undefined;
  /** All is as the block says, and nothing else is there. */
  readonly same: boolean;
  /** Stamps of `block`'s slots as they are now, from `base` on. */
  readonly #words: Uint32Array;
  readonly #base: number;
  readonly #listing: StatListing | undefined;
  #names: readonly BytePath[] | undefined;
  #nodes: (FolderNode | undefined)[] | undefined;
  #entries: readonly Entry[] | undefined;
  #cursor: Stamp | undefined;

  private constructor(
    path: BytePath,
    count: number,
    block: StatBlock | undefined,
    stamps: { readonly words: Uint32Array; readonly base: number },
    nodes: (FolderNode | undefined)[] | undefined,
    listing: StatListing | undefined,
  ) {
    this.path = path;
    this.count = count;
    this.block = block;
    this.same = block !== undefined && nodes === undefined;
    this.#words = stamps.words;
    this.#base = stamps.base;
    this.#nodes = nodes;
    this.#listing = listing;
  }

  /** A directory that was looked at closely. `listing` is what the kernel said, if it was asked so. */
  static seen(path: BytePath, names: readonly BytePath[], nodes: FolderNode[], listing: StatListing | undefined): FolderDirectory {
    const directory = new FolderDirectory(path, nodes.length, undefined, NO_STAMPS, nodes, listing);
    directory.#names = names;
    return directory;
  }

  /** A directory that lists what `block` does. `changed` has nodes of those slots whose stamps differ; undefined: none does. */
  static remembered(
    path: BytePath,
    block: StatBlock,
    stamps: { readonly words: Uint32Array; readonly base: number },
    changed: (FolderNode | undefined)[] | undefined,
    listing: StatListing | undefined,
  ): FolderDirectory {
    return new FolderDirectory(path, block.count, block, stamps, changed, listing);
  }

  get names(): readonly BytePath[] {
    const { block } = this;
    return (this.#names ??= block === undefined ? [] : Array.from({ length: this.count }, (_, slot) => block.name(slot)));
  }

  get entries(): readonly Entry[] {
    return (this.#entries ??= Array.from({ length: this.count }, (_, slot) => this.node(slot).entry));
  }

  name(slot: number): BytePath {
    return this.#names?.[slot] ?? (this.block as StatBlock).name(slot);
  }

  node(slot: number): FolderNode {
    const nodes = (this.#nodes ??= new Array<FolderNode | undefined>(this.count));
    return (nodes[slot] ??= this.#remember(slot));
  }

  /** Its stamp, if that will show a change. */
  steadyStamp(slot: number): Stamp | undefined {
    const fresh = this.fresh(slot);
    if (fresh === undefined) return this.#stamp(slot);
    return fresh.steady ? fresh.stamp : undefined;
  }

  /** The node if the slot is more than a memory. */
  fresh(slot: number): FolderNode | undefined {
    return this.#nodes?.[slot];
  }

  find(name: BytePath): FolderNode | undefined {
    const { names } = this;
    let low = 0;
    let high = this.count - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const candidate = names[middle] as BytePath;
      if (candidate === name) return this.node(middle);
      if (candidate < name) low = middle + 1;
      else high = middle - 1;
    }
    return undefined;
  }

  get bytes(): Buffer {
    return (this.block as StatBlock).bytes;
  }

  /** It is a memory, of a file or a directory. */
  isPlain(slot: number): boolean {
    if (this.block === undefined || this.#nodes?.[slot] !== undefined) return false;
    const type = (this.#words[this.#stampAt(slot) + STAMP.mode] as number) & S_IFMT;
    return type === S_IFREG || type === S_IFDIR;
  }

  mode(slot: number): number {
    const fresh = this.fresh(slot);
    return fresh === undefined ? (this.#words[this.#stampAt(slot) + STAMP.mode] as number) : fresh.stamp.mode;
  }

  isDirectory(slot: number): boolean {
    return (this.mode(slot) & S_IFMT) === S_IFDIR;
  }

  size(slot: number): number {
    return (this.fresh(slot)?.stamp ?? this.#stampHere(slot)).size;
  }

  modified(slot: number): number {
    return this.#stampHere(slot).modified;
  }

  modifiedNs(slot: number): number {
    return this.#stampHere(slot).modifiedNs;
  }

  nameStart(slot: number): number {
    return (this.block as StatBlock).nameStart(slot);
  }

  nameEnd(slot: number): number {
    return (this.block as StatBlock).nameEnd(slot);
  }

  digest(slot: number): number {
    return (this.block as StatBlock).digests + slot * 32;
  }

  #stamp(slot: number): Stamp {
    return new Stamp(this.#words, this.#stampAt(slot));
  }

  /** The slot's stamp, until the next one is asked for. */
  #stampHere(slot: number): Stamp {
    const cursor = (this.#cursor ??= this.#stamp(slot));
    cursor.at = this.#stampAt(slot);
    return cursor;
  }

  /** What the next look needs of it, and whether that is what the block says already. `listed`: with what the kernel listed, if it was asked so. */
  encode(listed: boolean): Buffer {
    if (this.same) {
      const block = this.block as StatBlock;
      return this.own === undefined || block.isOwn(this.own) ? block.encoded : block.withOwn(this.own);
    }
    const nodes = Array.from({ length: this.count }, (_, slot) => this.node(slot));
    const slots = nodes.map((node, slot) => slotOf(this.name(slot), node, this.#isSearched(slot)));
    const whole = listed && this.#listing !== undefined && nodes.every(isWhole);
    return encodeStatBlock(this.path, slots, whole ? this.#listing : undefined, this.own);
  }

  #isSearched(slot: number): boolean {
    return this.#listing?.searched?.has(slot) ?? (this.block !== undefined && (this.block.flags(slot) & SLOT_SEARCH) !== 0);
  }

  #stampAt(slot: number): number {
    return this.#base + slot * STAMP_WORDS;
  }

  /** What the block says: it has no attributes, and its stamp is the remembered one. */
  #remember(slot: number): FolderNode {
    const block = this.block as StatBlock;
    const stamp = this.#stamp(slot);
    const kind = KINDS[stamp.mode & S_IFMT] ?? 'file';
    const name = block.name(slot);
    const path = this.path === '' ? name : `${this.path}/${name}`;
    const link = kind === 'symlink' ? block.link(slot) : undefined;
    const digest = block.digest(slot);
    const entry = entryOf(path, kind, stamp, link, undefined, digest);
    return { entry, stamp, digest, spooled: undefined, known: true, steady: true };
  }
}

const NO_STAMPS = { words: new Uint32Array(0), base: 0 };

/** The entry of what was seen: root's. */
export function entryOf(
  path: BytePath,
  kind: Entry['kind'],
  stamp: Stamp,
  link: BytePath | undefined,
  xattrs: Readonly<Record<string, string>> | undefined,
  digest?: Digest,
): Entry {
  const entry: { -readonly [key in keyof Entry]: Entry[key] } = {
    path,
    kind,
    mode: kind === 'symlink' ? 0o777 : stamp.mode & 0o7777,
    uid: 0,
    gid: 0,
    size: kind === 'file' ? stamp.size : 0,
    mtime: stamp.modified,
    mtimeNs: stamp.modifiedNs,
  };
  if (digest !== undefined) entry.digest = digest;
  if (link !== undefined) entry.link = link;
  if (xattrs !== undefined) entry.xattrs = xattrs;
  if (kind === 'char' || kind === 'block') {
    entry.devMajor = stamp.devMajor;
    entry.devMinor = stamp.devMinor;
  }
  return entry;
}

/** For the cache. */
export function slotOf(name: BytePath, node: FolderNode, searched = false): StatSlot {
  const { entry, stamp, digest, steady } = node;
  const flags =
    (steady ? SLOT_STEADY : 0) |
    (digest === undefined ? 0 : SLOT_DIGEST) |
    (entry.xattrs === undefined ? SLOT_PLAIN : 0) |
    (searched ? SLOT_SEARCH : 0);
  return { name, words: stamp.words, at: stamp.at, digest, link: entry.link, flags };
}

/** Whether all of it can be remembered. */
function isWhole({ entry, digest, steady }: FolderNode): boolean {
  return steady && entry.xattrs === undefined && (entry.kind !== 'file' || digest !== undefined || entry.size === 0);
}
