// A user's folder as a tree: read lazily, patterns applied, everything owned by root, digests from the stat cache where they hold.

import { closeSync, readdirSync, statSync, type BigIntStats } from 'node:fs';
import { type BytePath, type Digest, digestHex, digestOf, errnoOf, fromBytePath, fsPath, SlipwayError, toBytePath } from '../base/index.ts';
import type { Entry, FileBytes, OwnPack, Tree } from '../layer/index.ts';
import { DirectoryReader, S_IFDIR, S_IFMT, S_IFREG, Stamp, STAMP, STAMP_WORDS } from '../sys/index.ts';
import { EMPTY_DIGEST, hashFile } from './file-hash.ts';
import { type FolderFilter, KEEP_ALL } from './filter.ts';
import { entryOf, FolderDirectory, type FolderNode, KINDS, linkKeyOf, slotOf } from './folder-directory.ts';
import { changed, FolderFiles, isGone, notFound, stampOf, unreadable } from './folder-files.ts';
import type { HeldFolders } from './held-folders.ts';
import { KnownTree } from './known-tree.ts';
import { showsNewNames } from './listing-times.ts';
import { isRacy } from './racy.ts';
import {
  encodeStatBlock,
  type FilterMark,
  NO_SLOT,
  SLOT_PLAIN,
  SLOT_STEADY,
  type StatBlock,
  type StatListing,
  type StatSlot,
} from './stat-block.ts';
import type { RememberedSelection, StatCache } from './stat-cache.ts';

export interface FolderOptions {
  readonly filter?: FolderFilter;
  /** Digests of an earlier look at this folder. */
  readonly cache?: StatCache;
  /** The clock, for the racy rule. */
  readonly now: () => Date;
}

/** What a walk learnt of a directory, for the stat cache. */
export interface RememberedDirectory {
  readonly path: BytePath;
  /** See `encodeStatBlock`. */
  readonly block: Buffer;
  /** All that is in it; undefined: it was not listed. */
  readonly names: (() => readonly BytePath[]) | undefined;
}

/** From so many files on, asking the kernel ourselves pays for loading what it takes. */
const LARGE = 1500;
const NO_DIRECTORY = FolderDirectory.seen('', [], [], undefined);
/** Words of an array that stamps are put into. */
const ARENA = 1 << 16;

/**
 * Tree over a folder. What it has once looked at stays as it was seen: a file that changes meanwhile is noticed when it is read
 * (`FILE_CHANGED`). Nothing outside the folder is read: symlinks are entries, never followed, not even those that replace a folder meanwhile.
 */
export class FolderTree implements Tree {
  readonly #files: FolderFiles;
  readonly #held: HeldFolders;
  readonly #filter: FolderFilter;
  readonly #cache: StatCache | undefined;
  readonly #now: () => Date;
  readonly #root: FolderNode;
  readonly #mark: FilterMark | undefined;
  /** A directory whose stamp is the remembered one lists what it did. */
  readonly #trustsListings: boolean;
  readonly #directories = new Map<BytePath, FolderDirectory>();
  /** Looked at alone, their directory not being listed. */
  readonly #single = new Map<BytePath, FolderNode | undefined>();
  readonly #states = new Map<BytePath, { readonly verdict: 'keep' | 'drop' | 'search'; readonly state: unknown }>();
  /** Selections whose digests were learnt. */
  readonly learnt = new Map<string, RememberedSelection>();
  /** How many things are below directories that were scanned. */
  readonly #scanned = new Map<BytePath, number>();
  #seen = 0;
  #last: { readonly path: BytePath; readonly directory: FolderDirectory } | undefined;
  /** Some file that was seen has several names. */
  #hasLinks = false;
  #reader: DirectoryReader | undefined;
  /** What is compared with its memory before anything is listed; undefined where that would not tell. */
  #known: KnownTree | undefined;
  #arena = new Uint32Array(0);
  #arenaUsed = 0;

