// The folder form of a layer: what overlayfs takes as a lower directory. Written into an empty folder that nobody else knows, from
// entries whose paths were resolved before: no component on the way is a link.

import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  linkSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { type BytePath, errnoOf, fromBytePath, fsPath, SlipwayError, toBytePath } from '../base/index.ts';
import { mknod, S_IFBLK, S_IFCHR, S_IFIFO, S_IFSOCK, setTimes, setTimesOf, setXattr } from '../sys/index.ts';
import type { OverlayNamespace } from './diff-folder.ts';
import type { Entry } from './entry.ts';
import { loosened, OWNER_NOTE, ownerNote } from './kept-owners.ts';
import { checkPathLength } from './layer-index.ts';

/** What this process may put on disk. Whatever it may not is kept in the index alone. */
export interface FolderRights {
  /** Namespace of overlay's own attributes. */
  readonly overlay: OverlayNamespace;
  /** Whether files can be given to other owners. */
  readonly owners: boolean;
  /** Whether device nodes can be made. */
  readonly devices: boolean;
}

const ROOT_RIGHTS: FolderRights = { overlay: 'trusted', owners: true, devices: true };
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Writes one folder. Methods throw the kernel's errors (ENOSPC, EIO, …). */
export class FolderForm {
  readonly #root: BytePath;
  readonly #rights: FolderRights;
  readonly #uid = process.geteuid?.() ?? 0;
  readonly #gid = process.getegid?.() ?? 0;
  #open: number | undefined;

  constructor(folder: string, rights: FolderRights = ROOT_RIGHTS) {
    this.#root = toBytePath(folder);
    this.#rights = rights;
  }

