// What checks and images left of notes, as rows of the store's usage: one for each image that was ever made.

import { blobUsageId, type Collectable, type RecordFiles, type Store, type UsageEntry } from '../store/index.ts';
import { LACKS } from './insight-check.ts';
import { ORIGINS } from './insight-origins.ts';

const ABOUT = { [LACKS]: 'what a check found', [ORIGINS]: 'what made the layers of an image' } as const;
type Kind = keyof typeof ABOUT;

/** Findings of checks, and origins, which stay with their images. */
export class InsightUsage implements Collectable {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  *entries(): Generator<UsageEntry> {
    for (const kind of Object.keys(ABOUT) as Kind[]) {
      const files = this.#store.records(kind);
      for (const name of files.names()) {
        const stat = files.stat(name);
        if (stat === undefined) continue;
        const image = blobUsageId(`sha256:${name}`);
        yield {
          id: `${kind}:${name}`,
          type: 'internal',
          description: ABOUT[kind],
          size: stat.size,
          createdAt: stat.usedAt,
          lastUsedAt: stat.usedAt,
          mutable: true,
          ...(kind === ORIGINS ? { needs: [image], noteOn: image } : { needs: [] }),
        };
      }
    }
  }

  remove(id: string): void {
    const [files, name] = this.#find(id);
    files.remove(name);
  }

  lastUsedAt(id: string): number | undefined {
    const [files, name] = this.#find(id);
    return files.stat(name)?.usedAt;
  }

  #find(id: string): readonly [RecordFiles, string] {
    const colon = id.indexOf(':');
    return [this.#store.records(id.slice(0, colon)), id.slice(colon + 1)];
  }
}