  /** Throws `CONTEXT_NOT_FOUND` unless `path` is a directory, or a symlink to one. */
  constructor(path: string, options: FolderOptions) {
    this.#files = new FolderFiles(toBytePath(path));
    this.#held = this.#files.held;
    this.#filter = options.filter ?? KEEP_ALL;
    this.#cache = options.cache;
    this.#now = options.now;
    let stat: BigIntStats;
    try {
      stat = statSync(path, { bigint: true });
    } catch (error) {
      throw errnoOf(error) === 'ENOENT' ? notFound(path) : unreadable(path, error);
    }
    if (!stat.isDirectory()) throw notFound(path, 'it is not a directory');
    this.#seen = options.cache?.size ?? 0;
    this.#mark = this.#filter.id === undefined ? undefined : markOf(this.#filter.id);
    this.#root = this.#nodeOf('', stampOf(stat), undefined, -1);
    this.#trustsListings = this.#seen > LARGE && showsNewNames(path);
  }

  lookup(path: BytePath): Entry | undefined {
    return this.#node(path)?.entry;
  }

  list(path: BytePath): readonly BytePath[] {
    return this.#directory(path).names;
  }

  /** Entries of what `list` names, in its order. */
  entries(path: BytePath): readonly Entry[] {
    return this.#directory(path).entries;
  }

  /** Throws `FILE_CHANGED` when the file is not what was seen (unless the bytes that were hashed are at hand); the same when it is closed and changed while it was open. */
  open(entry: Entry): FileBytes {
    const node = this.#node(entry.path);
    if (node?.entry.kind !== 'file') throw new Error(`internal: no file ${fromBytePath(entry.path)} in this folder`);
    if (node.spooled !== undefined) return openSpooled(node, node.spooled);
    const fd = this.#files.open(node);
    return {
      fd,
      offset: 0,
      size: node.entry.size,
      [Symbol.dispose]: () => {
        try {
          this.#files.checkUnchanged(fd, node);
        } finally {
          closeSync(fd);
        }
      },
    };
  }

  digest(entry: Entry): Digest {
    const node = this.#node(entry.path);
    if (node === undefined) throw new Error(`internal: no file ${fromBytePath(entry.path)} in this folder`);
    if (node.digest !== undefined) return node.digest;
    if (node.entry.size === 0) return EMPTY_DIGEST;
    const fd = this.#files.open(node);
    try {
      const digest = hashFile(fd, node.entry.size);
      this.#files.checkUnchanged(fd, node);
      return (node.digest = digest);
    } finally {
      closeSync(fd);
    }
  }

  linkKey(entry: Entry): string | undefined {
    const node = this.#hasLinks ? this.#node(entry.path) : undefined;
    return node === undefined ? undefined : linkKeyOf(node);
  }

  /** Where a path is on this machine. */
  hostPath(path: BytePath): BytePath {
    return this.#files.hostPath(path);
  }

  /** The file's node, for those who hash many at once. */
  node(path: BytePath): FolderNode | undefined {
    return this.#node(path);
  }

  /** Whether patterns leave the path out although it is there: for a hint. */
  isIgnored(path: BytePath): boolean {
    if (this.#node(path) !== undefined) return false;
    return this.#files.stat(path) !== undefined;
  }

  /** What is in a directory, for those who go through many. */
  directory(path: BytePath): FolderDirectory {
    return this.#directory(path);
  }

  /** It has so many files that it pays to remember more than digests. */
  get isLarge(): boolean {
    return this.#seen > LARGE;
  }

  /** Nothing is remembered of it. */
  get #isFirst(): boolean {
    return this.#cache === undefined || this.#cache.size === 0;
  }

