// Writes a tree into a user's folder. Nothing outside of it is touched, whatever links the folder has or gets meanwhile: every
// step goes through an open directory, and no name is followed if it is a link.

import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fstatSync,
  futimesSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  type BigIntStats,
} from 'node:fs';
import { type BytePath, errnoOf, fromBytePath, fsPath, SlipwayError, toBytePath } from '../base/index.ts';
import type { Entry, FileBytes } from '../layer/index.ts';
import { makeDevice, mknod, S_IFBLK, S_IFCHR, S_IFIFO, setXattr, setXattrOf } from '../sys/index.ts';
import { copyFile, sameBytes, writeAll } from './file-bytes.ts';
import { makeFolders } from './make-folders.ts';
import { writeFault } from './sink.ts';
import type { TreeItem } from './tree-items.ts';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_NONBLOCK } = constants;
const NODE_TYPE = { char: S_IFCHR, block: S_IFBLK, fifo: S_IFIFO } as const;

/** A directory that is being written. */
interface Frame {
  readonly path: BytePath;
  readonly fd: number;
  /** What it gets when everything in it is written; undefined: it is the destination itself. */
  readonly entry: Entry | undefined;
  /** Names written, when all others are to go. */
  readonly names: Set<BytePath> | undefined;
}

/** Takes the items of a tree in order. All calls are synchronous. */
export class FolderWriter implements Disposable {
  readonly #root: string;
  readonly #prune: boolean;
  readonly #throughProc = existsSync('/proc/self/fd');
  readonly #frames: Frame[] = [];
  /** Directories written once and left: a second platform may come back to them. */
  readonly #kept = new Map<BytePath, Set<BytePath>>();
  #count = 0;

  /** Makes the folder if it is missing. `prune` removes what nobody wrote, at the end. */
  constructor(root: string, prune: boolean) {
    this.#root = root;
    this.#prune = prune;
    try {
      makeFolders(root);
      this.#push({ path: '', fd: openSync(root, O_RDONLY | O_DIRECTORY), entry: undefined });
    } catch (cause) {
      throw writeFault(root, cause);
    }
  }

  write(item: TreeItem): void {
    const { entry } = item;
    const slash = entry.path.lastIndexOf('/');
    this.#returnTo(slash < 0 ? '' : entry.path.slice(0, slash));
    const name = entry.path.slice(slash + 1);
    if (name === '' || name === '.' || name === '..') throw new Error(`internal: not a name: ${JSON.stringify(name)}`);
    this.#top.names?.add(name);
    try {
      this.#writeEntry(item, name);
    } catch (cause) {
      throw cause instanceof SlipwayError ? cause : writeFault(`${this.#root}/${fromBytePath(entry.path)}`, cause);
    }
  }

  /** Completes all directories. */
  finish(): void {
    while (this.#frames.length > 0) this.#leave();
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#frames.splice(0)) closeSync(fd);
  }

  #writeEntry(item: TreeItem, name: BytePath): void {
    const { entry } = item;
    switch (entry.kind) {
      case 'dir':
        return this.#enter(entry, name);
      case 'file':
        return this.#file(item, name);
      case 'symlink':
        return this.#symlink(entry, name);
      case 'hardlink':
        return this.#hardlink(entry, name);
      case 'char':
      case 'block':
      case 'fifo':
        return this.#node(entry, name, entry.kind);
      default:
        // A socket is of its process, and whiteouts are no files.
        return;
    }
  }

