// PassOp: one of the inputs as it is. The others only have to be made, or found, before it is used.

import { canonicalJson, type Digest, digestOf } from '../base/index.ts';
import type { Op } from '../solver/index.ts';
import type { RootFS } from '../snapshot/index.ts';

/** `of`: index of the input; -1: the empty tree. */
export function createPassOp(of: number): Op<RootFS> {
  const identityOf = (inputs: readonly RootFS[]): Digest => inputs[of]?.identity ?? digestOf(canonicalJson({ kind: 'empty' }));
  return {
    resource: 'none',
    cacheable: false,
    cacheMap: (inputs) => {
      const value = identityOf(inputs);
      return Promise.resolve({ key: digestOf(canonicalJson({ op: 'pass', value })), step: 'pass', fields: [{ name: 'input', value }] });
    },
    exec: (inputs) => Promise.resolve([{ identity: identityOf(inputs), layers: inputs[of]?.layers ?? [] }]),
  };
}
