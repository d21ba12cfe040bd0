// Manifests and configs by name or digest. Whatever has a digest is checked against it before anyone reads it.

import { createHash } from 'node:crypto';
import { type Digest, digestAlgorithm, digestOf, isDigest, SlipwayError } from '../base/index.ts';
import {
  CONFIG_LIMIT,
  type Descriptor,
  familiarReference,
  formatPlatform,
  type ImageConfig,
  isIndexType,
  isManifestType,
  type Manifest,
  MANIFEST_LIMIT,
  MANIFEST_MEDIA_TYPES,
  type ManifestDocument,
  OCI,
  parseImageConfig,
  parseManifestDocument,
  type Platform,
  type Reference,
  selectPlatform,
} from '../oci/index.ts';
import type { Endpoint } from './endpoint.ts';
import { type About, printable, protocolFault } from './faults.ts';
import { headerOf, type Operation, type Reply, type Requester } from './requester.ts';
import { discard } from './transport.ts';

/** A manifest or index as it came. The bytes are what is hashed; the document is a reading of them. */
export interface FetchedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly document: ManifestDocument;
}

/** Where and for whom something is read. */
export interface ReadContext {
  readonly requester: Requester;
  readonly endpoint: Endpoint;
  readonly reference: Reference;
  readonly about: About;
  readonly signal: AbortSignal;
}

const ACCEPT = [...MANIFEST_MEDIA_TYPES, '*/*'].join(', ');
/** An index in an index is rare; a chain of them is an attack. */
const DEEPEST_INDEX = 3;

/** A manifest or index whose bytes are at hand. */
export function readKnownManifest(digest: Digest, bytes: Uint8Array, about: About): FetchedManifest {
  verifyDigest(bytes, digest, 'manifest', about);
  const document = parseManifestDocument(bytes);
  return { descriptor: { mediaType: document.mediaType, digest, size: bytes.length }, bytes, document };
}

/** GET of a manifest or index. */
export async function getManifest(context: ReadContext): Promise<FetchedManifest> {
  const { requester, reference, about } = context;
  const { reply, bytes } = await requester.read(manifestRequest(context, 'GET'), MANIFEST_LIMIT);
  const announced = announcedDigest(reply);
  const expected = reference.digest ?? announced;
  const digest = expected === undefined ? digestOf(bytes) : verifyDigest(bytes, expected, 'manifest', about);
  const mediaType = mediaTypeOf(reply);
  if (mediaType === 'text/html') throw protocolFault('answers with a web page instead of a manifest', reply.url, about);
  const document = parseManifestDocument(bytes, mediaType);
  return { descriptor: { mediaType: document.mediaType, digest, size: bytes.length }, bytes, document };
}

/** The registry's list of what refers to a digest; undefined: it keeps none. */
export async function getReferrers(context: ReadContext, digest: Digest): Promise<readonly Descriptor[] | undefined> {
  const { requester, endpoint, reference, about, signal } = context;
  const { reply, bytes } = await requester.read(
    {
      method: 'GET',
      endpoint,
      repository: reference.repository,
      actions: 'pull',
      path: `referrers/${digest}`,
      headers: { Accept: OCI.index },
      accept: [200, 404, 400, 405],
      about,
      signal,
    },
    MANIFEST_LIMIT,
  );
  if (reply.status !== 200 || mediaTypeOf(reply) !== OCI.index) return undefined;
  const document = parseManifestDocument(bytes, OCI.index);
  return document.kind === 'index' ? document.index.manifests : [];
}

/** HEAD of a manifest; undefined when the registry does not tell enough that way. */
export async function headManifest(context: ReadContext): Promise<Descriptor | undefined> {
  const reply = await context.requester.send(manifestRequest(context, 'HEAD'));
  discard(reply);
  const digest = announcedDigest(reply);
  const mediaType = mediaTypeOf(reply);
  const size = Number(reply.headers['content-length'] ?? NaN);
  if (digest === undefined || !Number.isSafeInteger(size) || mediaType === undefined) return undefined;
  if (!isIndexType(mediaType) && !isManifestType(mediaType)) return undefined;
  if (context.reference.digest !== undefined && context.reference.digest !== digest) return undefined;
  return { mediaType, digest, size };
}