  get #top(): Frame {
    const frame = this.#frames.at(-1);
    if (frame === undefined) throw new Error('internal: the folder is finished');
    return frame;
  }

  /** A name in the current directory, as a path that leads nowhere else. */
  #at(name: BytePath, frame: Frame = this.#top): string | Buffer {
    if (this.#throughProc) return fsPath(`/proc/self/fd/${frame.fd}/${name}`);
    return fsPath(`${toBytePath(this.#root)}/${frame.path === '' ? '' : `${frame.path}/`}${name}`);
  }

  #enter(entry: Entry, name: BytePath): void {
    const path = this.#at(name);
    try {
      mkdirSync(path, 0o700);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
      if (!lstatSync(path).isDirectory()) {
        unlinkSync(path);
        mkdirSync(path, 0o700);
      }
    }
    const fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    const mode = fstatSync(fd).mode & 0o7777;
    if ((mode & 0o700) !== 0o700) fchmodSync(fd, mode | 0o700);
    this.#push({ path: entry.path, fd, entry });
  }

  #push(frame: Omit<Frame, 'names'>): void {
    const names = this.#prune ? (this.#kept.get(frame.path) ?? new Set<BytePath>()) : undefined;
    if (names !== undefined) this.#kept.set(frame.path, names);
    this.#frames.push({ ...frame, names });
  }

  /** Leaves directories until `path` is the current one. */
  #returnTo(path: BytePath): void {
    while (this.#top.path !== path) {
      if (this.#frames.length === 1) throw new Error(`internal: ${path} was not written before what is in it`);
      this.#leave();
    }
  }

  #leave(): void {
    const frame = this.#top;
    try {
      if (frame.names !== undefined) this.#removeOthers(frame, frame.names);
      if (frame.entry !== undefined) {
        setXattrsOf(frame.fd, frame.entry);
        fchmodSync(frame.fd, frame.entry.mode);
        futimesSync(frame.fd, timeOf(frame.entry), timeOf(frame.entry));
      }
    } catch (cause) {
      throw writeFault(`${this.#root}/${fromBytePath(frame.path)}`, cause);
    } finally {
      this.#frames.pop();
      closeSync(frame.fd);
    }
  }

  #removeOthers(frame: Frame, names: ReadonlySet<BytePath>): void {
    for (const name of readdirSync(this.#at('.', frame), { encoding: 'latin1' })) {
      if (!names.has(name)) rmSync(this.#at(name, frame), { recursive: true, force: true });
    }
  }

  #file({ entry, open, bytes }: TreeItem, name: BytePath): void {
    const path = this.#at(name);
    const old = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    using source = bytes === undefined ? open?.() : undefined;
    if (old?.isFile() === true && old.size === BigInt(entry.size) && this.#keeps(path, old, entry, source, bytes)) return;
    if (old?.isDirectory() === true) rmSync(path, { recursive: true });
    const replaced = old !== undefined && !old.isDirectory();
    const temporary = replaced ? this.#at(`.slipway-${process.pid}-${(this.#count += 1)}`) : path;
    const fd = openSync(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      if (bytes !== undefined) writeAll(fd, bytes);
      else if (source !== undefined) copyFile(source, fd);
      this.#settle(fd, entry);
      // A reader of the old file keeps it; others that are linked to it are not changed.
      if (replaced) renameSync(temporary, path);
    } catch (error) {
      unlinkSync(temporary);
      throw error;
    } finally {
      closeSync(fd);
    }
  }

  /** Whether the file there is the one to write; then at most its mode and time are set. */
  #keeps(path: string | Buffer, old: BigIntStats, entry: Entry, source: FileBytes | undefined, bytes: Uint8Array | undefined): boolean {
    let fd: number;
    try {
      fd = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    } catch {
      return false;
    }
    try {
      if (!sameBytes(fd, source, bytes)) return false;
      const sameTime = Math.abs(Number(old.mtimeNs - BigInt(entry.mtime) * 1_000_000_000n) - entry.mtimeNs) < 1000;
      if (sameTime && Number(old.mode & 0o7777n) === entry.mode && entry.xattrs === undefined) return true;
      this.#settle(fd, entry);
      return true;
    } finally {
      closeSync(fd);
    }
  }

  #settle(fd: number, entry: Entry): void {
    setXattrsOf(fd, entry);
    fchmodSync(fd, entry.mode);
    futimesSync(fd, timeOf(entry), timeOf(entry));
  }

  #symlink(entry: Entry, name: BytePath): void {
    const path = this.#at(name);
    const target = entry.link ?? '';
    const old = lstatSync(path, { throwIfNoEntry: false });
    if (old?.isSymbolicLink() !== true || readlinkSync(path, { encoding: 'latin1' }) !== target) {
      if (old !== undefined) rmSync(path, { recursive: true });
      symlinkSync(fsPath(target), path);
      for (const [key, value] of Object.entries(entry.xattrs ?? {})) ignoreRefusal(() => setXattr(path.toString('latin1'), key, value));
    }
    lutimesSync(path, timeOf(entry), timeOf(entry));
  }

  #hardlink(entry: Entry, name: BytePath): void {
    const path = this.#at(name);
    const first = entry.link ?? '';
    const slash = first.lastIndexOf('/');
    const folder = this.#openFolder(slash < 0 ? '' : first.slice(0, slash));
    try {
      const target = this.#at(first.slice(slash + 1), folder);
      const wanted = lstatSync(target, { bigint: true });
      const old = lstatSync(path, { bigint: true, throwIfNoEntry: false });
      if (old !== undefined && old.ino === wanted.ino && old.dev === wanted.dev) return;
      if (old !== undefined) rmSync(path, { recursive: true });
      linkSync(target, path);
    } finally {
      closeSync(folder.fd);
    }
  }

  /** Opens a directory that was written before, name by name. */
  #openFolder(path: BytePath): Frame {
    let folder: Frame = {
      path: '',
      fd: openSync(this.#at('.', this.#frames[0]), O_RDONLY | O_DIRECTORY),
      entry: undefined,
      names: undefined,
    };
    for (const name of path.split('/').filter((part) => part !== '')) {
      try {
        const fd = openSync(this.#at(name, folder), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        closeSync(folder.fd);
        folder = { ...folder, path: folder.path === '' ? name : `${folder.path}/${name}`, fd };
      } catch (error) {
        closeSync(folder.fd);
        throw error;
      }
    }
    return folder;
  }

  #node(entry: Entry, name: BytePath, kind: keyof typeof NODE_TYPE): void {
    const path = this.#at(name);
    rmSync(path, { recursive: true, force: true });
    try {
      mknod(path.toString('latin1'), NODE_TYPE[kind] | entry.mode, makeDevice(entry.devMajor ?? 0, entry.devMinor ?? 0));
    } catch (cause) {
      if (errnoOf(cause) !== 'EPERM') throw cause;
      throw new SlipwayError('EXPORT_WRITE', `cannot make the device ${fromBytePath(entry.path)}: permission denied`, {
        hint: 'use type=tar, which can hold devices, or run as root',
        cause,
      });
    }
    lutimesSync(path, timeOf(entry), timeOf(entry));
  }
}

/** Seconds, as node's utimes want them. */
function timeOf(entry: Entry): number {
  return entry.mtime + entry.mtimeNs / 1e9;
}

function setXattrsOf(fd: number, entry: Entry): void {
  for (const [key, value] of Object.entries(entry.xattrs ?? {})) ignoreRefusal(() => setXattrOf(fd, key, value));
}

/** A user's folder often cannot have a layer's attributes; the files are useful without. */
function ignoreRefusal(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!['EPERM', 'EACCES', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL'].includes(errnoOf(error) ?? '')) throw error;
  }
}
