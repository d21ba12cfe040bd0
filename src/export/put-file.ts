// One regular file into an open directory of the user's: left alone when it is right already, else replaced as a whole.

import { closeSync, constants, fchmodSync, fstatSync, lstatSync, openSync, renameSync, unlinkSync, type BigIntStats } from 'node:fs';
import { type BytePath, errnoOf } from '../base/index.ts';
import type { FileBytes } from '../layer/index.ts';
import { closeFile, dateOpen, openAt, removeTree, setXattrOf } from '../sys/index.ts';
import { copyFile, sameBytes, writeAll } from './file-bytes.ts';

const { O_NOFOLLOW, O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_NONBLOCK } = constants;

/** What a file is beside its bytes. Times are whole seconds and nanoseconds. */
export interface FileFacts {
  readonly size: number;
  readonly mode: number;
  readonly mtime: number;
  readonly mtimeNs: number;
  readonly xattrs?: Readonly<Record<string, string>>;
}

/** Where a file goes. */
export interface FilePlace {
  /** The directory, open. */
  readonly folder: number;
  /** A name in its directory as a path that leads nowhere else. */
  readonly at: (name: BytePath) => string | Buffer;
  /** The directory was just made: nothing is in it but what we put there. */
  readonly isNew: boolean;
  /** A name that nobody uses, for a file that takes another one's place. */
  readonly temporary: () => BytePath;
}

/** Writes the file `name`. Synchronous; throws the kernel's errors, and `FILE_CHANGED` when `source` ends early. */
export function putFile(place: FilePlace, name: BytePath, facts: FileFacts, source: FileBytes | Uint8Array | undefined): void {
  if (place.isNew && createFile(place, name, facts, source)) return;
  const path = place.at(name);
  const old = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (old?.isFile() === true && old.size === BigInt(facts.size) && keeps(path, old, facts, source)) return;
  if (old?.isDirectory() === true) removeTree(path.toString('latin1'));
  if (old === undefined || old.isDirectory()) {
    if (createFile(place, name, facts, source)) return;
    throw Object.assign(new Error('somebody else made it meanwhile'), { code: 'EEXIST' });
  }
  // A reader of the old file keeps it; others that are linked to it are not changed.
  let other = place.temporary();
  // A killed builder of the same number may have left some: in a container the numbers are the same each time.
  while (!createFile(place, other, facts, source)) other = place.temporary();
  const temporary = place.at(other);
  try {
    renameSync(temporary, path);
  } catch (error) {
    unlinkSync(temporary);
    throw error;
  }
}

/** Gives an open file its mode, time and attributes. */
export function settleFile(fd: number, facts: FileFacts): void {
  setXattrsOf(fd, facts);
  fchmodSync(fd, facts.mode);
  dateOpen(fd, facts.mtime, facts.mtimeNs);
}

function setXattrsOf(fd: number, { xattrs }: Pick<FileFacts, 'xattrs'>): void {
  for (const [key, value] of Object.entries(xattrs ?? {})) ignoreRefusal(() => setXattrOf(fd, key, value));
}

/** A user's folder often cannot have a layer's attributes; the files are useful without. */
export function ignoreRefusal(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!['EPERM', 'EACCES', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL'].includes(errnoOf(error) ?? '')) throw error;
  }
}

/** False: the name is taken. What could not be finished is gone again. */
function createFile(place: FilePlace, name: BytePath, facts: FileFacts, source: FileBytes | Uint8Array | undefined): boolean {
  // With its mode from the start, where no umask takes from it and no write would: one change of the inode less.
  const whole = (facts.mode & (umask() | 0o7000)) === 0;
  let fd: number;
  try {
    fd = openAt(place.folder, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, whole ? facts.mode : 0o600);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
  try {
    if (source instanceof Uint8Array) writeAll(fd, source);
    else if (source !== undefined) copyFile(source, fd);
    setXattrsOf(fd, facts);
    if (!whole) fchmodSync(fd, facts.mode);
    dateOpen(fd, facts.mtime, facts.mtimeNs);
    return true;
  } catch (error) {
    unlinkSync(place.at(name));
    throw error;
  } finally {
    closeFile(fd);
  }
}

let ownUmask: number | undefined;

function umask(): number {
  return (ownUmask ??= process.umask());
}

/** Whether the file there is the one to write; then at most its mode and time are set. */
function keeps(path: string | Buffer, old: BigIntStats, facts: FileFacts, source: FileBytes | Uint8Array | undefined): boolean {
  let fd: number;
  try {
    fd = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch {
    return false;
  }
  try {
    const [file, bytes] = source instanceof Uint8Array ? [undefined, source] : [source, undefined];
    if (!sameBytes(fd, file, bytes)) return false;
    const sameTime = Math.abs(Number(old.mtimeNs - BigInt(facts.mtime) * 1_000_000_000n) - facts.mtimeNs) < 1000;
    if (sameTime && Number(old.mode & 0o7777n) === facts.mode && facts.xattrs === undefined) return true;
    // Its other names, wherever they are, must not change with it.
    if (fstatSync(fd).nlink > 1) return false;
    settleFile(fd, facts);
    return true;
  } finally {
    closeSync(fd);
  }
}
