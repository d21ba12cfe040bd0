// A user's folder as a tree: read lazily, patterns applied, everything owned by root, digests from the stat cache where they hold.

import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readlinkSync, statSync, type BigIntStats } from 'node:fs';
import { type BytePath, type Digest, errnoOf, fromBytePath, fsPath, SlipwayError, toBytePath } from '../base/index.ts';
import { type Entry, type FileBytes, isLayerXattr, type Tree } from '../layer/index.ts';
import { readXattrs } from '../sys/index.ts';
import { EMPTY_DIGEST, hashFile } from './file-hash.ts';
import { type FolderFilter, KEEP_ALL } from './filter.ts';
import { type FileStamp, isRacy, sameStamp, StatCache, type StatRecord } from './stat-cache.ts';

export interface FolderOptions {
  readonly filter?: FolderFilter;
  /** Digests of an earlier look at this folder. */
  readonly cache?: StatCache;
  /** The clock, for the racy rule. */
  readonly now: () => Date;
}

/** A file or directory as it was seen. */
export interface FolderNode {
  readonly entry: Entry;
  readonly stamp: FileStamp;
  /** `dev:ino` when it has several names. */
  readonly linkKey: string | undefined;
  digest: Digest | undefined;
  /** Whether the stamp may be remembered. */
  readonly steady: boolean;
}

interface Directory {
  readonly nodes: ReadonlyMap<BytePath, FolderNode>;
  readonly names: readonly BytePath[];
}

const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const NO_DIRECTORY: Directory = { nodes: new Map(), names: [] };

/**
 * Tree over a folder. What it has once looked at stays as it was seen: a file that changes meanwhile is noticed when it is read
 * (`FILE_CHANGED`). Nothing outside the folder is read: symlinks are entries, never followed.
 */
export class FolderTree implements Tree {
  readonly #path: BytePath;
  readonly #filter: FolderFilter;
  readonly #cache: StatCache | undefined;
  readonly #now: () => Date;
  readonly #root: FolderNode;
  readonly #directories = new Map<BytePath, Directory>();
  /** Looked at alone, their directory not being listed. */
  readonly #single = new Map<BytePath, FolderNode | undefined>();
  readonly #states = new Map<BytePath, { readonly verdict: 'keep' | 'drop' | 'search'; readonly state: unknown }>();
  #last: { readonly path: BytePath; readonly directory: Directory } | undefined;

  /** Throws `CONTEXT_NOT_FOUND` unless `path` is a directory, or a symlink to one. */
  constructor(path: string, options: FolderOptions) {
    this.#path = toBytePath(path);
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
    this.#root = this.#nodeOf('', stat, undefined);
  }

  lookup(path: BytePath): Entry | undefined {
    return this.#node(path)?.entry;
  }

  list(path: BytePath): readonly BytePath[] {
    return this.#directory(path).names;
  }

  /** Throws `FILE_CHANGED` when the file is not what was seen; the same when it is closed and changed while it was open. */
  open(entry: Entry): FileBytes {
    const node = this.#node(entry.path);
    if (node?.entry.kind !== 'file') throw new Error(`internal: no file ${fromBytePath(entry.path)} in this folder`);
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
    return lstatOrNothing(fsPath(this.hostPath(path))) !== undefined;
  }

