// Cosign's payload (containers/image "simple signing"): what is signed is a small document that names a digest.

import { type Digest, digestOf, isDigest } from '../base/index.ts';
import { type Descriptor, type Reference } from '../oci/index.ts';

export const SIMPLE_SIGNING = 'application/vnd.dev.cosign.simplesigning.v1+json';
export const SIGNATURE_ANNOTATION = 'dev.cosignproject.cosign/signature';
const TYPE = 'cosign container image signature';

/** Tag under which cosign keeps the signatures of a digest. */
export function signatureTag(digest: Digest): string {
  return `${digest.replace(':', '-')}.sig`;
}

/** The document to sign. */
export function makePayload(reference: Reference, digest: Digest): Buffer {
  // Docker Hub under the name that go-containerregistry gives it.
  const registry = reference.registry === 'docker.io' ? 'index.docker.io' : reference.registry;
  const critical = {
    identity: { 'docker-reference': `${registry}/${reference.repository}` },
    image: { 'docker-manifest-digest': digest },
    type: TYPE,
  };
  return Buffer.from(JSON.stringify({ critical, optional: null }));
}

/** The digest that a payload is about; undefined: it is none of this kind. */
export function payloadDigest(bytes: Uint8Array): Digest | undefined {
  try {
    const { critical } = JSON.parse(Buffer.from(bytes).toString('utf8')) as {
      readonly critical?: { readonly type?: unknown; readonly image?: Readonly<Record<string, unknown>> };
    };
    const digest = critical?.image?.['docker-manifest-digest'];
    return critical?.type === TYPE && typeof digest === 'string' && isDigest(digest) ? digest : undefined;
  } catch {
    return undefined; // no JSON
  }
}

/** A signature as a layer of the manifest under `signatureTag`. */
export function signatureLayer(payload: Uint8Array, signature: Uint8Array): Descriptor {
  return {
    mediaType: SIMPLE_SIGNING,
    digest: digestOf(payload),
    size: payload.length,
    annotations: { [SIGNATURE_ANNOTATION]: Buffer.from(signature).toString('base64') },
  };
}
