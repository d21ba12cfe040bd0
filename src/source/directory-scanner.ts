// One directory of a folder taken in: its names as the filter leaves them, their stamps, and what an earlier look remembers of them.

import { type BigIntStats, readdirSync } from 'node:fs';
import { type BytePath, digestHex, digestOf, fsPath } from '../base/index.ts';
import { DirectoryReader, S_IFDIR, S_IFMT, S_IFREG, Stamp, STAMP, STAMP_WORDS } from '../sys/index.ts';
import type { FolderFilter } from './filter.ts';
import { entryOf, FolderDirectory, type FolderNode, KINDS } from './folder-directory.ts';
import { type FolderFiles, stampOf } from './folder-files.ts';
import type { HeldFolders } from './held-folders.ts';
import { showsNewNames } from './listing-times.ts';
import { isRacy } from './racy.ts';
import { type FilterMark, NO_SLOT, SLOT_PLAIN, SLOT_STEADY, type StatBlock, type StatListing } from './stat-block.ts';
import type { StatCache } from './stat-cache.ts';

/** From so many files on, asking the kernel ourselves pays for loading what it takes. */
const LARGE = 1500;
/** Words of an array that stamps are put into. */
const ARENA = 1 << 16;

/** What a filter says of a path: `search`, it is there if something in it is; `state`, what it wants to hear about what is below. */
interface Checked {
  readonly verdict: 'keep' | 'drop' | 'search';
  readonly state: unknown;
}

/** What is looked at, and by what. */
export interface ScannerParts {
  readonly files: FolderFiles;
  readonly filter: FolderFilter;
  /** Digests of an earlier look. */
  readonly cache: StatCache | undefined;
  /** The clock, for the racy rule. */
  readonly now: () => Date;
  /** A directory of the same folder, each taken in once: the filter may hang on what is in it. */
  readonly list: (path: BytePath) => FolderDirectory;
}

/** Looks at the directories of one folder. It keeps what counts for all of them, not the directories. */
export class DirectoryScanner {
  readonly #files: FolderFiles;
  readonly #held: HeldFolders;
  readonly #filter: FolderFilter;
  readonly #cache: StatCache | undefined;
  readonly #now: () => Date;
  readonly #list: (path: BytePath) => FolderDirectory;
  /** Of the folder itself. */
  readonly #root: Stamp;
  readonly #states = new Map<BytePath, Checked>();
  /** Stands for the filter; undefined: nothing is remembered of what it leaves. */
  readonly mark: FilterMark | undefined;
  /** A directory whose stamp is the remembered one lists what it did. */
  readonly trustsListings: boolean;
  /** Some file that was seen has several names. */
  hasLinks = false;
  /** How many things were seen, this time or the last. */
  #seen: number;
  #reader: DirectoryReader | undefined;
  #arena = new Uint32Array(0);
  #arenaUsed = 0;

  /** `root`: what stat says of the folder, which is at `path`. */
  constructor({ files, filter, cache, now, list }: ScannerParts, path: string, root: BigIntStats) {
    this.#files = files;
    this.#held = files.held;
    this.#filter = filter;
    this.#cache = cache;
    this.#now = now;
    this.#list = list;
    this.#root = stampOf(root);
    this.#seen = cache?.size ?? 0;
    this.mark = filter.id === undefined ? undefined : markOf(filter.id);
    this.trustsListings = this.isLarge && showsNewNames(path);
  }

  /** It has so many files that it pays to remember more than digests. */
  get isLarge(): boolean {
    return this.#seen > LARGE;
  }

