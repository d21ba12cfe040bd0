// Unfinished work: one folder for each process below `tmp/`, removed when the process ends, or by somebody else when it could not.

import { mkdirSync, mkdtempSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { errnoOf } from '../base/index.ts';
import { dropTree } from '../sys/index.ts';
import { freshName } from './atomic-file.ts';
import { inStore } from './faults.ts';
import { namesIn, ownerLives, ownerTag } from './owner.ts';

/** The temporary files of one store, on its filesystem so that a rename publishes them. */
export class TempArea {
  readonly #root: string;
  #folder: string | undefined;
  #aside: string | undefined;

  constructor(root: string) {
    this.#root = root;
  }

  /** A path nobody has; its folder exists. Whoever writes there renames or removes it. */
  path(hint = 'file'): string {
    return `${this.#own()}/${hint}-${freshName()}`;
  }

  /** A path outside of the store, for what is made of one that may only be read: nothing there can be published. It is gone at the end. */
  pathAside(hint = 'file'): string {
    this.#aside ??= mkdtempSync(join(tmpdir(), 'slipway-aside-'));
    return `${this.#aside}/${hint}-${freshName()}`;
  }

  /** A new empty folder; disposing removes what is still in it. */
  folder(hint = 'dir'): { readonly path: string } & AsyncDisposable {
    const path = this.path(hint);
    inStore(this.#root, 'making a temporary folder', () => mkdirSync(path, { mode: 0o700 }));
    return { path, [Symbol.asyncDispose]: () => dropTree(path) };
  }

  /** Removes what dead processes left. Cheap when there is nothing. */
  async sweep(now: Date): Promise<void> {
    for (const name of namesIn(`${this.#root}/tmp`)) {
      const path = `${this.#root}/tmp/${name}`;
      if (!ownerLives(name.slice(0, name.indexOf('.')), ageOf(path, now))) await dropTree(path);
    }
  }

  /** Removes this process's folder when nothing is in it, and what is outside of the store: nobody would sweep that. */
  close(): void {
    if (this.#aside !== undefined) rmSync(this.#aside, { recursive: true, force: true });
    this.#aside = undefined;
    if (this.#folder === undefined) return;
    try {
      rmdirSync(this.#folder);
    } catch (error) {
      if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'ENOENT') throw error;
    }
    this.#folder = undefined;
  }

  #own(): string {
    if (this.#folder === undefined) {
      const folder = `${this.#root}/tmp/${ownerTag()}.${freshName()}`;
      inStore(this.#root, 'making a temporary folder', () => makeFolder(folder));
      this.#folder = folder;
    }
    return this.#folder;
  }
}

/** Not at once with its parents: of a disk that cannot be written Node then says that there is no such folder. */
function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    mkdirSync(dirname(folder), { recursive: true, mode: 0o700 });
    mkdirSync(folder, { mode: 0o700 });
  }
}

function ageOf(path: string, now: Date): number {
  try {
    return now.getTime() - statSync(path).mtimeMs;
  } catch {
    return 0; // gone meanwhile
  }
}
