// Copies of clients' folders, kept between builds so that only changes travel. A key (who the client is, its shared key and folder name) has one folder
// for each build that uses it at the same time: nothing changes under a build that reads it.

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
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

/** What mirrors need of the store that they lie in. */
export interface MirrorStore {
  /** Holds a name for this process and this caller alone; undefined: somebody has it. */
  lock(name: string): Disposable | undefined;
  /** Says that a folder is used now: while the build goes on nobody takes it away. */
  use(path: string): void;
}

/** The mirrors below one folder. Servers may share it. */
export class MirrorPool {
  readonly #root: string;
  readonly #store: MirrorStore;

  /** Folder on the same disk for short-lived files. */
  readonly scratch: string;

  constructor(root: string, scratch: string, store: MirrorStore) {
    this.#root = root;
    this.#store = store;
    this.scratch = scratch;
    mkdirSync(this.#root, { recursive: true, mode: 0o700 });
  }

  /** Takes a mirror of `key` that nobody uses, the fullest known first; makes one when all are in use. */
  take(key: string): MirrorLease {
    const name = digestHex(digestOf(key)).slice(0, 32);
    let number = 0;
    let lock: Disposable | undefined;
    while ((lock = this.#store.lock(`mirror-${name}-${number}`)) === undefined) number += 1;
    const held = lock;
    const slot = join(this.#root, `${name}-${number}`);
    mkdirSync(slot, { recursive: true, mode: 0o700 });
    this.#store.use(slot);
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
        if (!kept) removeTree(toBytePath(slot));
        held[Symbol.dispose]();
      },
    };
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
