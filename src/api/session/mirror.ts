// Copies of clients' folders, kept between builds so that only changes travel. A key (the client's shared key and folder name) has one folder for
// each build that uses it at the same time: nothing changes under a build that reads it.

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestHex, digestOf, errnoOf, toBytePath } from '../../base/index.ts';
import type { Listing } from './receive.ts';
import { removeTree } from '../../build/parts.ts';

/** A mirror held by one user. */
export interface MirrorLease extends Disposable {
  readonly folder: string;
  /** What it held when it was taken. */
  readonly previous: Listing;
  /** Says that the folder equals `listing` now. Without it the folder is thrown away at the end. */
  keep(listing: Listing): void;
}

/** The mirrors below one folder. Made for one server process at a time. */
export class MirrorPool {
  readonly #root: string;
  readonly #busy = new Set<string>();

  /** Folder beside the mirrors for short-lived files. */
  readonly scratch: string;

  constructor(root: string) {
    this.#root = join(root, 'mirrors');
    this.scratch = join(root, 'scratch');
    mkdirSync(this.#root, { recursive: true, mode: 0o700 });
  }

  /** Takes a mirror of `key` that nobody uses, the fullest known first; makes one when all are in use. */
  take(key: string): MirrorLease {
    const home = join(this.#root, digestHex(digestOf(key)).slice(0, 32));
    mkdirSync(home, { recursive: true, mode: 0o700 });
    let number = 0;
    while (this.#busy.has(join(home, String(number)))) number += 1;
    const slot = join(home, String(number));
    this.#busy.add(slot);
    const folder = join(slot, 'tree');
    const listing = join(slot, 'listing');
    const previous = readListing(listing);
    // From here on until `keep` the folder is in no known state: a crash must find no listing.
    rmSync(listing, { force: true });
    if (previous === undefined) removeTree(toBytePath(slot));
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    let kept = false;
    return {
      folder,
      previous: previous ?? Buffer.alloc(0),
      keep: (now) => {
        writeFileSync(`${listing}.new`, now);
        renameSync(`${listing}.new`, listing);
        kept = true;
      },
      [Symbol.dispose]: () => {
        this.#busy.delete(slot);
        if (!kept) removeTree(toBytePath(slot));
      },
    };
  }

  /** The mirrors that are there, for disk usage. */
  list(): readonly { readonly id: string; readonly bytes: number; readonly usedAt: number; readonly inUse: boolean }[] {
    return this.#slots().map((slot) => ({
      id: slot.id,
      bytes: treeBytes(join(slot.path, 'tree')),
      usedAt: statSync(slot.path).mtimeMs,
      inUse: this.#busy.has(slot.path),
    }));
  }

  /** Removes the mirror unless it is in use; returns whether it did. */
  remove(id: string): boolean {
    const slot = this.#slots().find((one) => one.id === id);
    if (slot === undefined || this.#busy.has(slot.path)) return false;
    removeTree(toBytePath(slot.path));
    return true;
  }

  #slots(): { readonly id: string; readonly path: string }[] {
    return readdirSync(this.#root).flatMap((key) =>
      readdirSync(join(this.#root, key)).map((number) => ({ id: `mirror-${key}-${number}`, path: join(this.#root, key, number) })),
    );
  }
}

function readListing(path: string): Listing | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function treeBytes(folder: string): number {
  let bytes = 0;
  for (const entry of readdirSync(Buffer.from(folder), { withFileTypes: true, recursive: false, encoding: 'buffer' })) {
    const path = Buffer.concat([Buffer.from(`${folder}/`), entry.name]);
    if (entry.isDirectory()) bytes += treeBytesOf(path);
    else if (entry.isFile()) bytes += statSync(path).size;
  }
  return bytes;
}

function treeBytesOf(folder: Buffer): number {
  let bytes = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, encoding: 'buffer' })) {
    const path = Buffer.concat([folder, Buffer.from('/'), entry.name]);
    if (entry.isDirectory()) bytes += treeBytesOf(path);
    else if (entry.isFile()) bytes += statSync(path).size;
  }
  return bytes;
}
