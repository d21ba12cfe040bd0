// Takes away a file or a folder with all that is in it, whoever made it and whoever changes it meanwhile. Node's own `rm` goes into a folder
// by its name, which may be a symlink to elsewhere by then, recurses, and cannot name what is deeper than a path may be long. Here each folder
// is opened first and emptied through its descriptor; few are open at a time, and the way back up is checked.

import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fstatSync,
  openSync,
  readdirSync,
  rmdirSync,
  rmSync,
  unlinkSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { type BytePath, errnoOf, fsPath, toBytePath } from '../base/index.ts';
import { sysError } from './errno.ts';

const O_PATH = 0o10000000;
const FOLDER = constants.O_DIRECTORY | constants.O_NOFOLLOW;
/** So often somebody may put something else in a place, or something new into a folder, meanwhile. */
const ATTEMPTS = 100;
/** Folders that are kept open on the way down. */
const OPEN = 64;
/** What a change by somebody else looks like. */
const CHANGED: readonly string[] = ['ENOTDIR', 'ELOOP', 'ENOTEMPTY', 'EEXIST'];

const throughProc = existsSync('/proc/self/fd');

/**
 * Removes it; nothing there is fine. Symlinks are removed, never followed, however deep they are; `path` itself leads through nothing that may
 * change but its last name. Folders of this user that lack rights get them. Without /proc it is Node's `rm`.
 */
export function removeTree(path: BytePath): void {
  if (!throughProc) return rmSync(fsPath(path), { recursive: true, force: true });
  for (let attempt = 1; ; attempt += 1) {
    try {
      if (removeFile(path)) return;
      const way = new WayDown(path);
      try {
        empty(way);
      } finally {
        way.close();
      }
      return rmdirSync(fsPath(path));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return;
      if (attempt === ATTEMPTS || !isChange(error)) throw error;
    }
  }
}

/** The same for a tree that nobody else changes, where time allows: other threads do what Node can. */
export async function dropTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (!['EACCES', 'EPERM', 'ENOTEMPTY', 'ENAMETOOLONG'].includes(errnoOf(error) ?? '')) throw error;
    removeTree(toBytePath(path));
  }
}

/** Empties the folder at the top of the way, those inside first. */
function empty(way: WayDown): void {
  for (let folder: OpenFolder | undefined = way.last; folder !== undefined; folder = way.last) {
    const name = folder.names.pop();
    if (name !== undefined) removeName(way, folder, name);
    else if (way.depth === 1) return;
    else {
      // What is left of it, or came in meanwhile, is told by the kernel.
      const { name: done } = folder;
      const parent = way.up();
      again(parent, done, () => rmdirSync(fsPath(way.pathOf(parent, done))));
    }
  }
}

function removeName(way: WayDown, folder: OpenFolder, name: BytePath): void {
  const path = way.pathOf(folder, name);
  again(folder, name, () => {
    if (!removeFile(path, folder)) way.down(name);
  });
}

/** Does it; when somebody changed the name meanwhile, it is done once more later. */
function again(folder: OpenFolder, name: BytePath, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    if (!isChange(error) || ++folder.attempts > ATTEMPTS) throw error;
    folder.names.push(name);
  }
}

function isChange(error: unknown): boolean {
  return CHANGED.includes(errnoOf(error) ?? '');
}

/** False: it is a folder. `inside`: the folder that may have to be given rights first. */
function removeFile(path: BytePath, inside?: OpenFolder): boolean {
  for (let first = true; ; first = false) {
    try {
      unlinkSync(fsPath(path));
      return true;
    } catch (error) {
      const code = errnoOf(error);
      if (code === 'EISDIR') return false;
      if (code !== 'EACCES' || inside === undefined || !first) throw error;
      fchmodSync(inside.fd as number, 0o700);
    }
  }
}

interface OpenFolder {
  /** In the folder above. */
  readonly name: BytePath;
  /** Undefined: closed for the time being. */
  fd: number | undefined;
  readonly dev: bigint;
  readonly ino: bigint;
  /** What is still to be removed of it. */
  readonly names: BytePath[];
  attempts: number;
}

/** The folders from the top to where the work is. */
class WayDown {
  readonly #folders: OpenFolder[] = [];

  constructor(top: BytePath) {
    this.#push(openFolder(top), top);
  }

  get last(): OpenFolder | undefined {
    return this.#folders.at(-1);
  }

  get depth(): number {
    return this.#folders.length;
  }

  /** A name in an open folder, as a path that stays in it. */
  pathOf({ fd }: OpenFolder, name: BytePath): BytePath {
    return `/proc/self/fd/${fd as number}/${name}`;
  }

  /** Goes into a folder of the last one. */
  down(name: BytePath): void {
    this.#push(openFolder(this.pathOf(this.last as OpenFolder, name)), name);
    const far = this.#folders[this.#folders.length - 1 - OPEN];
    if (far?.fd === undefined) return;
    closeSync(far.fd);
    far.fd = undefined;
  }

  /** Leaves the last folder; returns the one above. Throws ENOTEMPTY, as for a change, when it is not where it was. */
  up(): OpenFolder {
    const left = this.#folders.pop() as OpenFolder;
    const parent = this.#folders.at(-1) as OpenFolder;
    try {
      parent.fd ??= reopen(left, parent);
    } finally {
      closeSync(left.fd as number);
    }
    return parent;
  }

  close(): void {
    for (const { fd } of this.#folders) if (fd !== undefined) closeSync(fd);
    this.#folders.length = 0;
  }

  #push(fd: number, name: BytePath): void {
    try {
      const { dev, ino } = fstatSync(fd, { bigint: true });
      const names = readdirSync(fsPath(`/proc/self/fd/${fd}`), { encoding: 'latin1' });
      this.#folders.push({ name, fd, dev, ino, names, attempts: 0 });
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }
}

/** The folder above, by the one below: only if it is still the same. */
function reopen(below: OpenFolder, wanted: OpenFolder): number {
  const fd = openSync(`/proc/self/fd/${below.fd as number}/..`, constants.O_RDONLY | FOLDER);
  const { dev, ino } = fstatSync(fd, { bigint: true });
  if (dev === wanted.dev && ino === wanted.ino) return fd;
  closeSync(fd);
  throw sysError(39, 'rmdir', wanted.name);
}

/** Opens a folder to be read; one of this user's that lacks rights gets them. */
function openFolder(path: BytePath): number {
  try {
    return openSync(fsPath(path), constants.O_RDONLY | FOLDER);
  } catch (error) {
    if (errnoOf(error) !== 'EACCES') throw error;
  }
  const held = openSync(fsPath(path), O_PATH | FOLDER);
  try {
    chmodSync(`/proc/self/fd/${held}`, 0o700);
    return openSync(`/proc/self/fd/${held}`, constants.O_RDONLY | constants.O_DIRECTORY);
  } finally {
    closeSync(held);
  }
}
