// A folder that changes as a developer's does, by chance: files written, moved, linked, replaced by something else.

import {
  chmodSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Dice } from './dice.ts';

const SUFFIXES = ['', '', '.ts', '.log', ' and more', '\u00e9'];

/**
 * Times of modification say nothing here: they follow from a file's size and kind, so that the same files always give the same layer, and so
 * that whoever trusts them is found out.
 */
export class ChangingFolder {
  readonly path: string;
  readonly #dice: Dice;
  #made = 0;

  constructor(path: string, files: number, dice: Dice) {
    this.path = path;
    this.#dice = dice;
    mkdirSync(path, { recursive: true });
    const folders = 1 + Math.floor(files / dice.pick([3, 20, 500]));
    for (let count = 0; count < files; count += 1) {
      const below = dice.below(4) === 0 ? `d${dice.below(folders)}/e${dice.below(3)}` : `d${dice.below(folders)}`;
      this.#write(join(below, this.#name()));
    }
    this.settle();
  }

  /** One change. */
  change(): void {
    const at = this.#some(() => true);
    const file = this.#some((path) => lstatSync(join(this.path, path)).isFile());
    const folder = this.#some((path) => lstatSync(join(this.path, path)).isDirectory()) ?? '';
    const fresh = join(folder, this.#name());
    const full = (path: string): string => join(this.path, path);
    if (at === undefined || file === undefined) return this.#write(fresh);
    switch (this.#dice.below(14)) {
      case 0: // another text of the same size
        return writeFileSync(
          full(file),
          readFileSync(full(file)).map((byte) => byte ^ 1),
        );
      case 1:
        return writeFileSync(full(file), 'more', { flag: 'a' });
      case 2:
        return this.#write(fresh);
      case 3:
        return this.#write(join(fresh, 'deep', this.#name()));
      case 4:
        return rmSync(full(at), { recursive: true });
      case 5:
        if (!`${fresh}/`.startsWith(`${at}/`)) renameSync(full(at), full(fresh));
        return;
      case 6:
        return lstatSync(full(at)).isSymbolicLink() ? undefined : chmodSync(full(at), this.#dice.pick([0o755, 0o700, 0o644, 0o4755]));
      case 7:
        return symlinkSync(this.#dice.pick([file, '/tmp', '..', 'nowhere']), full(fresh));
      case 8:
        return linkSync(full(file), full(fresh));
      case 9: // a file becomes a folder
        rmSync(full(file));
        return this.#write(join(file, this.#name()));
      case 10: // anything becomes a file
        rmSync(full(at), { recursive: true });
        return this.#write(at);
      case 11: {
        // two files change places
        const other = this.#some((path) => lstatSync(full(path)).isFile()) as string;
        renameSync(full(file), full(fresh));
        if (other !== file) renameSync(full(other), full(file));
        return renameSync(full(fresh), full(other));
      }
      case 12: // the same text, written anew
        return writeFileSync(full(file), readFileSync(full(file)));
      default:
        return mkdirSync(full(fresh));
    }
  }

  /** Sets the times of everything: call it after the last change. */
  settle(): void {
    for (const path of [...this.#all(), '']) {
      const stat = lstatSync(join(this.path, path));
      const seconds = 1_700_000_000 + (stat.isFile() ? stat.size : 0);
      lutimesSync(join(this.path, path), seconds, seconds);
    }
  }

  /** Everything in the folder. Links are not followed: they lead anywhere. */
  #all(below = ''): string[] {
    return readdirSync(join(this.path, below), { withFileTypes: true }).flatMap((entry) => {
      const path = join(below, entry.name);
      return entry.isDirectory() ? [path, ...this.#all(path)] : [path];
    });
  }

  #some(wanted: (path: string) => boolean): string | undefined {
    const found = this.#all().filter(wanted);
    return found.length === 0 ? undefined : this.#dice.pick(found);
  }

  #name(): string {
    return `f${(this.#made += 1)}${this.#dice.pick(SUFFIXES)}`;
  }

  #write(path: string): void {
    const size = this.#dice.pick([0, 1, 10, 200, 200, 5_000, 100_000]);
    mkdirSync(dirname(join(this.path, path)), { recursive: true });
    writeFileSync(join(this.path, path), `${this.#made}${this.#dice.below(1e9)}\n`.repeat(1 + size / 10).slice(0, size));
  }
}
