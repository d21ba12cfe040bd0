// ChainID: one digest for a stack of layers (OCI image spec, config: layer ChainID).

import { type Digest, type DiffID, digestOf } from '../base/index.ts';

/** Digest of a stack of DiffIDs, from the lowest. Of one layer it is the DiffID itself; of none, undefined. */
export function chainId(diffIds: readonly DiffID[]): Digest | undefined {
  return chainIds(diffIds).at(-1);
}

/** The ChainID of every prefix: item `i` covers layers 0…i. */
function chainIds(diffIds: readonly DiffID[]): readonly Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : digestOf(`${below} ${diffId}`));
  }
  return chain;
}
