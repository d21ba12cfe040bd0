// Identities of root filesystems: what stands for a tree in every later key. A moved base or a changed source stays visible to
// every later step of its stage; two machines that do the same deterministic work get the same.

import { canonicalJson, type Digest, digestOf } from '../base/index.ts';
import { formatPlatform, type Platform } from '../oci/index.ts';

/** Of an image: its ChainID (`none` for an image without layers) and platform. A re-tagged or re-compressed base is the same base. */
export function baseIdentity(chainId: Digest | 'none', platform: Platform): Digest {
  return digestOf(canonicalJson({ kind: 'base', chainId, platform: formatPlatform(platform) }));
}

/**
 * After a step: its key (which has the identity of what it started from) and the content digest of the layer it made. The key is in
 * it, so a changed step reaches every later step of its stage even when it happened to make the same files, as BuildKit's users know
 * it; the content is in it, so another outcome of the same step does too. Early cutoff goes through copied paths only.
 * `output` tells the outputs of one step apart.
 */
export function stepIdentity(key: Digest, content: Digest, output = 0): Digest {
  return digestOf(canonicalJson({ kind: 'step', key, content, ...(output === 0 ? {} : { output }) }));
}

/** Of trees stacked on one another. */
export function mergeIdentity(identities: readonly Digest[]): Digest {
  return digestOf(canonicalJson({ kind: 'merge', identities }));
}

/** Of the tree that has nothing. */
export const EMPTY_IDENTITY: Digest = digestOf(canonicalJson({ kind: 'empty' }));
