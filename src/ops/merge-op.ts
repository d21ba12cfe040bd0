// MergeOp: trees stacked that do not depend on one another (`COPY --link`). Nothing is read or written: layers are listed.

import { canonicalJson, digestOf, type JobContext, SlipwayError } from '../base/index.ts';
import type { CacheMap, Op } from '../solver/index.ts';
import type { RootFS } from '../snapshot/index.ts';
import { mergeIdentity } from './identity.ts';

/** Layers of one tree. A tree that is merged with itself, again and again, would double them each time. */
const MAX_LAYERS = 10_000;

/** Stacks the inputs, later ones over earlier ones. */
export function createMergeOp(): Op<RootFS> {
  return {
    resource: 'none',
    cacheable: false,
    cacheMap: (inputs: readonly RootFS[]): Promise<CacheMap> => {
      const identities = inputs.map(({ identity }) => identity);
      return Promise.resolve({
        key: digestOf(canonicalJson({ op: 'merge', identities })),
        step: 'merge',
        fields: identities.map((value, index) => ({ name: `input ${index}`, value })),
      });
    },
    exec: async (inputs: readonly RootFS[], _job: JobContext): Promise<readonly RootFS[]> => {
      const count = inputs.reduce((sum, { layers }) => sum + layers.length, 0);
      if (count > MAX_LAYERS) {
        throw new SlipwayError('MERGE_TOO_LARGE', `a merge of ${count} layers: no tree has more than ${MAX_LAYERS}`, {
          hint: 'merge fewer trees, or copy them into one layer',
        });
      }
      return [{ identity: mergeIdentity(inputs.map(({ identity }) => identity)), layers: inputs.flatMap(({ layers }) => layers) }];
    },
  };
}
