// One signature against one key, by sigstore's library. With a local key no transparency log and no certificate is asked for.

import type { KeyObject } from 'node:crypto';
import { createRequire } from 'node:module';
import type * as bundleTypes from '@sigstore/bundle';
import type * as verifyTypes from '@sigstore/verify';
import { type Digest, digestHex, digestOf } from '../base/index.ts';

type Bundle = typeof bundleTypes;
type Verify = typeof verifyTypes;

/** What an image's signature says. Other statements of the same key (provenance, a list of packages) are no approval of the image. */
const SIGN_PREDICATE = 'https://sigstore.dev/cosign/sign/v1';
const DSSE_TYPE = 'application/vnd.in-toto+json';

/** Whether the key made this signature over this payload. */
export function checkPayload(payload: Uint8Array, signature: Uint8Array, key: KeyObject): boolean {
  const { toMessageSignatureBundle } = bundles();
  const digest = Buffer.from(digestHex(digestOf(payload)), 'hex');
  const bundle = toMessageSignatureBundle({ digest, signature: Buffer.from(signature), keyHint: 'key' });
  return holds(key, (verify) => verify.toSignedEntity(bundle, Buffer.from(payload)));
}

/** The digests of images that a Sigstore bundle speaks of, when the key signed it; undefined when it did not, or it cannot be read. */
export function checkBundle(bytes: Uint8Array, key: KeyObject): readonly Digest[] | undefined {
  const { bundleFromJSON } = bundles();
  let bundle: ReturnType<Bundle['bundleFromJSON']>;
  try {
    bundle = bundleFromJSON(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch {
    return undefined; // another version, or no bundle at all
  }
  // A certificate is believed by Sigstore's services only, not by a local key.
  if (bundle.verificationMaterial.content.$case !== 'publicKey') return undefined;
  if (!holds(key, (verify) => verify.toSignedEntity(bundle))) return undefined;
  if (bundle.content.$case === 'messageSignature') return undefined; // it would need the bytes it was made over
  const { payload, payloadType } = bundle.content.dsseEnvelope;
  if (payloadType !== DSSE_TYPE) return undefined;
  return subjects(payload);
}

function subjects(payload: Uint8Array): readonly Digest[] | undefined {
  try {
    const statement = JSON.parse(Buffer.from(payload).toString('utf8')) as {
      readonly predicateType?: unknown;
      readonly subject?: readonly { readonly digest?: Readonly<Record<string, string>> }[];
    };
    if (statement.predicateType !== SIGN_PREDICATE) return undefined;
    return (statement.subject ?? []).flatMap(({ digest }) => {
      const hex = digest?.['sha256'];
      return typeof hex === 'string' && /^[0-9a-f]{64}$/.test(hex) ? [`sha256:${hex}` as Digest] : [];
    });
  } catch {
    return undefined;
  }
}

function holds(key: KeyObject, entity: (verify: Verify) => ReturnType<Verify['toSignedEntity']>): boolean {
  const verify = createRequire(import.meta.url)('@sigstore/verify') as Verify;
  const material = {
    certificateAuthorities: [],
    timestampAuthorities: [],
    tlogs: [],
    ctlogs: [],
    publicKey: () => ({ publicKey: key, validFor: () => true }),
  };
  try {
    const signed = entity(verify);
    // Log entries and timestamps beside a key's signature prove nothing to us that we could check.
    const bare = { ...signed, tlogEntries: [], timestamps: [] };
    new verify.Verifier(material, { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 }).verify(bare);
    return true;
  } catch (error) {
    if (error instanceof verify.VerificationError || error instanceof TypeError) return false;
    throw error;
  }
}

function bundles(): Bundle {
  return createRequire(import.meta.url)('@sigstore/bundle') as Bundle;
}
