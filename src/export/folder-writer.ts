// Writes a tree into a user's folder. Nothing outside of it is touched, whatever links the folder has or gets meanwhile: every
// step goes through an open directory, and no name is followed if it is a link.

import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { baseName, type BytePath, errnoOf, fromBytePath, fsPath, parentPath, SlipwayError, toBytePath } from '../base/index.ts';
import type { Entry, FileBytes } from '../layer/index.ts';
import { makeFolders, mknod, removeTree, S_IFBLK, S_IFCHR, S_IFIFO, setTimes, setXattr } from '../sys/index.ts';
import { FileCrew } from './file-crew.ts';
import { ignoreRefusal, putFile, settleFile } from './put-file.ts';
import { writeFault } from './sink.ts';
import type { TreeItem } from './tree-items.ts';
import { FACTS, type FileBatch, type OpenFolder, pathOfOpen } from './write-batch.ts';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
/** Of fcntl.h; Node does not name it. */
const O_PATH = 0o10000000;
const NODE_TYPE = { char: S_IFCHR, block: S_IFBLK, fifo: S_IFIFO } as const;

/** A directory that is being written. */
interface Frame {
  readonly path: BytePath;
  /** Undefined: it is not made yet. Perhaps there are only files in it: then it is made with them. */
  fd: number | undefined;
  /** What it gets when everything in it is written; undefined: it is the destination itself. */
  readonly entry: Entry | undefined;
  /** Names written, when all others are to go. */
  readonly names: Set<BytePath> | undefined;
  /** It was not there before. */
  readonly isNew: boolean;
  /** Files that are to be written, and their bytes. */
  files: WaitingFile[];
  bytes: number;
  /** Batches of its files that are being written. */
  readonly writing: Promise<void>[];
}

/** An open directory, for paths in it. */
interface Place {
  readonly path: BytePath;
  readonly fd: number;
}

interface WaitingFile {
  readonly name: BytePath;
  readonly entry: Entry;
  readonly source: FileBytes | undefined;
}

/** What is written in one go. */
const BATCH = { files: 64, bytes: 4 << 20 };

/** Takes the items of a tree in order. Files are gathered and written by a crew: `room` keeps it from falling behind. */
export class FolderWriter implements AsyncDisposable {
  readonly #root: string;
  readonly #prune: boolean;
  readonly #frames: Frame[] = [];
  /** Directories written once and left: a second platform may come back to them. */
  readonly #kept = new Map<BytePath, Set<BytePath>>();
  /** Directories that were left while files in them were still being written. */
  readonly #leaving = new Set<Promise<void>>();
  readonly #crew = new FileCrew();
  #failure: { readonly error: unknown } | undefined;
  #count = 0;

  /** Makes the folder if it is missing. `prune` removes what nobody wrote, at the end. */
  constructor(root: string, prune: boolean) {
    this.#root = root;
    this.#prune = prune;
    try {
      makeFolders(root);
      this.#push({ path: '', fd: openSync(root, O_RDONLY | O_DIRECTORY), entry: undefined, isNew: false });
    } catch (cause) {
      throw writeFault(root, cause);
    }
  }

  write(item: TreeItem): void {
    const { entry } = item;
    this.#returnTo(parentPath(entry.path));
    const name = baseName(entry.path);
    if (name === '' || name === '.' || name === '..') throw new Error(`internal: not a name: ${JSON.stringify(name)}`);
    this.#top.names?.add(name);
    try {
      this.#writeEntry(item, name);
    } catch (cause) {
      throw cause instanceof SlipwayError ? cause : writeFault(`${this.#root}/${fromBytePath(entry.path)}`, cause);
    }
  }

  /** Whether `room` would return at once. */
  get hasRoom(): boolean {
    return this.#crew.hasRoom && this.#failure === undefined;
  }

  /** Waits until there is room for more. Rejects when something could not be written. */
  async room(): Promise<void> {
    await this.#crew.room();
    this.#throwFailure();
  }

