// Signing images in their registries, and checking their signatures.

import { type Digest, quietJob } from '../base/index.ts';
import { parseReference, withDefaultTag } from '../oci/index.ts';
import { readPrivateKey, readPublicKey, signImage, type VerifiedImage, verifyImage } from '../trust/index.ts';
import type { Engine } from './engine.ts';

/** A key file as it was read. */
export interface KeyText {
  /** For messages. */
  readonly name: string;
  readonly text: string;
}

/**
 * Signs what a name means in its registry now; resolves with the digest. `password` is asked for encrypted keys. Throws `TRUST_KEY` and
 * what the registry refuses.
 */
export async function signReference(
  engine: Engine,
  word: string,
  { name, text }: KeyText,
  password: () => string | undefined,
  signal: AbortSignal,
): Promise<Digest> {
  const key = readPrivateKey(text, name, password);
  return await signImage(engine.registry, withDefaultTag(parseReference(word)), key, quietJob(signal));
}

/** Checks that what a name means now is signed by one of the keys. Throws `TRUST_UNSIGNED`, `TRUST_SIGNATURE`, `TRUST_KEY`. */
export async function verifyReference(engine: Engine, word: string, keys: readonly KeyText[], signal: AbortSignal): Promise<VerifiedImage> {
  const reference = withDefaultTag(parseReference(word));
  const job = quietJob(signal);
  const digest = reference.digest ?? (await engine.registry.head(reference, job)).digest;
  const read = keys.map(({ text, name }) => readPublicKey(text, name));
  return await verifyImage(engine.registry, reference, digest, read, job);
}
