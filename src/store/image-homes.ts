// Which repositories the documents of images are known to be from, and to whom. A digest alone is no proof that somebody may have what it
// names: the store of a server has images that only some of its clients may pull.

import { type Digest, digestHex, isSlipwayError } from '../base/index.ts';
import type { RecordFiles } from './records.ts';

/**
 * What manifests and configs of this store were found, pushed or named as. A line for each repository and user, in a record by the digest; it
 * goes with the blob.
 */
export class ImageHomes {
  readonly #records: RecordFiles;
  /** The user whom the store belongs to. */
  readonly #owner: string;

  constructor(records: RecordFiles, owner: string) {
    this.#records = records;
    this.#owner = owner;
  }

  /**
   * Whether the digest is known to be from `repository` (`registry/path`): to `asker` (see `Peer` of the API), or to anybody, when the
   * store's own user asks (undefined, or by its name): that one may read all of it.
   */
  has(digest: Digest, repository: string, asker: string | undefined): boolean {
    const lines = this.#lines(digest);
    if (asker === undefined || asker === this.#owner) return lines.some((line) => line.startsWith(`${repository} `));
    return lines.includes(`${repository} ${asker}`);
  }

  /** Keeps that `asker` (undefined: the store's own user) got this digest from the repository, or put it there. */
  add(digest: Digest, repository: string, asker: string | undefined): void {
    const line = `${repository} ${asker ?? this.#owner}`;
    if (this.#lines(digest).includes(line)) return;
    try {
      this.#records.append(digestHex(digest), line);
    } catch (error) {
      if (!isSlipwayError(error, 'STORE_READ_ONLY')) throw error; // asked again each time
    }
  }

  forget(digest: Digest): void {
    this.#records.remove(digestHex(digest));
  }

  /** A killed writer may have left the beginning of a line at the end: that is none. */
  #lines(digest: Digest): readonly string[] {
    return (this.#records.peek(digestHex(digest))?.toString('utf8') ?? '').split('\n').slice(0, -1);
  }
}
