// Paths that stay right while a step runs: a step may rename the folders above a place that we made, or put symlinks there that lead out of
// its root. A descriptor of the folder leads to the folder itself, whatever it is called by then.

import { closeSync, constants, openSync } from 'node:fs';
import { type BytePath, fsPath } from '../base/index.ts';

/** Open folders; disposing closes them. */
export class Anchors implements Disposable {
  readonly #folders = new Map<BytePath, number>();

  /** The folder itself. It must be reached without symlinks now. */
  folder(path: BytePath): BytePath {
    return `/proc/self/fd/${this.#open(path)}/.`;
  }

  /** What lies, or will lie, at `path` in its folder, which exists. Its last name is never followed. */
  entry(path: BytePath): BytePath {
    const slash = path.lastIndexOf('/');
    return `/proc/self/fd/${this.#open(path.slice(0, slash) || '/')}/${path.slice(slash + 1)}`;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#folders.values()) closeSync(fd);
    this.#folders.clear();
  }

  #open(folder: BytePath): number {
    const known = this.#folders.get(folder);
    if (known !== undefined) return known;
    const fd = openSync(fsPath(folder), constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    this.#folders.set(folder, fd);
    return fd;
  }
}