  /**
   * Looks at everything below a directory; `found` hears of files whose digests are not known as they are found, in the order of a layer.
   * Whether all of it is remembered, as this filter leaves it, and nothing else is there.
   */
  scan(path: BytePath, found: (file: FolderNode) => void): boolean {
    const node = this.#node(path);
    return node?.entry.kind === 'dir' && this.#scan(path, node.steady ? node.stamp : undefined, found);
  }

  #scan(path: BytePath, own: Stamp | undefined, found: (file: FolderNode) => void): boolean {
    if (!this.#directories.has(path) && this.#isAsRemembered(path, own)) return true;
    const directory = this.#read(path, own);
    let { same, count } = directory;
    for (let slot = 0; slot < directory.count; slot += 1) {
      if (directory.isDirectory(slot)) {
        const name = directory.name(slot);
        const child = path === '' ? name : `${path}/${name}`;
        if (!this.#scan(child, directory.steadyStamp(slot), found)) same = false;
        count += this.#scanned.get(child) as number;
        continue;
      }
      const node = directory.fresh(slot);
      if (node?.entry.kind === 'file' && node.digest === undefined && node.entry.size > 0) found(node);
    }
    this.#scanned.set(path, count);
    return same;
  }

  /** Whether all below a directory is as remembered; only then it counts as scanned. */
  #isAsRemembered(path: BytePath, own: Stamp | undefined): boolean {
    if (this.#cache === undefined || this.#mark === undefined || !this.#trustsListings) return false;
    const reader = (this.#reader ??= new DirectoryReader());
    this.#held.openNatively();
    this.#known ??= new KnownTree(this.#cache, this.#mark, reader, this.#root.stamp);
    let count: number | undefined;
    try {
      count = this.#known.compare(path, own, () => this.#held.fd(path));
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return false; // whoever reads it says why
    }
    if (reader.sawLinks) this.#hasLinks = true;
    if (count === undefined) return false;
    this.#scanned.set(path, count);
    return true;
  }

  /** How many things are below a directory; undefined unless all of it was looked at (`scan`) and no file has several names. */
  countBelow(path: BytePath): number | undefined {
    return this.#hasLinks ? undefined : (this.#scanned.get(path) ?? this.#known?.countBelow(path));
  }

  /** The digest of a selection of all that is below `scope`, remembered when nothing there changed since (`scan`). */
  selection(key: string, scope: BytePath): Digest | undefined {
    const known = this.#cache?.selections.get(this.#selectionKey(key));
    return known?.scope === scope ? known.digest : undefined;
  }

  /** Remembers the digest of a selection; `rememberStats` keeps it. */
  learnSelection(key: string, scope: BytePath, digest: Digest): void {
    if (this.#mark !== undefined && this.isLarge) this.learnt.set(this.#selectionKey(key), { scope, digest });
  }

  #selectionKey(key: string): string {
    return `${this.#mark?.join('.') ?? ''} ${key}`;
  }

  /** What may be remembered of the directories that were looked into. */
  *remembered(): Generator<RememberedDirectory> {
    for (const [path, directory] of this.#directories) yield { path, block: directory.encode(this.isLarge), names: () => directory.names };
    const alone = new Map<BytePath, Map<BytePath, StatSlot>>();
    for (const [path, node] of this.#single) {
      const slash = path.lastIndexOf('/');
      const parent = slash < 0 ? '' : path.slice(0, slash);
      if (node === undefined || node.known || this.#directories.has(parent)) continue;
      let slots = alone.get(parent);
      if (slots === undefined) {
        slots = new Map([...(this.#cache?.block(parent)?.slots() ?? [])].map((slot) => [slot.name, slot]));
        alone.set(parent, slots);
      }
      const name = path.slice(slash + 1);
      slots.set(name, slotOf(name, node));
    }
    for (const [path, slots] of alone) {
      const sorted = [...slots.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
      yield { path, block: encodeStatBlock(path, sorted), names: undefined };
    }
  }

  #node(path: BytePath): FolderNode | undefined {
    if (path === '') return this.#root;
    const slash = path.lastIndexOf('/');
    const parent = slash < 0 ? '' : path.slice(0, slash);
    const name = path.slice(slash + 1);
    if (this.#last?.path === parent) return this.#last.directory.find(name);
    const directory = this.#directories.get(parent) ?? this.#remembered(parent);
    if (directory !== undefined) {
      this.#last = { path: parent, directory };
      return directory.find(name);
    }
    if (this.#single.has(path)) return this.#single.get(path);
    const node = this.#lookAt(parent, path, name);
    this.#single.set(path, node);
    return node;
  }

  /** One path without listing its directory. */
  #lookAt(parent: BytePath, path: BytePath, name: BytePath): FolderNode | undefined {
    if (this.#node(parent)?.entry.kind !== 'dir') return undefined;
    const stat = this.#files.stat(path);
    if (stat === undefined) return undefined;
    const { verdict } = this.#check(path, stat.isDirectory());
    if (verdict === 'drop') return undefined;
    const block = this.#cache?.block(parent);
    const node = this.#nodeOf(path, stampOf(stat), block, block?.seek(name) ?? -1);
    if (verdict === 'search' && this.#read(path).count === 0) return undefined;
    return node;
  }

  #check(path: BytePath, isDirectory: boolean): { readonly verdict: 'keep' | 'drop' | 'search'; readonly state: unknown } {
    const known = this.#states.get(path);
    if (known !== undefined) return known;
    const slash = path.lastIndexOf('/');
    const parent = slash < 0 ? undefined : this.#check(path.slice(0, slash), true);
    const result =
      parent?.verdict === 'drop' ? ({ verdict: 'drop', state: undefined } as const) : this.#filter.check(path, isDirectory, parent?.state);
    if (isDirectory) this.#states.set(path, result);
    return result;
  }

  #directory(path: BytePath): FolderDirectory {
    const known = this.#directories.get(path) ?? this.#remembered(path);
    if (known !== undefined) return known;
    const node = this.#node(path);
    return node?.entry.kind === 'dir' ? this.#read(path, node.steady ? node.stamp : undefined) : NO_DIRECTORY;
  }

  /** A directory that was seen to be what is remembered of it. */
  #remembered(path: BytePath): FolderDirectory | undefined {
    const block = this.#known?.alike(path);
    if (block === undefined) return undefined;
    const stamps = { words: (this.#cache as StatCache).words, base: block.stampsAt };
    const directory = FolderDirectory.remembered(path, block, stamps, undefined, undefined);
    this.#directories.set(path, directory);
    return directory;
  }

  /** `own`: what stat said of it, if that will show a change. */
  #read(path: BytePath, own?: Stamp): FolderDirectory {
    const known = this.#directories.get(path) ?? this.#remembered(path);
    if (known !== undefined) return known;
    let directory: FolderDirectory;
    try {
      // From so many on the kernel is asked directly; and the first time, when it is asked for attributes anyway, so that the next look at a
      // large folder has all listings to compare with.
      directory = this.isLarge || this.#isFirst ? this.#readMany(path, own) : this.#readFew(path);
    } catch (error) {
      if (error instanceof SlipwayError) throw error;
      if (isGone(error)) throw changed(path);
      throw unreadable(fromBytePath(this.hostPath(path)), error);
    }
    directory.own = own;
    this.#directories.set(path, directory);
    return directory;
  }

  #readFew(path: BytePath): FolderDirectory {
    const found = readdirSync(fsPath(this.#held.at(path)), 'latin1');
    this.#seen += found.length;
    const there: Found[] = [];
    for (const name of found.sort()) {
      const stat = this.#files.stat(path === '' ? name : `${path}/${name}`);
      if (stat !== undefined) there.push({ name, stamp: stampOf(stat), record: there.length });
    }
    return this.#look(path, there, undefined);
  }

  #readMany(path: BytePath, own: Stamp | undefined): FolderDirectory {
    const reader = (this.#reader ??= new DirectoryReader());
    this.#held.openNatively();
    const block = this.#cache?.block(path);
    const isWhole = block !== undefined && this.#mark !== undefined && block.isWhole(this.#mark);
    const listed = isWhole && this.#trustsListings && own?.isOnDeviceOf(this.#root.stamp) === true && block.isOwn(own);
    if (!listed) reader.open(this.#held.fd(path));
    if (isWhole && (listed || block.lists(reader.records))) {
      const directory = this.#compare(path, reader, block, this.#mark);
      if (directory !== undefined) return directory;
      const fd = this.#held.fd(path);
      reader.rewind(fd);
      reader.open(fd);
    }
    const records = this.#mark === undefined ? undefined : Buffer.from(reader.records);
    const there: Found[] = [];
    let record = 0;
    for (let at = reader.find(0); at >= 0; at = reader.find(reader.after(at)), record += 1) {
      const { words, base } = this.#room(1);
      if (reader.stat(at, words, base)) there.push({ name: reader.name(at), stamp: new Stamp(words, base), record });
    }
    this.#seen += record;
    there.sort((a, b) => (a.name < b.name ? -1 : 1));
    return this.#look(path, there, records === undefined ? undefined : { records, count: record });
  }

  /** A directory that lists what it did: only stamps are compared. Undefined: it must be looked at closely after all. */
  #compare(path: BytePath, reader: DirectoryReader, block: StatBlock, filter: FilterMark): FolderDirectory | undefined {
    const stamps = this.#room(block.count);
    const { words, base } = stamps;
    const differing = reader.statAll(this.#held.fd(path), block.stamps, words, base);
    if (differing === undefined) return undefined;
    this.#seen += block.count;
    for (let at = base; !this.#hasLinks && at < base + block.count * STAMP_WORDS; at += STAMP_WORDS)
      this.#noteLinks(words[at + STAMP.mode] as number, words[at + STAMP.links] as number);
    const searched = block.searched();
    const listing: StatListing | undefined =
      differing.length === 0 ? undefined : { records: block.records, places: block.places, filter, searched: new Set(searched) };
    const childPath = (slot: number): BytePath => (path === '' ? block.name(slot) : `${path}/${block.name(slot)}`);
    // Here the reader is free for others.
    for (const slot of searched) if (this.#read(childPath(slot)).count === 0) return undefined;
    if (differing.length === 0) return FolderDirectory.remembered(path, block, stamps, undefined, undefined);
    const nodes = new Array<FolderNode | undefined>(block.count);
    for (const slot of differing) {
      const stamp = new Stamp(words, base + slot * STAMP_WORDS);
      const wasDirectory = (block.mode(slot) & S_IFMT) === S_IFDIR;
      // The filter may say something else of it now.
      if (((stamp.mode & S_IFMT) === S_IFDIR) !== wasDirectory) return undefined;
      nodes[slot] = this.#nodeOf(childPath(slot), stamp, undefined, -1);
    }
    return FolderDirectory.remembered(path, block, stamps, nodes, listing);
  }

  /** Takes what is there (names sorted) as the filter leaves it. */
  #look(
    path: BytePath,
    there: readonly Found[],
    listed: { readonly records: Buffer; readonly count: number } | undefined,
  ): FolderDirectory {
    const state = path === '' ? undefined : this.#check(path, true).state;
    const block = this.#cache?.block(path);
    const names: BytePath[] = [];
    const nodes: FolderNode[] = [];
    const places = new Array<number>(listed?.count ?? 0).fill(NO_SLOT);
    const searched = new Set<number>();
    let vanishing = false;
    for (const { name, stamp, record } of there) {
      const child = path === '' ? name : `${path}/${name}`;
      const isDirectory = (stamp.mode & S_IFMT) === S_IFDIR;
      const checked = this.#filter.check(child, isDirectory, state);
      if (checked.verdict === 'drop') continue;
      if (isDirectory) this.#states.set(child, checked);
      const node = this.#nodeOf(child, stamp, block, block?.seek(name) ?? -1);
      if (checked.verdict === 'search') {
        if (this.#read(child).count === 0) {
          vanishing = true;
          continue;
        }
        searched.add(names.length);
      }
      places[record] = names.length;
      names.push(name);
      nodes.push(node);
    }
    // Something may be in a directory next time that shows nothing now: the listing would be the same.
    const listing =
      listed === undefined || vanishing || this.#mark === undefined || listed.count !== there.length
        ? undefined
        : { records: listed.records, places, filter: this.#mark, searched };
    return FolderDirectory.seen(path, names, nodes, listing);
  }

  /** `slot`: where the block may remember it; -1: nowhere. */
  #nodeOf(path: BytePath, stamp: Stamp, block: StatBlock | undefined, slot: number): FolderNode {
    const kind = KINDS[stamp.mode & S_IFMT] ?? 'file';
    this.#noteLinks(stamp.mode, stamp.links);
    const flags = slot < 0 ? 0 : (block?.flags(slot) ?? 0);
    const believed = (flags & SLOT_STEADY) !== 0 && block?.isStamp(slot, stamp.words, stamp.at) === true;
    const link = kind === 'symlink' ? this.#files.link(path) : undefined;
    const steady = believed || !isRacy({ ctime: stamp.changed, ctimeNs: stamp.changedNs }, this.#now().getTime());
    // The root's own attributes are never copied, and a link's are not ours to read.
    const plain = kind === 'symlink' || kind === 'char' || kind === 'block' || path === '' || (believed && (flags & SLOT_PLAIN) !== 0);
    const entry = entryOf(path, kind, stamp, link, plain ? undefined : this.#files.xattrs(path));
    const digest = believed ? block?.digest(slot) : undefined;
    const known = believed && (kind !== 'file' || digest !== undefined || entry.size === 0);
    return { entry, stamp, digest, spooled: undefined, known, steady };
  }

  #noteLinks(mode: number, links: number): void {
    if (links > 1 && (mode & S_IFMT) === S_IFREG) this.#hasLinks = true;
  }

  /** Room for so many stamps. */
  #room(count: number): { readonly words: Uint32Array; readonly base: number } {
    const need = count * STAMP_WORDS;
    if (this.#arena.length - this.#arenaUsed < need) {
      this.#arena = new Uint32Array(Math.max(ARENA, need));
      this.#arenaUsed = 0;
    }
    const base = this.#arenaUsed;
    this.#arenaUsed += need;
    return { words: this.#arena, base };
  }
}

/** Bytes that were kept. They are good until the build ends. */
function openSpooled(node: FolderNode, { share, at }: NonNullable<FolderNode['spooled']>): FileBytes {
  const { file, offsets, headers, paths, owner } = share;
  const { mode, size, mtime, mtimeNs } = node.entry;
  const headerBytes = headers[at] ?? 0;
  const header: Entry = { path: paths[at] ?? '', kind: 'file', mode, uid: owner.uid, gid: owner.gid, size, mtime, mtimeNs, headerBytes };
  const pack: OwnPack = headerBytes === 0 ? { path: file.path } : { path: file.path, header };
  return { fd: file.fd, offset: offsets[at] ?? 0, size, pack, [Symbol.dispose]: () => {} };
}

/** A name that is in a directory. */
interface Found {
  readonly name: BytePath;
  readonly stamp: Stamp;
  /** Which record of the listing it is. */
  readonly record: number;
}

/** Stands for a filter in a cache file. */
function markOf(id: string): FilterMark {
  const digest = Buffer.from(digestHex(digestOf(id)).slice(0, 16), 'hex');
  return [digest.readUInt32LE(0), digest.readUInt32LE(4)];
}