/** Follows an index to the manifest of a platform. `fetch` brings the documents below it. */
export async function selectImage(
  root: FetchedManifest,
  platform: Platform,
  reference: Reference,
  fetch: (descriptor: Descriptor) => Promise<FetchedManifest>,
): Promise<FetchedManifest & { readonly manifest: Manifest }> {
  let current = root;
  for (let depth = 0; depth <= DEEPEST_INDEX; depth += 1) {
    if (current.document.kind === 'manifest') return { ...current, manifest: current.document.manifest };
    const entries = current.document.index.manifests;
    const chosen = selectPlatform(entries, platform) ?? onlyUnnamed(entries);
    if (chosen === undefined) throw platformMissing(entries, platform, reference);
    const fetched = await fetch(chosen);
    current = {
      ...fetched,
      descriptor: { ...fetched.descriptor, ...(chosen.platform === undefined ? {} : { platform: chosen.platform }) },
    };
  }
  throw new SlipwayError('OCI_DOCUMENT_INVALID', `the index of ${familiarReference(reference)} is nested too deep`);
}

/** Reads a config's bytes against its descriptor. */
export function readConfig(bytes: Uint8Array, descriptor: Descriptor, about: About): ImageConfig {
  verifyDigest(bytes, descriptor.digest, 'config', about);
  return parseImageConfig(bytes);
}

/** Refuses configs that are too large before they are fetched. */
export function checkConfigSize(descriptor: Descriptor, about: About): void {
  if (descriptor.size <= CONFIG_LIMIT) return;
  throw new SlipwayError(
    'OCI_DOCUMENT_TOO_LARGE',
    `cannot ${about.action}: its config has ${descriptor.size} bytes, more than ${CONFIG_LIMIT}`,
  );
}

/** The digest of the bytes in the algorithm of the one that was expected. Throws `MANIFEST_DIGEST_MISMATCH`. */
function verifyDigest(bytes: Uint8Array, expected: Digest, what: 'manifest' | 'config', about: About): Digest {
  const algorithm = digestAlgorithm(expected);
  const actual = `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
  if (actual === expected) return expected;
  throw new SlipwayError(
    'MANIFEST_DIGEST_MISMATCH',
    `cannot ${about.action}: the ${what} is not what was asked for: expected ${expected}, got ${actual}`,
    {
      hint: 'the registry, or something before it, changes or damages what it serves',
      facts: { expected, actual, registry: about.registry },
    },
  );
}

/** Says which platforms there are. */
function platformMissing(entries: readonly Descriptor[], platform: Platform, reference: Reference): SlipwayError {
  const known = entries.flatMap((entry) => (entry.platform === undefined ? [] : [formatPlatform(entry.platform)]));
  const available = [...new Set(known)].filter((name) => !name.startsWith('unknown')).map((name) => printable(name, 60));
  const wanted = formatPlatform(platform);
  return new SlipwayError('PLATFORM_MISSING', `${familiarReference(reference)} has no image for ${wanted}`, {
    hint: available.length === 0 ? 'its index names no platform at all' : `it has ${available.join(', ')}; choose one with --platform`,
    facts: { wanted, available, reference: familiarReference(reference) },
  });
}

/** The single image of an index that names no platforms. */
function onlyUnnamed(entries: readonly Descriptor[]): Descriptor | undefined {
  const [only, ...others] = entries.filter((entry) => isManifestType(entry.mediaType) || isIndexType(entry.mediaType));
  return only !== undefined && others.length === 0 && only.platform === undefined ? only : undefined;
}

function manifestRequest({ endpoint, reference, about, signal }: ReadContext, method: 'GET' | 'HEAD'): Operation {
  return {
    method,
    endpoint,
    repository: reference.repository,
    actions: 'pull',
    path: `manifests/${reference.digest ?? reference.tag ?? 'latest'}`,
    headers: { Accept: ACCEPT },
    accept: [200],
    about: { ...about, subject: 'manifest' },
    signal,
  };
}

function announcedDigest(reply: Reply): Digest | undefined {
  const text = headerOf(reply.headers, 'docker-content-digest');
  return text !== undefined && isDigest(text) ? text : undefined;
}

function mediaTypeOf(reply: Reply): string | undefined {
  return reply.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
}
