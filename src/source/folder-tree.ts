// A user's folder as a tree: read lazily, patterns applied, everything owned by root, digests from the stat cache where they hold.

import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readlinkSync, statSync, type BigIntStats } from 'node:fs';
import { type BytePath, type Digest, errnoOf, fromBytePath, fsPath, SlipwayError, toBytePath } from '../base/index.ts';
import { type Entry, type FileBytes, isLayerXattr, type OwnPack, type Tree } from '../layer/index.ts';
import {
  deviceMajor,
  deviceMinor,
  DirectoryStats,
  readXattrs,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from '../sys/index.ts';
import type { LikelyEntries } from './digest-files.ts';
import { EMPTY_DIGEST, hashFile } from './file-hash.ts';
import type { SpoolFile } from './file-spool.ts';
import { type FolderFilter, KEEP_ALL } from './filter.ts';
import { HeldFolders } from './held-folders.ts';
import { isRacy, type StatCache, type StatRecord, type StatRecords } from './stat-cache.ts';

export interface FolderOptions {
  readonly filter?: FolderFilter;
  /** Digests of an earlier look at this folder. */
  readonly cache?: StatCache;
  /** The clock, for the racy rule. */
  readonly now: () => Date;
}

/** A file or directory as it was seen. Its size and mtime are the entry's. */
export interface FolderNode {
  readonly entry: Entry;
  readonly ino: number;
  readonly ctime: number;
  readonly ctimeNs: number;
  /** Equal for all names of one file; undefined when it has one. */
  readonly linkKey: string | undefined;
  digest: Digest | undefined;
  /** Where the bytes that gave the digest are kept until the build ends: which of a share. */
  spooled: { readonly share: SpooledShare; readonly at: number } | undefined;
  /** It is remembered from an earlier look, with its digest if it is a file. */
  readonly known: boolean;
  /** Whether what was seen may be remembered. */
  readonly steady: boolean;
}

/** Files that one thread kept, by their number. */
export interface SpooledShare {
  readonly file: SpoolFile;
  readonly offsets: Float64Array;
  /** Length of the header before a file's bytes; 0: there is none. */
  readonly headers: Uint32Array;
  /** What the headers say. */
  readonly likely: LikelyEntries | undefined;
}

/** A directory for the stat cache. */
export interface RememberedDirectory {
  readonly path: BytePath;
  /** Names sorted; undefined: those that are there already. */
  readonly records: readonly StatRecord[] | undefined;
  /** All that is in it; undefined: it was not listed. */
  readonly names: readonly BytePath[] | undefined;
}

/** What stat says, however it was asked. */
interface Seen {
  readonly mode: number;
  readonly links: number;
  readonly ino: number;
  /** Device and inode, exact. */
  readonly identity: string;
  readonly size: number;
  readonly modified: number;
  readonly modifiedNs: number;
  readonly changed: number;
  readonly changedNs: number;
  readonly devMajor: number;
  readonly devMinor: number;
}

/** What is in a directory: three lists of one order, names sorted. */
interface Directory {
  readonly names: readonly BytePath[];
  readonly nodes: readonly FolderNode[];
  readonly entries: readonly Entry[];
  /** Everything in it was remembered, and nothing else. */
  readonly remembered: boolean;
}

const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** From so many files on, asking the kernel ourselves pays for loading what it takes. */
const LARGE = 1500;
/** Of something that was there, or was a folder, a moment ago. */
const GONE: readonly string[] = ['ENOENT', 'ENOTDIR', 'ELOOP'];
const NO_DIRECTORY: Directory = { names: [], nodes: [], entries: [], remembered: true };

/**
 * Tree over a folder. What it has once looked at stays as it was seen: a file that changes meanwhile is noticed when it is read
 * (`FILE_CHANGED`). Nothing outside the folder is read: symlinks are entries, never followed, not even those that replace a folder meanwhile.
 */
export class FolderTree implements Tree {
  readonly #path: BytePath;
  readonly #held: HeldFolders;
  readonly #filter: FolderFilter;
  readonly #cache: StatCache | undefined;
  readonly #now: () => Date;
  readonly #root: FolderNode;
  readonly #directories = new Map<BytePath, Directory>();
  /** Looked at alone, their directory not being listed. */
  readonly #single = new Map<BytePath, FolderNode | undefined>();
  readonly #states = new Map<BytePath, { readonly verdict: 'keep' | 'drop' | 'search'; readonly state: unknown }>();
  #seen = 0;
  #last: { readonly path: BytePath; readonly directory: Directory } | undefined;

  /** Throws `CONTEXT_NOT_FOUND` unless `path` is a directory, or a symlink to one. */
  constructor(path: string, options: FolderOptions) {
    this.#path = toBytePath(path);
    this.#held = new HeldFolders(this.#path);
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
    this.#root = this.#nodeOf('', seenBy(stat), undefined);
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
    const fd = this.#open(node);
    return {
      fd,
      offset: 0,
      size: node.entry.size,
      [Symbol.dispose]: () => {
        try {
          this.#checkUnchanged(fd, node);
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
    const fd = this.#open(node);
    try {
      const digest = hashFile(fd, node.entry.size);
      this.#checkUnchanged(fd, node);
      return (node.digest = digest);
    } finally {
      closeSync(fd);
    }
  }

  linkKey(entry: Entry): string | undefined {
    return this.#node(entry.path)?.linkKey;
  }

  /** Where a path is on this machine. */
  hostPath(path: BytePath): BytePath {
    return path === '' ? this.#path : `${this.#path}/${path}`;
  }

  /** The file's node, for those who hash many at once. */
  node(path: BytePath): FolderNode | undefined {
    return this.#node(path);
  }

  /** Whether patterns leave the path out although it is there: for a hint. */
  isIgnored(path: BytePath): boolean {
    if (this.#node(path) !== undefined) return false;
    return this.#stat(path) !== undefined;
  }

  /** What may be remembered of the directories that were looked into. */
  *remembered(): Generator<RememberedDirectory> {
    for (const [path, { names, nodes, remembered }] of this.#directories) {
      const records = remembered ? undefined : nodes.flatMap((node, at) => recordOf(names[at] as BytePath, node));
      yield { path, records, names };
    }
    const alone = new Map<BytePath, Map<BytePath, StatRecord>>();
    for (const [path, node] of this.#single) {
      const slash = path.lastIndexOf('/');
      const parent = slash < 0 ? '' : path.slice(0, slash);
      if (node === undefined || node.known || this.#directories.has(parent)) continue;
      let records = alone.get(parent);
      if (records === undefined) {
        records = new Map([...(this.#cache?.records(parent)?.all() ?? [])].map((record) => [record.name, record]));
        alone.set(parent, records);
      }
      for (const record of recordOf(path.slice(slash + 1), node)) records.set(record.name, record);
    }
    for (const [path, records] of alone) {
      yield { path, records: [...records.values()].sort((a, b) => (a.name < b.name ? -1 : 1)), names: undefined };
    }
  }

  #node(path: BytePath): FolderNode | undefined {
    if (path === '') return this.#root;
    const slash = path.lastIndexOf('/');
    const parent = slash < 0 ? '' : path.slice(0, slash);
    const name = path.slice(slash + 1);
    if (this.#last?.path === parent) return find(this.#last.directory, name);
    const directory = this.#directories.get(parent);
    if (directory !== undefined) {
      this.#last = { path: parent, directory };
      return find(directory, name);
    }
    if (this.#single.has(path)) return this.#single.get(path);
    const node = this.#lookAt(parent, path, name);
    this.#single.set(path, node);
    return node;
  }

  /** One path without listing its directory. */
  #lookAt(parent: BytePath, path: BytePath, name: BytePath): FolderNode | undefined {
    if (this.#node(parent)?.entry.kind !== 'dir') return undefined;
    const stat = this.#stat(path);
    if (stat === undefined) return undefined;
    const { verdict } = this.#check(path, stat.isDirectory());
    if (verdict === 'drop') return undefined;
    const records = this.#cache?.records(parent);
    const node = this.#nodeOf(path, seenBy(stat), records?.seek(name) === true ? records : undefined);
    if (verdict === 'search' && this.#read(path).names.length === 0) return undefined;
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

  #directory(path: BytePath): Directory {
    const known = this.#directories.get(path);
    if (known !== undefined) return known;
    return this.#node(path)?.entry.kind === 'dir' ? this.#read(path) : NO_DIRECTORY;
  }

  #read(path: BytePath): Directory {
    const known = this.#directories.get(path);
    if (known !== undefined) return known;
    let found: string[];
    try {
      found = readdirSync(fsPath(this.#held.at(path)), 'latin1').sort();
    } catch (error) {
      if (GONE.includes(errnoOf(error) ?? '')) throw changed(path);
      throw unreadable(fromBytePath(this.hostPath(path)), error);
    }
    const state = path === '' ? undefined : this.#check(path, true).state;
    const records = this.#cache?.records(path);
    const names: BytePath[] = [];
    const nodes: FolderNode[] = [];
    const entries: Entry[] = [];
    let remembered = 0;
    const stats = this.#seen > LARGE ? new DirectoryStats(this.#held.fd(path)) : undefined;
    for (const name of found) {
      const child = path === '' ? name : `${path}/${name}`;
      const seen = stats === undefined ? seenOrNothing(this.#stat(child)) : stats.read(name) ? stats : undefined;
      if (seen === undefined) continue;
      const isDirectory = (seen.mode & S_IFMT) === S_IFDIR;
      const checked = this.#filter.check(child, isDirectory, state);
      if (checked.verdict === 'drop') continue;
      if (isDirectory) this.#states.set(child, checked);
      const node = this.#nodeOf(child, seen, records?.seek(name) === true ? records : undefined);
      if (checked.verdict === 'search' && this.#read(child).names.length === 0) continue;
      if (node.known) remembered += 1;
      names.push(name);
      nodes.push(node);
      entries.push(node.entry);
    }
    this.#seen += found.length;
    const worth = entries.reduce((sum, { kind }) => (kind === 'file' || kind === 'dir' ? sum + 1 : sum), 0);
    const directory: Directory = { names, nodes, entries, remembered: remembered === worth && remembered === (records?.count ?? 0) };
    this.#directories.set(path, directory);
    return directory;
  }

  #nodeOf(path: BytePath, seen: Seen, record: StatRecords | undefined): FolderNode {
    const kind = KINDS[seen.mode & S_IFMT] ?? 'file';
    const size = kind === 'file' ? seen.size : 0;
    const { ino, modified, modifiedNs, changed, changedNs, links } = seen;
    const known = record?.holds(ino, size, modified, modifiedNs, changed, changedNs) === true ? record : undefined;
    let entry: Entry = {
      path,
      kind,
      mode: kind === 'symlink' ? 0o777 : seen.mode & 0o7777,
      uid: 0,
      gid: 0,
      size,
      mtime: modified,
      mtimeNs: modifiedNs,
    };
    const linkKey = kind === 'file' && links > 1 ? seen.identity : undefined;
    const steady = known !== undefined || !isRacy({ ctime: changed, ctimeNs: changedNs }, this.#now().getTime());
    if (kind === 'char' || kind === 'block') entry = { ...entry, devMajor: seen.devMajor, devMinor: seen.devMinor };
    else if (kind === 'symlink') entry = { ...entry, link: this.#link(path) };
    else if (known?.plain !== true && path !== '') {
      // The root's own attributes are never copied, and a link's are not ours to read.
      const xattrs = this.#xattrs(path);
      if (xattrs !== undefined) entry = { ...entry, xattrs };
    }
    const digest = known?.digest;
    const whole = known !== undefined && (digest !== undefined || size === 0);
    return { entry, ino, ctime: changed, ctimeNs: changedNs, linkKey, digest, spooled: undefined, known: whole, steady };
  }

  #stat(path: BytePath): BigIntStats | undefined {
    try {
      return lstatSync(fsPath(this.#place(path)), { bigint: true });
    } catch (error) {
      if (GONE.includes(errnoOf(error) ?? '')) return undefined;
      throw unreadable(fromBytePath(this.hostPath(path)), error);
    }
  }

  #link(path: BytePath): BytePath {
    try {
      return readlinkSync(fsPath(this.#place(path)), 'latin1');
    } catch (error) {
      if (GONE.includes(errnoOf(error) ?? '') || errnoOf(error) === 'EINVAL') throw changed(path);
      throw error;
    }
  }

  #xattrs(path: BytePath): Record<string, string> | undefined {
    try {
      return readXattrs(this.#place(path), isLayerXattr);
    } catch (error) {
      // A file that may be listed but not read, or that went: reading it says so.
      if (['EACCES', 'EPERM', ...GONE].includes(errnoOf(error) ?? '')) return undefined;
      throw error;
    }
  }

  /** What lies at `path`, by its folder, which is held. */
  #place(path: BytePath): BytePath {
    const slash = path.lastIndexOf('/');
    return `${this.#held.at(slash < 0 ? '' : path.slice(0, slash))}/${path.slice(slash + 1)}`;
  }

  #open(node: FolderNode): number {
    let fd: number;
    try {
      fd = openSync(fsPath(this.#place(node.entry.path)), READ);
    } catch (error) {
      if ([...GONE, 'ENXIO'].includes(errnoOf(error) ?? '')) throw changed(node.entry.path);
      throw unreadable(fromBytePath(this.hostPath(node.entry.path)), error);
    }
    try {
      this.#checkUnchanged(fd, node);
      return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  #checkUnchanged(fd: number, node: FolderNode): void {
    const stat = fstatSync(fd, { bigint: true });
    const { entry } = node;
    const same =
      stat.isFile() &&
      Number(stat.ino) === node.ino &&
      Number(stat.size) === entry.size &&
      stat.mtimeNs === nanoseconds(entry.mtime, entry.mtimeNs) &&
      stat.ctimeNs === nanoseconds(node.ctime, node.ctimeNs);
    if (!same) throw changed(entry.path);
  }
}

/** Bytes that were kept. They are good until the build ends. */
function openSpooled(node: FolderNode, { share, at }: NonNullable<FolderNode['spooled']>): FileBytes {
  const { file, offsets, headers, likely } = share;
  const { mode, size, mtime, mtimeNs } = node.entry;
  const path = likely?.paths.get(node);
  const headerBytes = headers[at] ?? 0;
  const header: Entry | undefined =
    likely === undefined || path === undefined || headerBytes === 0
      ? undefined
      : { path, kind: 'file', mode, uid: likely.uid, gid: likely.gid, size, mtime, mtimeNs, headerBytes };
  const pack: OwnPack = header === undefined ? { path: file.path } : { path: file.path, header };
  return { fd: file.fd, offset: offsets[at] ?? 0, size, pack, [Symbol.dispose]: () => {} };
}

/** The record of a file or directory whose stamp will hold; none of others. */
function recordOf(name: BytePath, { entry, ino, ctime, ctimeNs, digest, steady }: FolderNode): readonly StatRecord[] {
  if (!steady || (entry.kind !== 'file' && entry.kind !== 'dir')) return [];
  const { size, mtime, mtimeNs, xattrs } = entry;
  return [{ ino, size, mtime, mtimeNs, ctime, ctimeNs, name, digest, plain: xattrs === undefined }];
}

/** Bisects; most directories are small. */
function find({ names, nodes }: Directory, name: BytePath): FolderNode | undefined {
  let low = 0;
  let high = names.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const candidate = names[middle] as BytePath;
    if (candidate === name) return nodes[middle];
    if (candidate < name) low = middle + 1;
    else high = middle - 1;
  }
  return undefined;
}

const NANO = 1_000_000_000n;

const KINDS: Readonly<Record<number, Entry['kind']>> = {
  [S_IFREG]: 'file',
  [S_IFDIR]: 'dir',
  [S_IFLNK]: 'symlink',
  [S_IFIFO]: 'fifo',
  [S_IFSOCK]: 'socket',
  [S_IFCHR]: 'char',
  [S_IFBLK]: 'block',
};

function nanoseconds(seconds: number, rest: number): bigint {
  return BigInt(seconds) * NANO + BigInt(rest);
}

function seenBy(stat: BigIntStats): Seen {
  const modified = secondsOf(stat.mtimeNs);
  const changed = secondsOf(stat.ctimeNs);
  const device = Number(stat.dev);
  return {
    mode: Number(stat.mode),
    links: Number(stat.nlink),
    ino: Number(stat.ino),
    identity: `${deviceMajor(device)}:${deviceMinor(device)}:${stat.ino >> 32n}:${stat.ino & 0xffffffffn}`,
    size: Number(stat.size),
    modified,
    modifiedNs: Number(stat.mtimeNs - BigInt(modified) * NANO),
    changed,
    changedNs: Number(stat.ctimeNs - BigInt(changed) * NANO),
    devMajor: deviceMajor(Number(stat.rdev)),
    devMinor: deviceMinor(Number(stat.rdev)),
  };
}

/** Rounded down, also before the epoch. */
function secondsOf(time: bigint): number {
  return Number(time >= 0n ? time / NANO : (time - NANO + 1n) / NANO);
}

function seenOrNothing(stat: BigIntStats | undefined): Seen | undefined {
  return stat === undefined ? undefined : seenBy(stat);
}

function changed(path: BytePath): SlipwayError {
  return new SlipwayError('FILE_CHANGED', `file changed while it was read: ${fromBytePath(path)}`, {
    hint: 'something wrote to the build context during the build; build again when it is done',
    facts: { path: fromBytePath(path) },
  });
}

function unreadable(path: string, cause: unknown): SlipwayError {
  const errno = errnoOf(cause);
  const why = errno === 'EACCES' || errno === 'EPERM' ? 'permission denied' : (errno ?? String(cause));
  return new SlipwayError('CONTEXT_UNREADABLE', `cannot read ${path}: ${why}`, {
    cause,
    hint: 'make it readable, or leave it out by .dockerignore',
    facts: { path },
  });
}

function notFound(path: string, why = 'not found'): SlipwayError {
  return new SlipwayError('CONTEXT_NOT_FOUND', `unable to prepare context: path ${JSON.stringify(path)} ${why}`, { facts: { path } });
}
