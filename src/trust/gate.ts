// Asks a policy before an image is used. What was verified once is not asked for again.

import { canonicalJson, type Digest, digestHex, digestOf, isSlipwayError, type JobContext, SlipwayError } from '../base/index.ts';
import { familiarReference, type Reference, referenceName } from '../oci/index.ts';
import type { RegistryClient } from '../registry/index.ts';
import { readPublicKey } from './key-file.ts';
import { ruleFor, type TrustPolicy } from './policy.ts';
import { fingerprint, verifyImage } from './signatures.ts';

/**
 * Rejects when the policy does not allow the image: `digest` is what the name means, `image` the manifest of the platform (the same, unless
 * the name means an index). A signature of either counts.
 */
export type TrustGate = (reference: Reference, digest: Digest, image: Digest, job: JobContext) => Promise<void>;

/** Records of what was verified, by name. */
export interface TrustMemory {
  read(name: string): Uint8Array | undefined;
  write(name: string, value: Uint8Array): void;
}

/** Makes the gate of a policy. */
export function createTrustGate(policy: TrustPolicy, registry: () => RegistryClient, memory: TrustMemory): TrustGate {
  return async (reference, digest, image, job) => {
    const name = referenceName(reference);
    const rule = ruleFor(policy, name);
    const wanted = rule?.require ?? policy.otherwise;
    switch (wanted) {
      case 'allow':
        return;
      case 'refuse':
        throw new SlipwayError('TRUST_REFUSED', `the trust policy does not allow ${familiarReference(reference)}`, {
          hint: rule === undefined ? `no rule fits ${name}, and its default is "refuse"` : `the rule for ${rule.name} refuses it`,
        });
      case 'digest':
        if (reference.digest !== undefined) return;
        throw new SlipwayError('TRUST_UNPINNED', `the trust policy wants ${familiarReference(reference)} named by its digest`, {
          hint: `write ${name}@${digest}`,
          facts: { digest },
        });
      case 'signature': {
        const keys = (rule?.keys ?? []).map((pem) => readPublicKey(pem, `of ${rule?.name ?? name}`));
        const record = digestHex(digestOf(canonicalJson({ name, digest, image, keys: fingerprint(keys) })));
        if (memory.read(record) !== undefined) return;
        try {
          await verifyImage(registry(), reference, digest, keys, job);
        } catch (error) {
          if (image === digest || !isSlipwayError(error, 'TRUST_UNSIGNED')) throw error;
          await verifyImage(registry(), reference, image, keys, job);
        }
        memory.write(record, Buffer.from(digest));
      }
    }
  };
}
