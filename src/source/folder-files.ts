// What the kernel says of single files of a user's folder, each asked for by its folder, which is held; and how it refuses.

import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync, type BigIntStats } from 'node:fs';
import { type BytePath, errnoOf, fromBytePath, fsPath, SlipwayError } from '../base/index.ts';
import { isLayerXattr } from '../layer/index.ts';
import { fillStamp, hasXattrs, readXattrs, S_IFMT, S_IFREG, Stamp, STAMP_WORDS } from '../sys/index.ts';
import type { FolderNode } from './folder-directory.ts';
import { HeldFolders } from './held-folders.ts';

const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** Of something that was there, or was a folder, a moment ago. */
const GONE: readonly string[] = ['ENOENT', 'ENOTDIR', 'ELOOP'];

/** The files below `root`. Symlinks are never followed, not even those that replace a folder meanwhile. */
export class FolderFiles {
  readonly root: BytePath;
  readonly held: HeldFolders;

  constructor(root: BytePath) {
    this.root = root;
    this.held = new HeldFolders(root);
  }

  /** Where a path is on this machine. */
  hostPath(path: BytePath): BytePath {
    return path === '' ? this.root : `${this.root}/${path}`;
  }

  /** Undefined: nothing is there. Throws `CONTEXT_UNREADABLE`. */
  stat(path: BytePath): BigIntStats | undefined {
    try {
      return lstatSync(fsPath(this.#place(path)), { bigint: true });
    } catch (error) {
      if (isGone(error)) return undefined;
      throw unreadable(fromBytePath(this.hostPath(path)), error);
    }
  }

  /** What a symlink says. Throws `FILE_CHANGED` where there is none any more. */
  link(path: BytePath): BytePath {
    try {
      return readlinkSync(fsPath(this.#place(path)), 'latin1');
    } catch (error) {
      if (isGone(error) || errnoOf(error) === 'EINVAL') throw changed(path);
      throw error;
    }
  }

  /** Attributes that layers have; undefined: none, or none that may be read. */
  xattrs(path: BytePath): Record<string, string> | undefined {
    try {
      const slash = path.lastIndexOf('/');
      // Mostly there are none, and that is soon asked where the kernel knows a quicker way.
      if (hasXattrs(this.held.fd(slash < 0 ? '' : path.slice(0, slash)), path.slice(slash + 1)) === false) return undefined;
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
    return `${this.held.at(slash < 0 ? '' : path.slice(0, slash))}/${path.slice(slash + 1)}`;
  }

  /** Opens a file that is still what was seen. Throws `FILE_CHANGED` and `CONTEXT_UNREADABLE`; who opens closes. */
  open(node: FolderNode): number {
    let fd: number;
    try {
      fd = openSync(fsPath(this.#place(node.entry.path)), READ);
    } catch (error) {
      if ([...GONE, 'ENXIO'].includes(errnoOf(error) ?? '')) throw changed(node.entry.path);
      throw unreadable(fromBytePath(this.hostPath(node.entry.path)), error);
    }
    try {
      this.checkUnchanged(fd, node);
      return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** Holds an open file to what was seen of it. Throws `FILE_CHANGED`. */
  checkUnchanged(fd: number, node: FolderNode): void {
    const now = stampOf(fstatSync(fd, { bigint: true }));
    const { stamp } = node;
    const same =
      (now.mode & S_IFMT) === S_IFREG &&
      now.ino === stamp.ino &&
      now.size === stamp.size &&
      now.modified === stamp.modified &&
      now.modifiedNs === stamp.modifiedNs &&
      now.changed === stamp.changed &&
      now.changedNs === stamp.changedNs;
    if (!same) throw changed(node.entry.path);
  }
}

/** Whether the kernel found nothing where something was, or was a folder, a moment ago. */
export function isGone(error: unknown): boolean {
  return GONE.includes(errnoOf(error) ?? '');
}

/** What stat said, in the form that is remembered. */
export function stampOf(stat: BigIntStats): Stamp {
  const words = new Uint32Array(STAMP_WORDS);
  fillStamp(stat, words, 0);
  return new Stamp(words, 0);
}

/** A file is not what was seen of it. */
export function changed(path: BytePath): SlipwayError {
  return new SlipwayError('FILE_CHANGED', `file changed while it was read: ${fromBytePath(path)}`, {
    hint: 'something wrote to the build context during the build; build again when it is done',
    facts: { path: fromBytePath(path) },
  });
}

/** Something of the folder may not be read. */
export function unreadable(path: string, cause: unknown): SlipwayError {
  const errno = errnoOf(cause);
  const refused = errno === 'EACCES' || errno === 'EPERM';
  const tooMany = errno === 'EMFILE' || errno === 'ENFILE';
  const why = refused ? 'permission denied' : tooMany ? 'too many open files' : (errno ?? String(cause));
  return new SlipwayError('CONTEXT_UNREADABLE', `cannot read ${path}: ${why}`, {
    cause,
    hint: tooMany ? 'raise the limit of open files (ulimit -n 1024)' : 'make it readable, or leave it out by .dockerignore',
    facts: { path },
  });
}

/** The folder itself is not there. */
export function notFound(path: string, why = 'not found'): SlipwayError {
  return new SlipwayError('CONTEXT_NOT_FOUND', `unable to prepare context: path ${JSON.stringify(path)} ${why}`, { facts: { path } });
}
