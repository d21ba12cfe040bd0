// Reads and hashes files of a folder, each checked afterwards to be what was seen before: in threads, and in whoever waits for them.

import { constants } from 'node:fs';
import type { BytePath, Digest } from '../base/index.ts';
import { encodeTarHeader } from '../layer/index.ts';
import { closeFile, openAt, S_IFMT, S_IFREG, Stamp, STAMP_WORDS, stampOfOpen } from '../sys/index.ts';
import { hashBytes, hashFile } from './file-hash.ts';
import { SPOOLED_FILE } from './file-spool.ts';
import { HeldFolders } from './held-folders.ts';
import { SpoolWriter } from './spool-writer.ts';

/** Where files are hashed from. `spool`: a file for the bytes of small files. */
export interface HashPlace {
  readonly root: BytePath;
  readonly spool?: number;
  readonly owner: { readonly uid: number; readonly gid: number };
}

/** Files to hash. Paths are joined by NUL. */
export interface HashBatch {
  readonly paths: string;
  /** Where each will likely be in a layer (empty: not known). */
  readonly likely: string;
  /** Ino, size, mtime, mtimeNs, ctime, ctimeNs and mode of each. */
  readonly stamps: Float64Array;
  /** Whether the bytes of small files are to be kept. */
  readonly keep: boolean;
  /** A shared word: 1 when somebody took the batch. */
  readonly taken: Int32Array;
}

const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** Numbers of a file in `HashBatch.stamps`. */
export const STAMPS = 7;

/** What came of a batch. */
export interface HashedBatch {
  /** 32 bytes a file. */
  readonly digests: Uint8Array;
  /** Those that could not be read as they were seen. */
  readonly failed: readonly number[];
  /** Where each file's bytes are in the spool (-1: nowhere), and how long the header before them is. */
  readonly offsets: Float64Array;
  readonly headers: Uint32Array;
}

/** Takes a batch, which only one can. */
export function takeBatch({ taken }: HashBatch): boolean {
  return Atomics.exchange(taken, 0, 1) === 0;
}

/** One who hashes. */
export class BatchHasher {
  readonly #held: HeldFolders;
  readonly #owner: HashPlace['owner'];
  readonly #writer: SpoolWriter | undefined;
  readonly #stamp = new Stamp(new Uint32Array(STAMP_WORDS), 0);

  constructor({ root, spool, owner }: HashPlace) {
    this.#held = new HeldFolders(root);
    this.#held.openNatively();
    this.#owner = owner;
    this.#writer = spool === undefined ? undefined : new SpoolWriter(spool);
  }

  /** Synchronous. What cannot be read is among `failed`. */
  hash({ paths, likely, stamps, keep }: HashBatch): HashedBatch {
    const names = paths.split('\0');
    const places = likely.split('\0');
    const digests = Buffer.alloc(names.length * 32);
    const failed: number[] = [];
    const writer = this.#writer;
    const offsets = new Float64Array(names.length).fill(-1);
    const headers = new Uint32Array(names.length);
    for (const [at, name] of names.entries()) {
      const seen = stamps.subarray(at * STAMPS, (at + 1) * STAMPS);
      try {
        const slash = name.lastIndexOf('/');
        const folder = this.#held.fd(slash < 0 ? '' : name.slice(0, slash));
        const fd = openAt(folder, name.slice(slash + 1), READ);
        try {
          const size = seen[1] as number;
          const isKept = keep && writer !== undefined && size <= SPOOLED_FILE;
          const digest: Digest = isKept
            ? hashBytes(writer.take(fd, size, headerOf(places[at] ?? '', seen, this.#owner)))
            : hashFile(fd, size);
          if (isKept) {
            offsets[at] = writer.offset;
            headers[at] = writer.headerBytes;
          }
          // Whatever changes a file changes its ctime: what is the same now was so while it was read.
          if (this.#isAsSeen(fd, seen)) digests.write(digest.slice(7), at * 32, 'hex');
          else failed.push(at);
        } finally {
          closeFile(fd);
        }
      } catch {
        // The main thread reads it again and says why.
        failed.push(at);
      }
    }
    return { digests, failed, offsets, headers };
  }

  /** After the last batch: whether the spool has what `offsets` say. */
  finish(): boolean {
    this.#writer?.flush();
    return this.#writer?.failed === false;
  }

  #isAsSeen(fd: number, seen: Float64Array): boolean {
    const now = this.#stamp;
    stampOfOpen(fd, now.words, now.at);
    return (
      (now.mode & S_IFMT) === S_IFREG &&
      now.ino === seen[0] &&
      now.size === seen[1] &&
      now.modified === seen[2] &&
      now.modifiedNs === seen[3] &&
      now.changed === seen[4] &&
      now.changedNs === seen[5]
    );
  }
}

function headerOf(path: string, seen: Float64Array, owner: HashPlace['owner']): Buffer | undefined {
  if (path === '') return undefined;
  const [, size = 0, mtime = 0, , , , mode = 0] = seen;
  return encodeTarHeader({ path, kind: 'file', mode, ...owner, size, mtime, mtimeNs: 0 });
}
