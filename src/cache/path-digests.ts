// Content digests of selected paths, by the identity they were selected from. They prove a step unchanged without anybody's
// bytes. One file for each identity, a line for each selector, only ever added to.

import { type Digest, digestHex, isDigest } from '../base/index.ts';
import type { RecordFiles } from '../store/index.ts';

/** Digests by selector. */
export type PathFacts = ReadonlyMap<Digest, Digest>;

/** What is remembered of paths, here and in imported caches. */
export class PathDigests {
  readonly #files: RecordFiles;
  readonly #imported = new Map<Digest, Map<Digest, Digest>>();
  /** What this process asked for or found out: what an export of its build needs. */
  readonly #used = new Map<Digest, Map<Digest, Digest>>();

  constructor(files: RecordFiles) {
    this.#files = files;
  }

  /** The content digest of what `selector` selects from `identity`, if anybody remembers. */
  get(identity: Digest, selector: Digest): Promise<Digest | undefined> {
    const known = this.#used.get(identity)?.get(selector) ?? this.#read(identity).get(selector);
    if (known !== undefined) {
      note(this.#used, identity, selector, known);
      return Promise.resolve(known);
    }
    const imported = this.#imported.get(identity)?.get(selector);
    return imported === undefined ? Promise.resolve(undefined) : this.set(identity, selector, imported).then(() => imported);
  }

  /** Remembers a digest. */
  set(identity: Digest, selector: Digest, content: Digest): Promise<void> {
    if (this.#used.get(identity)?.get(selector) !== content) {
      note(this.#used, identity, selector, content);
      this.#files.append(digestHex(identity), `${digestHex(selector)} ${digestHex(content)}`);
    }
    return Promise.resolve();
  }

  /** What this process used of an identity, sorted by selector. */
  used(identity: Digest): readonly (readonly [selector: Digest, content: Digest])[] {
    return [...(this.#used.get(identity) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** Identities that this process used paths of. */
  usedIdentities(): readonly Digest[] {
    return [...this.#used.keys()];
  }

  /** Adds what an imported cache remembers. */
  import(identity: Digest, selector: Digest, content: Digest): void {
    note(this.#imported, identity, selector, content);
  }

  #read(identity: Digest): PathFacts {
    const facts = new Map<Digest, Digest>();
    for (const line of this.#files.read(digestHex(identity))?.toString('latin1').split('\n') ?? []) {
      const [selector, content] = line.split(' ').map((hex) => `sha256:${hex}`);
      // Half a line is what a killed writer leaves; the next one continues it, so one line may be lost with it.
      if (selector !== undefined && content !== undefined && isDigest(selector) && isDigest(content)) facts.set(selector, content);
    }
    return facts;
  }
}

function note(map: Map<Digest, Map<Digest, Digest>>, identity: Digest, selector: Digest, content: Digest): void {
  const known = map.get(identity);
  if (known === undefined) map.set(identity, new Map([[selector, content]]));
  else known.set(selector, content);
}
