// MergeOp: trees stacked that do not depend on one another (`COPY --link`). Nothing is read or written: layers are listed.

import { canonicalJson, digestOf, type JobContext } from '../base/index.ts';
import type { CacheMap, Op } from '../solver/index.ts';
import type { RootFS } from '../snapshot/index.ts';
import { mergeIdentity } from './identity.ts';

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
    exec: (inputs: readonly RootFS[], _job: JobContext): Promise<readonly RootFS[]> =>
      Promise.resolve([
        { identity: mergeIdentity(inputs.map(({ identity }) => identity)), layers: inputs.flatMap(({ layers }) => layers) },
      ]),
  };
}
