// Where this client pushed blobs to: what goes to another repository of that registry, too, is mounted from there, not sent again.

import type { Digest } from '../base/index.ts';
import type { Reference } from '../oci/index.ts';

/** Blobs that are remembered; a server pushes many in its life. */
const MOST = 4096;

export class PushedBlobs {
  /** `registry/repository`, by registry and digest; the one pushed longest ago first. */
  readonly #places = new Map<string, string>();

  /** The last repository of a registry that a blob was pushed to. */
  placeOf({ registry }: Reference, digest: Digest): string | undefined {
    return this.#places.get(`${registry} ${digest}`);
  }

  add({ registry, repository }: Reference, digest: Digest): void {
    const key = `${registry} ${digest}`;
    this.#places.delete(key);
    this.#places.set(key, `${registry}/${repository}`);
    const [oldest] = this.#places.keys();
    if (this.#places.size > MOST && oldest !== undefined) this.#places.delete(oldest);
  }
}
