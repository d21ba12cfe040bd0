// Small files by name, for the rooms that remember things: facts of layers, cache records, last known digests.
// Each appears whole or not at all; several processes use them at once; the file's mtime says when it was last used.

import { appendFileSync, closeSync, fstatSync, lstatSync, mkdirSync, openSync, readFileSync, readSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf } from '../base/index.ts';
import { unlinkIfThere, writeFileAtomic } from './atomic-file.ts';
import { inStore } from './faults.ts';
import type { Leases } from './lease.ts';
import { namesIn } from './owner.ts';
import type { TempArea } from './temp-area.ts';

/** Name of a record: `[A-Za-z0-9._-]{3,}`, such as the hex part of a digest. */
const NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]{2,250}$/;

/** One folder of records below the store's root. Names are spread over folders by their first two characters. */
export class RecordFiles {
  readonly #root: string;
  readonly #folder: string;
  readonly #leases: Leases;
  readonly #temp: TempArea;

  constructor(root: string, name: string, leases: Leases, temp: TempArea) {
    this.#root = root;
    this.#folder = `${root}/${name}`;
    this.#leases = leases;
    this.#temp = temp;
  }

  /** File of a record, whether it exists or not. */
  path(name: string): string {
    if (!NAME.test(name)) throw new Error(`internal: not a record name: ${name}`);
    return `${this.#folder}/${name.slice(0, 2)}/${name}`;
  }

  /** Bytes of a record, marked as used; undefined when it is not there. */
  read(name: string): Buffer | undefined {
    return this.use(name) ? this.peek(name) : undefined;
  }

  /** Bytes of a record without using it. */
  peek(name: string): Buffer | undefined {
    try {
      return readFileSync(this.path(name));
    } catch (error) {
      if (isNoRecord(error)) return undefined;
      throw error;
    }
  }

  /** What was added to a record after its first `offset` bytes, without using it; undefined when it is not there, or shorter than that. */
  peekFrom(name: string, offset: number): Buffer | undefined {
    let file: number;
    try {
      file = openSync(this.path(name), 'r');
    } catch (error) {
      if (isNoRecord(error)) return undefined;
      throw error;
    }
    try {
      const { size } = fstatSync(file);
      if (size < offset) return undefined;
      const bytes = Buffer.allocUnsafe(size - offset);
      return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, offset));
    } catch (error) {
      if (isNoRecord(error)) return undefined;
      throw error;
    } finally {
      closeSync(file);
    }
  }

  /** A record that holds JSON. Undefined when it is not there or was cut: a record that cannot be read is no record. */
  readJson(name: string): unknown {
    return parseJson(this.read(name));
  }

  /** As `readJson`, without using it. */
  peekJson(name: string): unknown {
    return parseJson(this.peek(name));
  }

  /** Replaces a record. */
  write(name: string, content: string | Uint8Array): void {
    const write = (): void => writeFileAtomic(this.#root, this.path(name), content, { temporary: this.#temp.path('record') });
    try {
      write();
    } catch (error) {
      if (!this.#clear(name)) throw error;
      write();
    }
  }

  writeJson(name: string, value: unknown): void {
    this.write(name, JSON.stringify(value));
  }

  /** Adds a line (without its newline). Lines of several processes do not mix; a killed writer can leave half a line at the end. */
  append(name: string, line: string): void {
    const path = this.path(name);
    inStore(this.#root, `writing ${path}`, () => {
      try {
        appendFileSync(path, `${line}\n`);
      } catch (error) {
        if (errnoOf(error) === 'ENOENT') mkdirSync(dirname(path), { recursive: true });
        else if (!this.#clear(name)) throw error;
        appendFileSync(path, `${line}\n`);
      }
    });
  }

  /** Marks a record as used. False: it is not there. */
  use(name: string): boolean {
    return this.#leases.use(this.path(name));
  }

  /** Size in bytes and last use, or undefined. */
  stat(name: string): { readonly size: number; readonly usedAt: number } | undefined {
    const stat = statSync(this.path(name), { throwIfNoEntry: false });
    return stat === undefined ? undefined : { size: stat.size, usedAt: stat.mtimeMs };
  }

  remove(name: string): boolean {
    return inStore(this.#root, 'removing a record', () => this.#clear(name) || unlinkIfThere(this.path(name)));
  }

  /** Removes a folder that somebody made where a record belongs; false: there is none. */
  #clear(name: string): boolean {
    const path = this.path(name);
    if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return false;
    rmSync(path, { recursive: true });
    return true;
  }

  /** All names, sorted: a scan, for listings and collection only. */
  names(): string[] {
    return namesIn(this.#folder)
      .flatMap((prefix) => namesIn(`${this.#folder}/${prefix}`))
      .filter((name) => NAME.test(name) && this.stat(name) !== undefined)
      .sort();
  }
}

/** A record that cannot be read is no record: not there, a folder, or where the disk is broken. */
function isNoRecord(error: unknown): boolean {
  return ['ENOENT', 'EISDIR', 'EIO'].includes(errnoOf(error) ?? '');
}

function parseJson(bytes: Buffer | undefined): unknown {
  if (bytes === undefined) return undefined;
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