  /** Everything but files and hard links. Times of directories are set by `finish`. */
  make(entry: Entry): void {
    const path = this.#path(entry.path);
    let isOurs = true;
    switch (entry.kind) {
      case 'dir':
        isOurs = makeDirectory(path);
        break;
      case 'symlink':
        symlinkSync(fsPath(entry.link ?? ''), fsPath(path));
        break;
      case 'fifo':
        mknod(path, S_IFIFO | 0o600);
        break;
      case 'socket':
        mknod(path, S_IFSOCK | 0o600);
        break;
      case 'whiteout':
        mknod(path, S_IFCHR);
        return;
      case 'char':
      case 'block':
        if (!this.#rights.devices) return;
        mknod(path, (entry.kind === 'char' ? S_IFCHR : S_IFBLK) | 0o600, entry.devMajor ?? 0, entry.devMinor ?? 0);
        break;
      case 'file':
      case 'hardlink':
        throw new Error(`internal: make of a ${entry.kind}`);
    }
    isOurs &&= entry.uid === this.#uid && entry.gid === this.#gid;
    if (this.#rights.owners && !isOurs) lchownSync(fsPath(path), entry.uid, entry.gid);
    if (entry.kind === 'dir') chmodSync(fsPath(path), this.#rights.owners ? entry.mode : loosened(entry));
    else if (entry.kind !== 'symlink') chmodSync(fsPath(path), entry.mode);
    if (entry.opaque === true) this.markOpaque(entry.path);
    this.#xattrs(entry, path);
    if (entry.kind === 'dir') this.#noteOwner(entry, path);
    if (entry.kind !== 'dir') setTimes(path, timeOf(entry), timeOf(entry));
  }

  /** A whole file. */
  writeFile(entry: Entry, bytes: Uint8Array): void {
    this.beginFile(entry);
    if (bytes.length > 0) this.append(bytes);
    this.endFile(entry);
  }

  beginFile(entry: Entry): void {
    this.#open = openSync(fsPath(this.#path(entry.path)), CREATE, 0o600);
  }

  append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) at += writeSync(this.#file(), bytes, at);
  }

  endFile(entry: Entry): void {
    const fd = this.#file();
    if (this.#rights.owners && (entry.uid !== this.#uid || entry.gid !== this.#gid)) fchownSync(fd, entry.uid, entry.gid);
    // After the owner: chown takes setuid away.
    const mode = this.#rights.owners ? entry.mode : loosened(entry);
    if (mode !== 0o600) fchmodSync(fd, mode);
    this.#xattrs(entry, this.#path(entry.path));
    this.#noteOwner(entry, this.#path(entry.path));
    // node:fs takes a negative time for "now".
    if (entry.mtimeNs === 0 && entry.mtime >= 0) futimesSync(fd, entry.mtime, entry.mtime);
    else setTimesOf(fd, timeOf(entry), timeOf(entry));
    this.close();
  }

  link(from: BytePath, to: BytePath): void {
    try {
      linkSync(fsPath(this.#path(from)), fsPath(this.#path(to)));
    } catch (error) {
      // The first name is a device that exists in the index alone.
      if (errnoOf(error) !== 'ENOENT' || this.#rights.devices) throw error;
    }
  }

  remove(path: BytePath): void {
    rmSync(fsPath(this.#path(path)), { recursive: true, force: true });
  }

  markOpaque(path: BytePath): void {
    setXattr(this.#path(path), `${this.#rights.overlay}.overlay.opaque`, 'y');
  }

  /** Gives directories their times, now that nothing is written into them any more. */
  finish(directories: readonly Entry[]): void {
    for (const entry of directories) {
      const path = this.#path(entry.path);
      if (entry.path === '') {
        if (this.#rights.owners) lchownSync(fsPath(path), entry.uid, entry.gid);
        chmodSync(fsPath(path), entry.mode | 0o700);
      }
      setTimes(path, timeOf(entry), timeOf(entry));
    }
  }

  /** Closes a file left open by a failure. */
  close(): void {
    if (this.#open === undefined) return;
    closeSync(this.#open);
    this.#open = undefined;
  }

  #file(): number {
    if (this.#open === undefined) throw new Error('internal: no file is open');
    return this.#open;
  }

  #path(path: BytePath): BytePath {
    if (path === '') return this.#root;
    checkPathLength(path, this.#root.length + 2);
    return `${this.#root}/${path}`;
  }

  /** What the disk cannot hold; a filesystem without attributes for users loses it. */
  #noteOwner(entry: Entry, path: BytePath): void {
    if (this.#rights.owners) return;
    const note = ownerNote(entry, this.#uid, this.#gid);
    if (note !== undefined) this.#setXattr(path, OWNER_NOTE, note);
  }

  #xattrs(entry: Entry, path: BytePath): void {
    if (entry.xattrs === undefined) return;
    for (const [name, value] of Object.entries(entry.xattrs)) if (name !== OWNER_NOTE) this.#setXattr(path, name, value);
  }

  #setXattr(path: BytePath, name: string, value: string): void {
    try {
      setXattr(path, name, value);
    } catch (error) {
      // The filesystem or the rights do not allow it (`user.` on a device, `trusted.` and capabilities for ordinary users).
      const code = errnoOf(error);
      if (code === 'ENOSPC' || code === 'E2BIG') throw tooLarge(path, error);
      if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'EINVAL') throw error;
    }
  }
}

/** False: it was there, perhaps with another owner. */
function makeDirectory(path: BytePath): boolean {
  try {
    mkdirSync(fsPath(path), 0o700);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function timeOf(entry: Entry): { readonly seconds: number; readonly nanoseconds: number } {
  return { seconds: entry.mtime, nanoseconds: entry.mtimeNs };
}

/** A full disk would say the same: that is told with it. */
function tooLarge(path: BytePath, cause: unknown): SlipwayError {
  return new SlipwayError('LAYER_ATTRIBUTES', `the disk has no room for the extended attributes of ${fromBytePath(path)}`, {
    cause,
    hint: 'ext4 has some 4 kilobytes for all attributes of a file; where they must stay, put the store on xfs or btrfs',
  });
}