  /** Directories that were listed, with what may be remembered of each. */
  *remembered(): Generator<readonly [BytePath, StatRecord[]]> {
    for (const path of [...this.#directories.keys()].sort()) {
      const directory = this.#directories.get(path) as Directory;
      const records: StatRecord[] = [];
      for (const name of [...directory.nodes.keys()].sort()) {
        const node = directory.nodes.get(name) as FolderNode;
        if (node.steady && (node.entry.kind === 'file' || node.entry.kind === 'dir')) {
          const { ino, size, mtime, mtimeNs, ctime, ctimeNs } = node.stamp;
          records.push({ ino, size, mtime, mtimeNs, ctime, ctimeNs, name, digest: node.digest, plain: node.entry.xattrs === undefined });
        }
      }
      yield [path, records];
    }
  }

  #node(path: BytePath): FolderNode | undefined {
    if (path === '') return this.#root;
    const slash = path.lastIndexOf('/');
    const parent = slash < 0 ? '' : path.slice(0, slash);
    const name = path.slice(slash + 1);
    if (this.#last?.path === parent) return this.#last.directory.nodes.get(name);
    const directory = this.#directories.get(parent);
    if (directory !== undefined) {
      this.#last = { path: parent, directory };
      return directory.nodes.get(name);
    }
    if (this.#single.has(path)) return this.#single.get(path);
    const node = this.#lookAt(parent, path, name);
    this.#single.set(path, node);
    return node;
  }

  /** One path without listing its directory. */
  #lookAt(parent: BytePath, path: BytePath, name: BytePath): FolderNode | undefined {
    if (this.#node(parent)?.entry.kind !== 'dir') return undefined;
    const stat = lstatOrNothing(fsPath(this.hostPath(path)));
    if (stat === undefined) return undefined;
    const { verdict } = this.#check(path, stat.isDirectory());
    if (verdict === 'drop') return undefined;
    const record = this.#cache?.records(parent).find((candidate) => candidate.name === name);
    const node = this.#nodeOf(path, stat, record);
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
    const host = this.hostPath(path);
    let names: { readonly name: string; isDirectory(): boolean }[];
    try {
      names = readdirSync(fsPath(host), { withFileTypes: true, encoding: 'latin1' });
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') throw changed(path);
      throw unreadable(fromBytePath(host), error);
    }
    names.sort((a, b) => (a.name < b.name ? -1 : 1));
    const records = this.#cache?.records(path) ?? [];
    const nodes = new Map<BytePath, FolderNode>();
    let record = 0;
    for (const found of names) {
      const { name } = found;
      const child = path === '' ? name : `${path}/${name}`;
      const { verdict } = this.#check(child, found.isDirectory());
      if (verdict === 'drop') continue;
      const stat = lstatOrNothing(fsPath(`${host}/${name}`));
      if (stat === undefined) continue;
      while (record < records.length && (records[record] as StatRecord).name < name) record += 1;
      const match = records[record]?.name === name ? records[record] : undefined;
      const node = this.#nodeOf(child, stat, match);
      if (verdict === 'keep' || (node.entry.kind === 'dir' && this.#read(child).names.length > 0)) nodes.set(name, node);
    }
    const directory: Directory = { nodes, names: [...nodes.keys()] };
    this.#directories.set(path, directory);
    return directory;
  }

  #nodeOf(path: BytePath, stat: BigIntStats, record: StatRecord | undefined): FolderNode {
    const kind = kindOf(stat);
    const mtime = Number(stat.mtimeNs / NANO);
    const ctime = Number(stat.ctimeNs / NANO);
    const stamp: FileStamp = {
      ino: Number(stat.ino),
      size: Number(stat.size),
      mtime,
      mtimeNs: Number(stat.mtimeNs - BigInt(mtime) * NANO),
      ctime,
      ctimeNs: Number(stat.ctimeNs - BigInt(ctime) * NANO),
    };
    const known = record !== undefined && sameStamp(record, stamp) ? record : undefined;
    const host = this.hostPath(path);
    // The root's own attributes are never copied, and a link's are not ours to read.
    const xattrs = known?.plain === true || kind === 'symlink' || path === '' ? undefined : xattrsOf(host);
    const device = kind === 'char' || kind === 'block' ? { devMajor: major(stat.rdev), devMinor: minor(stat.rdev) } : undefined;
    const entry: Entry = {
      path,
      kind,
      mode: kind === 'symlink' ? 0o777 : Number(stat.mode) & 0o7777,
      uid: 0,
      gid: 0,
      size: kind === 'file' ? stamp.size : 0,
      mtime: stamp.mtime,
      mtimeNs: stamp.mtimeNs,
      ...(kind === 'symlink' && { link: readlinkSync(fsPath(host), 'latin1') }),
      ...(xattrs !== undefined && { xattrs }),
      ...device,
    };
    return {
      entry,
      stamp,
      linkKey: kind === 'file' && stat.nlink > 1n ? `${stat.dev}:${stat.ino}` : undefined,
      digest: known?.digest,
      steady: known !== undefined || !isRacy(stamp, this.#now().getTime()),
    };
  }

  #open(node: FolderNode): number {
    const host = this.hostPath(node.entry.path);
    let fd: number;
    try {
      fd = openSync(fsPath(host), READ);
    } catch (error) {
      if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'].includes(errnoOf(error) ?? '')) throw changed(node.entry.path);
      throw unreadable(fromBytePath(host), error);
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
    const { stamp } = node;
    const same =
      stat.isFile() &&
      Number(stat.ino) === stamp.ino &&
      Number(stat.size) === stamp.size &&
      stat.mtimeNs === BigInt(stamp.mtime) * NANO + BigInt(stamp.mtimeNs) &&
      stat.ctimeNs === BigInt(stamp.ctime) * NANO + BigInt(stamp.ctimeNs);
    if (!same) throw changed(node.entry.path);
  }
}

const NANO = 1_000_000_000n;

function kindOf(stat: BigIntStats): Entry['kind'] {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'dir';
  if (stat.isSymbolicLink()) return 'symlink';
  if (stat.isFIFO()) return 'fifo';
  if (stat.isSocket()) return 'socket';
  return stat.isCharacterDevice() ? 'char' : 'block';
}

function major(device: bigint): number {
  return Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n));
}

function minor(device: bigint): number {
  return Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n));
}

function xattrsOf(host: BytePath): Record<string, string> | undefined {
  try {
    return readXattrs(host, isLayerXattr);
  } catch (error) {
    // A file that may be listed but not read, or that went: reading it says so.
    if (['EACCES', 'EPERM', 'ENOENT'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

function lstatOrNothing(path: string | Buffer): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw unreadable(path.toString(), error);
  }
}

function changed(path: BytePath): SlipwayError {
  return new SlipwayError('FILE_CHANGED', `file changed while it was read: ${fromBytePath(path)}`, {
    hint: 'something wrote to the build context during the build; build again when it is done',
    facts: { path: fromBytePath(path) },
  });
}

function unreadable(path: string, cause: unknown): SlipwayError {
  return new SlipwayError('CONTEXT_UNREADABLE', `cannot read ${path}: ${errnoOf(cause) ?? String(cause)}`, {
    cause,
    hint: 'make it readable, or leave it out by .dockerignore',
    facts: { path },
  });
}

function notFound(path: string, why = 'not found'): SlipwayError {
  return new SlipwayError('CONTEXT_NOT_FOUND', `unable to prepare context: path ${JSON.stringify(path)} ${why}`, { facts: { path } });
}