  /** Asks the kernel directly. */
  get reader(): DirectoryReader {
    const reader = (this.#reader ??= new DirectoryReader());
    this.#held.openNatively();
    return reader;
  }

  /** The folder's own node. */
  rootNode(): FolderNode {
    return this.nodeOf('', this.#root, undefined, -1);
  }

  /** Takes a directory in. `own`: what stat said of it, if that will show a change. Throws what the kernel says. */
  scan(path: BytePath, own: Stamp | undefined): FolderDirectory {
    // From so many on the kernel is asked directly; and the first time, when it is asked for attributes anyway, so that the next look at a
    // large folder has all listings to compare with.
    const isFirst = this.#cache === undefined || this.#cache.size === 0;
    return this.isLarge || isFirst ? this.#readMany(path, own) : this.#readFew(path);
  }

  /** What the filter says of a path. */
  check(path: BytePath, isDirectory: boolean): Checked {
    const known = this.#states.get(path);
    if (known !== undefined) return known;
    const slash = path.lastIndexOf('/');
    const parent = slash < 0 ? undefined : this.check(path.slice(0, slash), true);
    const result =
      parent?.verdict === 'drop' ? ({ verdict: 'drop', state: undefined } as const) : this.#filter.check(path, isDirectory, parent?.state);
    if (isDirectory) this.#states.set(path, result);
    return result;
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
    const { reader } = this;
    const block = this.#cache?.block(path);
    const isWhole = block !== undefined && this.mark !== undefined && block.isWhole(this.mark);
    const listed = isWhole && this.trustsListings && own?.isOnDeviceOf(this.#root) === true && block.isOwn(own);
    if (!listed) reader.open(this.#held.fd(path));
    if (isWhole && (listed || block.lists(reader.records))) {
      const directory = this.#compare(path, reader, block, this.mark);
      if (directory !== undefined) return directory;
      const fd = this.#held.fd(path);
      reader.rewind(fd);
      reader.open(fd);
    }
    const records = this.mark === undefined ? undefined : Buffer.from(reader.records);
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
    for (let at = base; !this.hasLinks && at < base + block.count * STAMP_WORDS; at += STAMP_WORDS)
      this.#noteLinks(words[at + STAMP.mode] as number, words[at + STAMP.links] as number);
    const searched = block.searched();
    const listing: StatListing | undefined =
      differing.length === 0 ? undefined : { records: block.records, places: block.places, filter, searched: new Set(searched) };
    const childPath = (slot: number): BytePath => (path === '' ? block.name(slot) : `${path}/${block.name(slot)}`);
    // Here the reader is free for others.
    for (const slot of searched) if (this.#list(childPath(slot)).count === 0) return undefined;
    if (differing.length === 0) return FolderDirectory.remembered(path, block, stamps, undefined, undefined);
    const nodes = new Array<FolderNode | undefined>(block.count);
    for (const slot of differing) {
      const stamp = new Stamp(words, base + slot * STAMP_WORDS);
      const wasDirectory = (block.mode(slot) & S_IFMT) === S_IFDIR;
      // The filter may say something else of it now.
      if (((stamp.mode & S_IFMT) === S_IFDIR) !== wasDirectory) return undefined;
      nodes[slot] = this.nodeOf(childPath(slot), stamp, undefined, -1);
    }
    return FolderDirectory.remembered(path, block, stamps, nodes, listing);
  }

  /** Takes what is there (names sorted) as the filter leaves it. */
  #look(
    path: BytePath,
    there: readonly Found[],
    listed: { readonly records: Buffer; readonly count: number } | undefined,
  ): FolderDirectory {
    const state = path === '' ? undefined : this.check(path, true).state;
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
      const node = this.nodeOf(child, stamp, block, block?.seek(name) ?? -1);
      if (checked.verdict === 'search') {
        if (this.#list(child).count === 0) {
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
      listed === undefined || vanishing || this.mark === undefined || listed.count !== there.length
        ? undefined
        : { records: listed.records, places, filter: this.mark, searched };
    return FolderDirectory.seen(path, names, nodes, listing);
  }

  /** A node for what stat said of a path. `slot`: where the block may remember it; -1: nowhere. */
  nodeOf(path: BytePath, stamp: Stamp, block: StatBlock | undefined, slot: number): FolderNode {
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
    if (links > 1 && (mode & S_IFMT) === S_IFREG) this.hasLinks = true;
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
