// The document of a shared cache: records, path digests and where the layers are. Our own format with our own media types, since
// no other one has a place for path digests. Equal work gives equal bytes.

import { canonicalJson, type DiffID, type Digest, isDigest, SlipwayError } from '../../base/index.ts';
import type { Descriptor, Manifest } from '../../oci/index.ts';
import { OCI, serializeManifest } from '../../oci/index.ts';

/** Media type of the document: the config of the manifest. */
export const CACHE_CONFIG_TYPE = 'application/vnd.slipway.cache.config.v1+json';
/** What the manifest is (OCI image spec, artifactType). */
const CACHE_ARTIFACT_TYPE = 'application/vnd.slipway.cache.v1';
/** Media type of an exported cache mount: a tar, gzipped. */
export const CACHE_MOUNT_TYPE = 'application/vnd.slipway.cache.mount.v1.tar+gzip';
/** Member of an image config that holds the document of an inline cache, base64. */
export const INLINE_MEMBER = 'slipway.cache.v1';
/** Largest document read, bytes. */
export const DOCUMENT_LIMIT = 64 << 20;
const VERSION = 1;

/** A layer as other machines see it. */
export interface SharedLayer {
  readonly diffID?: DiffID;
  readonly contentDigest?: Digest;
  /** Bytes of its files. */
  readonly size?: number;
  /** Milliseconds since the epoch: image histories are the same everywhere. */
  readonly createdAt: number;
  /** Where its bytes are; absent: only known (`mode=min`). */
  readonly blob?: Descriptor;
}

export interface SharedOutput {
  readonly identity: Digest;
  /** Input whose layers it stands on. */
  readonly on?: number;
  /** Indices into `layers`. */
  readonly layers: readonly number[];
}

export interface SharedRecord {
  readonly key: Digest;
  readonly description: string;
  readonly at: number;
  readonly outputs: readonly SharedOutput[];
}

/** An exported cache mount. */
export interface SharedMount {
  readonly id: string;
  readonly base?: string;
  readonly blob: Descriptor;
}

/** All of it. */
export interface SharedCache {
  readonly layers: readonly SharedLayer[];
  readonly records: readonly SharedRecord[];
  /** By identity: selector and content digest, both sorted. */
  readonly paths: readonly (readonly [identity: Digest, digests: readonly (readonly [selector: Digest, content: Digest])[]])[];
  readonly mounts?: readonly SharedMount[];
}

/** The document's bytes. */
export function serializeSharedCache(cache: SharedCache): Uint8Array {
  return Buffer.from(canonicalJson({ version: VERSION, ...cache }), 'utf8');
}

/** The manifest around a document whose blob is `config`. */
export function sharedManifest(config: Descriptor, cache: SharedCache): Uint8Array {
  const blobs = [
    ...cache.layers.flatMap(({ blob }) => (blob === undefined ? [] : [blob])),
    ...(cache.mounts ?? []).map(({ blob }) => blob),
  ];
  const distinct = [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
  const manifest: Manifest = { schemaVersion: 2, mediaType: OCI.manifest, artifactType: CACHE_ARTIFACT_TYPE, config, layers: distinct };
  return serializeManifest(manifest);
}

/** Reads a document that somebody else wrote. Throws `CACHE_FORMAT`. */
export function parseSharedCache(bytes: Uint8Array, name: string): SharedCache {
  if (bytes.length > DOCUMENT_LIMIT) throw broken(name, `its document has ${bytes.length} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
  } catch (cause) {
    throw broken(name, 'its document is not JSON', cause);
  }
  if (!isObject(value)) throw broken(name, 'its document is no object');
  if (value['version'] !== VERSION) {
    throw broken(name, `it has format version ${JSON.stringify(value['version'])}, this version reads ${VERSION}`);
  }
  const { layers, records, paths, mounts = [] } = value;
  if (!isArrayOf(layers, isSharedLayer)) throw broken(name, 'its list of layers is wrong');
  const isRecord = (record: unknown): record is SharedRecord => isSharedRecord(record, layers.length);
  if (!isArrayOf(records, isRecord)) throw broken(name, 'its list of records is wrong');
  if (!isArrayOf(paths, isPaths)) throw broken(name, 'its list of paths is wrong');
  if (!isArrayOf(mounts, isMount)) throw broken(name, 'its list of cache mounts is wrong');
  return { layers, records, paths, mounts };
}

type Fields = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isArrayOf<T>(value: unknown, is: (item: unknown) => item is T): value is readonly T[] {
  return Array.isArray(value) && value.every(is);
}

function isDigestValue(value: unknown): value is Digest {
  return typeof value === 'string' && isDigest(value);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function isBlob(value: unknown): value is Descriptor {
  return isObject(value) && typeof value['mediaType'] === 'string' && isDigestValue(value['digest']) && isCount(value['size']);
}

function isSharedLayer(value: unknown): value is SharedLayer {
  if (!isObject(value) || !isTime(value['createdAt'])) return false;
  const { diffID, contentDigest, size, blob } = value;
  if (![diffID, contentDigest].every((digest) => digest === undefined || isDigestValue(digest))) return false;
  if (diffID === undefined && contentDigest === undefined) return false;
  if (blob !== undefined && (!isBlob(blob) || diffID === undefined)) return false;
  return size === undefined || isCount(size);
}

function isSharedRecord(value: unknown, layers: number): value is SharedRecord {
  if (!isObject(value) || !isDigestValue(value['key']) || !isTime(value['at']) || typeof value['description'] !== 'string') return false;
  const isLayerIndex = (index: unknown): index is number => isCount(index) && index < layers;
  return isArrayOf(value['outputs'], (output): output is SharedOutput => {
    if (!isObject(output) || !isDigestValue(output['identity'])) return false;
    if ('base' in output) return false; // see `recordOutput`
    return (output['on'] === undefined || isCount(output['on'])) && isArrayOf(output['layers'], isLayerIndex);
  });
}

function isPaths(value: unknown): value is SharedCache['paths'][number] {
  if (!Array.isArray(value) || value.length !== 2 || !isDigestValue(value[0])) return false;
  const isPair = (pair: unknown): pair is readonly [Digest, Digest] =>
    Array.isArray(pair) && pair.length === 2 && pair.every(isDigestValue);
  return isArrayOf(value[1] as unknown, isPair);
}

function isMount(value: unknown): value is SharedMount {
  return (
    isObject(value) &&
    typeof value['id'] === 'string' &&
    isBlob(value['blob']) &&
    (value['base'] === undefined || typeof value['base'] === 'string')
  );
}

function broken(name: string, why: string, cause?: unknown): SlipwayError {
  return new SlipwayError('CACHE_FORMAT', `the cache ${name} cannot be read: ${why}`, {
    hint: 'export it again with this version',
    ...(cause === undefined ? {} : { cause }),
  });
}
