// Paths that stay right while processes run in a root: they may rename the folders above a place that we made, or put symlinks there that lead
// out. A descriptor of the folder leads to the folder itself, whatever it is called by then.

import { closeSync, constants, openSync } from 'node:fs';
import { type BytePath, fsPath } from '../base/index.ts';
import { type HeldPlace, holdInRoot } from '../sys/index.ts';

const O_PATH = 0o10000000;

/** Open folders, each once; disposing closes them. */
export class Anchors implements Disposable {
  readonly #folders = new Map<BytePath, { readonly folder: BytePath; readonly close: () => void }>();

  /** Where `path` leads in `root`, held as long as these anchors. */
  place(root: BytePath, path: BytePath): Omit<HeldPlace, keyof Disposable> {
    const place = holdInRoot(root, path);
    return { ...place, folder: this.#keep(place.path, place.folder, () => place[Symbol.dispose]()) };
  }

  /** A folder in one of the folders, opened and kept; `path` is where it is in the root. Throws ENOTDIR or ELOOP where it is none (any more). */
  below(folder: BytePath, name: BytePath, path: BytePath): BytePath {
    const fd = openSync(fsPath(`${folder}/${name}`), O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    return this.#keep(path, `/proc/self/fd/${fd}`, () => closeSync(fd));
  }

  [Symbol.dispose](): void {
    for (const { close } of this.#folders.values()) close();
    this.#folders.clear();
  }

  #keep(path: BytePath, folder: BytePath, close: () => void): BytePath {
    const known = this.#folders.get(path);
    if (known === undefined) this.#folders.set(path, { folder, close });
    else close();
    return known?.folder ?? folder;
  }
}
