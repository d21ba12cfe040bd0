// A user's folder as a tree: read lazily, patterns applied, everything owned by root, digests from the stat cache where they hold.

import { closeSync, statSync, type BigIntStats } from 'node:fs';
import { type BytePath, type Digest, errnoOf, fromBytePath, SlipwayError, toBytePath } from '../base/index.ts';
import type { Entry, FileBytes, OwnPack, Tree } from '../layer/index.ts';
import type { Stamp } from '../sys/index.ts';
import { DirectoryScanner } from './directory-scanner.ts';
import { EMPTY_DIGEST, hashFile } from './file-hash.ts';
import { type FolderFilter, KEEP_ALL } from './filter.ts';
import { FolderDirectory, type FolderNode, linkKeyOf, slotOf } from './folder-directory.ts';
import { changed, FolderFiles, isGone, notFound, stampOf, unreadable } from './folder-files.ts';
import { KnownTree } from './known-tree.ts';
import { encodeStatBlock, type StatSlot } from './stat-block.ts';
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

const NO_DIRECTORY = FolderDirectory.seen('', [], [], undefined);

/**
 * Tree over a folder. What it has once looked at stays as it was seen: a file that changes meanwhile is noticed when it is read
 * (`FILE_CHANGED`). Nothing outside the folder is read: symlinks are entries, never followed, not even those that replace a folder meanwhile.
 */
export class FolderTree implements Tree {
  readonly #files: FolderFiles;
  readonly #cache: StatCache | undefined;
  readonly #scanner: DirectoryScanner;
  readonly #root: FolderNode;
  readonly #directories = new Map<BytePath, FolderDirectory>();
  /** Looked at alone, their directory not being listed. */
  readonly #single = new Map<BytePath, FolderNode | undefined>();
  /** Selections whose digests were learnt. */
  readonly learnt = new Map<string, RememberedSelection>();
  /** How many things are below directories that were scanned. */
  readonly #scanned = new Map<BytePath, number>();
  #last: { readonly path: BytePath; readonly directory: FolderDirectory } | undefined;
  /** What is compared with its memory before anything is listed; undefined where that would not tell. */
  #known: KnownTree | undefined;

  /** Throws `CONTEXT_NOT_FOUND` unless `path` is a directory, or a symlink to one. */
  constructor(path: string, options: FolderOptions) {
    this.#files = new FolderFiles(toBytePath(path));
    this.#cache = options.cache;
    let stat: BigIntStats;
    try {
      stat = statSync(path, { bigint: true });
    } catch (error) {
      throw errnoOf(error) === 'ENOENT' ? notFound(path) : unreadable(path, error);
    }
    if (!stat.isDirectory()) throw notFound(path, 'it is not a directory');
    const { filter = KEEP_ALL, cache, now } = options;
    this.#scanner = new DirectoryScanner({ files: this.#files, filter, cache, now, list: (below) => this.#read(below) }, path, stat);
    this.#root = this.#scanner.rootNode();
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
    const node = this.#scanner.hasLinks ? this.#node(entry.path) : undefined;
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
    return this.#scanner.isLarge;
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
    const { mark, trustsListings } = this.#scanner;
    if (this.#cache === undefined || mark === undefined || !trustsListings) return false;
    const { reader } = this.#scanner;
    this.#known ??= new KnownTree(this.#cache, mark, reader, this.#root.stamp);
    let count: number | undefined;
    try {
      count = this.#known.compare(path, own, () => this.#files.held.fd(path));
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return false; // whoever reads it says why
    }
    if (reader.sawLinks) this.#scanner.hasLinks = true;
    if (count === undefined) return false;
    this.#scanned.set(path, count);
    return true;
  }

  /** How many things are below a directory; undefined unless all of it was looked at (`scan`) and no file has several names. */
  countBelow(path: BytePath): number | undefined {
    return this.#scanner.hasLinks ? undefined : (this.#scanned.get(path) ?? this.#known?.countBelow(path));
  }

  /** The digest of a selection of all that is below `scope`, remembered when nothing there changed since (`scan`). */
  selection(key: string, scope: BytePath): Digest | undefined {
    const known = this.#cache?.selections.get(this.#selectionKey(key));
    return known?.scope === scope ? known.digest : undefined;
  }

  /** Remembers the digest of a selection; `rememberStats` keeps it. */
  learnSelection(key: string, scope: BytePath, digest: Digest): void {
    if (this.#scanner.mark !== undefined && this.isLarge) this.learnt.set(this.#selectionKey(key), { scope, digest });
  }

  #selectionKey(key: string): string {
    return `${this.#scanner.mark?.join('.') ?? ''} ${key}`;
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
    const { verdict } = this.#scanner.check(path, stat.isDirectory());
    if (verdict === 'drop') return undefined;
    const block = this.#cache?.block(parent);
    const node = this.#scanner.nodeOf(path, stampOf(stat), block, block?.seek(name) ?? -1);
    if (verdict === 'search' && this.#read(path).count === 0) return undefined;
    return node;
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
      directory = this.#scanner.scan(path, own);
    } catch (error) {
      if (error instanceof SlipwayError) throw error;
      if (isGone(error)) throw changed(path);
      throw unreadable(fromBytePath(this.hostPath(path)), error);
    }
    directory.own = own;
    this.#directories.set(path, directory);
    return directory;
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
