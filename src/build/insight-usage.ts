// What checks and images left of notes, as rows of the store's usage: one for each image that was ever made.

import { blobUsageId, type Collectable, RecordRows, type Store, type UsageEntry } from '../store/index.ts';
import { LACKS } from './insight-check.ts';
import { ORIGINS } from './insight-origins.ts';

const ABOUT = { [LACKS]: 'what a check found', [ORIGINS]: 'what made the layers of an image' } as const;

/** Findings of checks, and origins, which stay with their images. */
export class InsightUsage extends RecordRows<keyof typeof ABOUT> implements Collectable {
  constructor(store: Store) {
    super({ [LACKS]: store.records(LACKS), [ORIGINS]: store.records(ORIGINS) });
  }

  *entries(): Generator<UsageEntry> {
    for (const { kind, name, row } of this.rows()) {
      const image = blobUsageId(`sha256:${name}`);
      yield { ...row, description: ABOUT[kind], mutable: true, ...(kind === ORIGINS ? { needs: [image], noteOn: image } : { needs: [] }) };
    }
  }
}
