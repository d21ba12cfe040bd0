// Folders of a tree that somebody may be changing, held open: each is opened by the one above it, and a name that turned into a symlink
// meanwhile is not followed. So what is read by `<folder>/<name>` is of the tree, whoever swaps what.

import { closeSync, constants, existsSync, openSync } from 'node:fs';
import { type BytePath, errnoOf, fsPath } from '../base/index.ts';
import { closeFile, openAt, openDirectoryAt } from '../sys/index.ts';

const O_PATH = 0o10000000;
const DIRECTORY = O_PATH | constants.O_DIRECTORY;

/** The folders on the way to the one that was asked for last. They are closed when the event loop comes around: who asks again opens them again. */
export class HeldFolders {
  readonly #root: BytePath;
  #natively = false;
  readonly #throughProc = existsSync('/proc/self/fd');
  readonly #open: { readonly path: BytePath; readonly fd: number }[] = [];
  #closing = false;

  /** `root` is followed if it is a symlink. */
  constructor(root: BytePath) {
    this.#root = root;
  }

  /** Folders are opened by the kernel's own call from now on, for reading where that is allowed; those that are open are let go. */
  openNatively(): void {
    if (this.#natively) return;
    for (const { fd } of this.#open.splice(0)) closeSync(fd);
    this.#natively = true;
  }

  /** A path of the folder at `path` below the root (`''`: the root) that leads nowhere else, good until another folder beside it is asked for. */
  at(path: BytePath): BytePath {
    const fd = this.fd(path);
    if (this.#throughProc) return `/proc/self/fd/${fd}`;
    return path === '' ? this.#root : `${this.#root}/${path}`;
  }

  /** Its descriptor, good for what takes one to begin at. Throws the kernel's errors; ENOTDIR or ELOOP where something on the way is no folder (any more). */
  fd(path: BytePath): number {
    let last = this.#top();
    while (last.path !== path && last.path !== '' && !path.startsWith(`${last.path}/`)) {
      this.#letGo(last.fd);
      this.#open.pop();
      last = this.#top();
    }
    while (last.path !== path) {
      const from = last.path === '' ? 0 : last.path.length + 1;
      const slash = path.indexOf('/', from);
      const to = slash < 0 ? path.length : slash;
      const name = path.slice(from, to);
      if (this.#natively) {
        this.#open.push((last = { path: path.slice(0, to), fd: openDirectoryAt(last.fd, name) }));
        continue;
      }
      const above = this.#throughProc ? `/proc/self/fd/${last.fd}` : this.#root + (last.path === '' ? '' : `/${last.path}`);
      const fd = openSync(fsPath(`${above}/${name}`), DIRECTORY | constants.O_NOFOLLOW);
      this.#open.push((last = { path: path.slice(0, to), fd }));
    }
    return last.fd;
  }

  #top(): { readonly path: BytePath; readonly fd: number } {
    let top = this.#open.at(-1);
    if (top === undefined) this.#open.push((top = { path: '', fd: this.#openRoot() }));
    if (!this.#closing) {
      this.#closing = true;
      setImmediate(() => this.#close());
    }
    return top;
  }

  #openRoot(): number {
    if (this.#natively) {
      try {
        return openAt(undefined, this.#root, constants.O_RDONLY | constants.O_DIRECTORY);
      } catch (error) {
        if (errnoOf(error) !== 'EACCES') throw error;
        return openAt(undefined, this.#root, DIRECTORY);
      }
    }
    return openSync(fsPath(this.#root), DIRECTORY);
  }

  #close(): void {
    this.#closing = false;
    for (const { fd } of this.#open.splice(0)) this.#letGo(fd);
  }

  #letGo(fd: number): void {
    if (this.#natively) closeFile(fd);
    else closeSync(fd);
  }
}