  /** Waits until all files so far are written. A hard link needs that. */
  async settle(): Promise<void> {
    for (const frame of this.#frames) this.#dispatch(frame);
    this.#crew.flush();
    await Promise.all(this.#frames.flatMap(({ writing }) => writing));
    await Promise.all(this.#leaving);
    this.#throwFailure();
  }

  /** Completes all directories. */
  async finish(): Promise<void> {
    while (this.#frames.length > 0) this.#leave();
    this.#crew.flush();
    await Promise.all(this.#leaving);
    this.#throwFailure();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#crew[Symbol.asyncDispose]();
    await Promise.all(this.#leaving);
    for (const { fd, files } of this.#frames.splice(0)) {
      for (const { source } of files) source?.[Symbol.dispose]();
      if (fd !== undefined) closeSync(fd);
    }
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
  #at(name: BytePath, frame: Place = this.#made(this.#top)): string | Buffer {
    return fsPath(`${this.#open(frame)}/${name}`);
  }

  #folder(frame: Frame): OpenFolder {
    const made = this.#made(frame);
    return { fd: made.fd, path: this.#open(made) };
  }

  /** An open directory as a path. */
  #open({ fd, path }: Place): BytePath {
    return pathOfOpen(fd, toBytePath(this.#root) + (path === '' ? '' : `/${path}`));
  }

  /** In a directory that is new nothing can be in the way: the one in it is made when it is known what else is. */
  #enter(entry: Entry, name: BytePath): void {
    const frame = { path: entry.path, fd: undefined, entry, isNew: true };
    if (this.#top.isNew) return this.#push(frame);
    this.#push({ ...frame, ...this.#make(this.#at(name)) });
  }

  /** The directory of a frame, which is made if it is not yet. */
  #made(frame: Frame): Place {
    const { path } = frame;
    if (frame.fd === undefined) {
      const above = this.#frames[this.#frames.indexOf(frame) - 1];
      if (above === undefined) throw new Error('internal: a directory in none');
      frame.fd = this.#make(this.#at(baseName(path), this.#made(above))).fd;
    }
    return { path, fd: frame.fd };
  }

  #make(path: string | Buffer): { readonly fd: number; readonly isNew: boolean } {
    let isNew = true;
    try {
      mkdirSync(path, 0o700);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
      if (lstatSync(path).isDirectory()) isNew = false;
      else {
        unlinkSync(path);
        mkdirSync(path, 0o700);
      }
    }
    const fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    const mode = fstatSync(fd).mode & 0o7777;
    if ((mode & 0o700) !== 0o700) fchmodSync(fd, mode | 0o700);
    return { fd, isNew };
  }

  #push(frame: Pick<Frame, 'path' | 'fd' | 'entry' | 'isNew'>): void {
    const names = this.#prune ? (this.#kept.get(frame.path) ?? new Set<BytePath>()) : undefined;
    if (names !== undefined) this.#kept.set(frame.path, names);
    this.#frames.push({ ...frame, names, files: [], bytes: 0, writing: [] });
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
    if (frame.fd === undefined && frame.entry !== undefined) return this.#leaveToCrew(frame, frame.entry);
    this.#dispatch(frame);
    this.#frames.pop();
    if (frame.writing.length === 0) return this.#complete(frame);
    const leaving: Promise<void> = Promise.all(frame.writing)
      .then(() => this.#complete(frame))
      .catch((error: unknown) => void (this.#failure ??= { error }))
      .finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }

  /** The directory above is complete when this one is. */
  #leaveToCrew(frame: Frame, entry: Entry): void {
    this.#frames.pop();
    const above = this.#top;
    const folder = this.#folder(above);
    above.writing.push(this.#send(frame, { folder, directory: { name: baseName(frame.path), facts: entry } }));
  }

  #complete(frame: Frame): void {
    const { fd } = this.#made(frame);
    try {
      if (this.#failure !== undefined) return;
      if (frame.names !== undefined) this.#removeOthers({ path: frame.path, fd }, frame.names);
      if (frame.entry !== undefined) settleFile(fd, frame.entry);
    } catch (cause) {
      throw writeFault(`${this.#root}/${fromBytePath(frame.path)}`, cause);
    } finally {
      closeSync(fd);
    }
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #removeOthers(frame: Place, names: ReadonlySet<BytePath>): void {
    for (const name of readdirSync(this.#at('.', frame), { encoding: 'latin1' })) {
      if (!names.has(name)) removeTree(this.#at(name, frame).toString('latin1'));
    }
  }

  #file(item: TreeItem, name: BytePath): void {
    const { entry, bytes } = item;
    const frame = this.#top;
    if (bytes !== undefined) {
      const made = this.#made(frame);
      const place = {
        folder: made.fd,
        at: (other: BytePath) => this.#at(other, made),
        isNew: frame.isNew,
        temporary: () => `.slipway-${process.pid}-${(this.#count += 1)}`,
      };
      return putFile(place, name, entry, bytes);
    }
    frame.files.push({ name, entry, source: entry.size === 0 ? undefined : item.open?.() });
    frame.bytes += entry.size;
    if (frame.files.length >= BATCH.files || frame.bytes >= BATCH.bytes) this.#dispatch(frame);
  }

  /** Hands a directory's files to the crew. What goes wrong is told by the next call that can. */
  #dispatch(frame: Frame): void {
    if (frame.files.length > 0) frame.writing.push(this.#send(frame, { folder: this.#folder(frame) }));
  }

  #send(frame: Frame, where: Pick<FileBatch, 'folder' | 'directory'>): Promise<void> {
    const { files, bytes, isNew, path } = frame;
    frame.files = [];
    frame.bytes = 0;
    const facts = new Float64Array(files.length * FACTS);
    let at = 0;
    for (const { entry, source } of files) {
      facts[at] = entry.size;
      facts[at + 1] = entry.mode;
      facts[at + 2] = entry.mtime;
      facts[at + 3] = entry.mtimeNs;
      facts[at + 4] = source?.fd ?? -1;
      facts[at + 5] = source?.offset ?? 0;
      at += FACTS;
    }
    const xattrs = files.some(({ entry }) => entry.xattrs !== undefined) ? { xattrs: files.map(({ entry }) => entry.xattrs) } : {};
    return this.#crew
      .write({ ...where, isNew, names: files.map(({ name }) => name), facts, ...xattrs }, bytes)
      .catch((cause: unknown) => {
        const name = (cause as { readonly file?: BytePath }).file;
        const place = [this.#root, fromBytePath(path), fromBytePath(name ?? '')].filter((part) => part !== '');
        this.#failure ??= { error: cause instanceof SlipwayError ? cause : writeFault(place.join('/'), cause) };
      })
      .finally(() => {
        for (const { source } of files) source?.[Symbol.dispose]();
      });
  }

  #symlink(entry: Entry, name: BytePath): void {
    const path = this.#at(name);
    const target = entry.link ?? '';
    const old = lstatSync(path, { throwIfNoEntry: false });
    if (old?.isSymbolicLink() !== true || readlinkSync(path, { encoding: 'latin1' }) !== target) {
      if (old !== undefined) removeTree(path.toString('latin1'));
      symlinkSync(fsPath(target), path);
      for (const [key, value] of Object.entries(entry.xattrs ?? {})) ignoreRefusal(() => setXattr(path.toString('latin1'), key, value));
    }
    date(path, entry);
  }

  #hardlink(entry: Entry, name: BytePath): void {
    const path = this.#at(name);
    const first = entry.link ?? '';
    const folder = this.#openFolder(parentPath(first));
    try {
      const target = this.#at(baseName(first), folder);
      const wanted = lstatSync(target, { bigint: true });
      const old = lstatSync(path, { bigint: true, throwIfNoEntry: false });
      if (old !== undefined && old.ino === wanted.ino && old.dev === wanted.dev) return;
      if (old !== undefined) removeTree(path.toString('latin1'));
      linkSync(target, path);
    } finally {
      closeSync(folder.fd);
    }
  }

  /** Opens a directory that was written before, name by name. */
  #openFolder(path: BytePath): Place {
    let folder: Place = {
      path: '',
      fd: openSync(this.#at('.', this.#made(this.#frames[0] as Frame)), O_RDONLY | O_DIRECTORY),
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
    removeTree(path.toString('latin1'));
    try {
      mknod(path.toString('latin1'), NODE_TYPE[kind] | entry.mode, entry.devMajor, entry.devMinor);
    } catch (cause) {
      if (errnoOf(cause) !== 'EPERM') throw cause;
      throw new SlipwayError('EXPORT_WRITE', `cannot make the device ${fromBytePath(entry.path)}: permission denied`, {
        hint: 'use type=tar, which can hold devices, or run as root',
        cause,
      });
    }
    setMode(path, entry.mode);
    date(path, entry);
  }
}

/** The umask took from the mode that a node was made with. Whatever has the name by now: nothing is followed. */
function setMode(path: string | Buffer, mode: number): void {
  const fd = openSync(path, O_PATH | O_NOFOLLOW);
  try {
    chmodSync(fsPath(pathOfOpen(fd, path.toString('latin1'))), mode);
  } finally {
    closeSync(fd);
  }
}

/** With node:fs a time before 1970 would be now. */
function date(path: string | Buffer, { mtime, mtimeNs }: Entry): void {
  const time = { seconds: mtime, nanoseconds: mtimeNs };
  setTimes(path.toString('latin1'), time, time);
}
