// Signatures of an image in its registry: found, verified, added.

import { type KeyObject, sign } from 'node:crypto';
import { canonicalJson, type Digest, digestOf, isSlipwayError, type JobContext, SlipwayError } from '../base/index.ts';
import { type Descriptor, familiarReference, type Manifest, OCI, type Reference, serializeManifest } from '../oci/index.ts';
import { bytesBlob, type RegistryClient } from '../registry/index.ts';
import { checkBundle, checkPayload } from './check-signature.ts';
import type { KeyPair } from './key-file.ts';
import { makePayload, payloadDigest, SIGNATURE_ANNOTATION, signatureLayer, signatureTag, SIMPLE_SIGNING } from './simple-signing.ts';

/** Most signatures of an image that are looked at, and bytes of each: more is an attack, not trust. */
const MOST_SIGNATURES = 64;
const LARGEST_SIGNATURE = 1 << 20;
const BUNDLE = /^application\/vnd\.dev\.sigstore\.bundle/;

/** A signature that holds. */
export interface VerifiedImage {
  readonly digest: Digest;
  /** `simple signing` or `bundle`. */
  readonly form: string;
}

/**
 * Signs what a reference names now, and adds the signature to those that are there. Resolves with the digest that was signed.
 * Throws what the registry throws.
 */
export async function signImage(registry: RegistryClient, reference: Reference, key: KeyPair, job: JobContext): Promise<Digest> {
  const { digest } = await registry.head(reference, job);
  const payload = makePayload(reference, digest);
  const signature = sign('sha256', payload, key.privateKey);
  const place: Reference = { registry: reference.registry, repository: reference.repository, tag: signatureTag(digest) };
  const before = (await readManifest(registry, place, job))?.layers ?? [];
  // ECDSA never signs twice alike: one signature of a key is enough.
  const kept: Descriptor[] = [];
  for (const layer of before) if (!(await isOurs(registry, place, layer, key.publicKey, job))) kept.push(layer);
  const layers = [...kept, signatureLayer(payload, signature)];
  const config = Buffer.from(
    JSON.stringify({
      architecture: '',
      created: '0001-01-01T00:00:00Z',
      history: layers.map(() => ({ created: '0001-01-01T00:00:00Z' })),
      os: '',
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.digest) },
      config: {},
    }),
  );
  const configBlob = bytesBlob(OCI.config, config);
  const bytes = serializeManifest({ schemaVersion: 2, mediaType: OCI.manifest, config: configBlob.descriptor, layers });
  await registry.push(
    {
      reference: place,
      blobs: [bytesBlob(SIMPLE_SIGNING, payload), configBlob],
      manifests: [{ mediaType: OCI.manifest, bytes, digest: digestOf(bytes) }],
    },
    job,
  );
  return digest;
}

/** Finds a signature of one of the keys. Throws `TRUST_UNSIGNED` when there is none at all, `TRUST_SIGNATURE` when none holds. */
export async function verifyImage(
  registry: RegistryClient,
  reference: Reference,
  digest: Digest,
  keys: readonly KeyObject[],
  job: JobContext,
): Promise<VerifiedImage> {
  const seen: string[] = [];
  const place: Reference = { registry: reference.registry, repository: reference.repository };
  const simple = await readManifest(registry, { ...place, tag: signatureTag(digest) }, job);
  for (const layer of bounded(simple?.layers ?? [])) {
    if (layer.mediaType !== SIMPLE_SIGNING) continue;
    const payload = await readSmall(registry, place, layer, job);
    const signature = Buffer.from(layer.annotations?.[SIGNATURE_ANNOTATION] ?? '', 'base64');
    if (!keys.some((key) => checkPayload(payload, signature, key))) seen.push('a signature by another key');
    else if (payloadDigest(payload) !== digest) seen.push(`a signature of another image, ${payloadDigest(payload) ?? 'without digest'}`);
    else return { digest, form: 'simple signing' };
  }
  for (const descriptor of bounded(await registry.referrers({ ...place, digest }, job))) {
    // Cosign's fallback tag says `empty` there; the manifest and its layers tell.
    if (descriptor.artifactType !== undefined && !BUNDLE.test(descriptor.artifactType) && descriptor.artifactType !== OCI.empty) continue;
    const manifest = await readManifest(registry, { ...place, digest: descriptor.digest }, job);
    for (const layer of bounded(manifest?.layers ?? [])) {
      if (!BUNDLE.test(layer.mediaType)) continue;
      const bytes = await readSmall(registry, place, layer, job);
      const subjects = keys.map((key) => checkBundle(bytes, key)).find((found) => found !== undefined);
      if (subjects === undefined) seen.push('a bundle by another key');
      else if (!subjects.includes(digest)) seen.push('a bundle about another image');
      else return { digest, form: 'bundle' };
    }
  }
  const name = `${familiarReference(reference)} (${digest})`;
  if (seen.length === 0) {
    throw new SlipwayError('TRUST_UNSIGNED', `${name} is not signed`, {
      hint: 'sign it by `slipway sign` or `cosign sign --key`, or name an image that is signed',
      facts: { digest },
    });
  }
  throw new SlipwayError('TRUST_SIGNATURE', `no signature of ${name} holds: there is ${[...new Set(seen)].join(', ')}`, {
    hint: 'check that the key is the signer’s; an image that was changed after it was signed must not be used',
    facts: { digest, seen },
  });
}

async function isOurs(registry: RegistryClient, place: Reference, layer: Descriptor, key: KeyObject, job: JobContext): Promise<boolean> {
  const signature = Buffer.from(layer.annotations?.[SIGNATURE_ANNOTATION] ?? '', 'base64');
  return checkPayload(await readSmall(registry, place, layer, job), signature, key);
}

function bounded<T>(found: readonly T[]): readonly T[] {
  if (found.length <= MOST_SIGNATURES) return found;
  throw new SlipwayError('TRUST_SIGNATURE', `${found.length} signatures of one image, more than the ${MOST_SIGNATURES} that are looked at`);
}

async function readManifest(registry: RegistryClient, reference: Reference, job: JobContext): Promise<Manifest | undefined> {
  try {
    const { document } = await registry.manifest(reference, job);
    return document.kind === 'manifest' ? document.manifest : undefined;
  } catch (error) {
    if (isSlipwayError(error, 'MANIFEST_UNKNOWN')) return undefined;
    throw error;
  }
}

async function readSmall(registry: RegistryClient, reference: Reference, blob: Descriptor, job: JobContext): Promise<Uint8Array> {
  if (blob.size > LARGEST_SIGNATURE)
    throw new SlipwayError('TRUST_SIGNATURE', `a signature of ${blob.size} bytes, more than the ${LARGEST_SIGNATURE} that are read`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of registry.openBlob(reference, blob, job)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** What names a key: equal keys have equal ones. */
export function fingerprint(keys: readonly KeyObject[]): Digest {
  const each = keys.map((key) => digestOf(key.export({ type: 'spki', format: 'der' })));
  return digestOf(canonicalJson(each.sort()));
}
