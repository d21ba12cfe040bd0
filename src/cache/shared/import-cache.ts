// Reads a shared cache: its records join this store's, its layers are offered and fetched only when somebody reads them.

import { type Digest, digestHex, digestOf, type JobContext, SlipwayError } from '../../base/index.ts';
import { type Descriptor, isIndexType, type Manifest, parseImageConfig, parseManifestDocument } from '../../oci/index.ts';
import { type Layer, type LayerStore, shownAs } from '../../snapshot/index.ts';
import type { ResultCache } from '../result-cache.ts';
import { CACHE_CONFIG_TYPE, DOCUMENT_LIMIT, INLINE_MEMBER, parseSharedCache, type SharedCache, type SharedLayer } from './format.ts';
import { RegistryTransport } from './registry-transport.ts';
import { type CacheTransport, gather } from './transport.ts';

/** What came of an import. */
export interface ImportedCache {
  readonly records: number;
  readonly mounts: NonNullable<SharedCache['mounts']>;
}

/**
 * Imports a cache. Throws `CACHE_NOT_FOUND`, `CACHE_FORMAT`, `CACHE_DAMAGED`, and what its place throws; the caller decides whether that matters
 * (`ResultCache.noteImport`). `vertex`: the step as which layers are shown when they are fetched.
 */
export async function importCache(
  cache: ResultCache,
  layers: LayerStore,
  place: CacheTransport,
  vertex: string,
  job: JobContext,
): Promise<ImportedCache> {
  const imported: ImportedCache[] = [];
  for (const shared of await readShared(place, job)) {
    takeIn(cache, layers, { place, vertex }, shared);
    imported.push({ records: shared.records.length, mounts: shared.mounts ?? [] });
  }
  return { records: imported.reduce((sum, { records }) => sum + records, 0), mounts: imported.flatMap(({ mounts }) => mounts) };
}

async function readShared(place: CacheTransport, job: JobContext): Promise<readonly SharedCache[]> {
  const found = await place.readManifest(job);
  if (found === undefined) throw new SlipwayError('CACHE_NOT_FOUND', `there is no cache at ${place.name}`);
  const document = parseManifestDocument(found.bytes, found.mediaType === '' ? undefined : found.mediaType);
  if (document.kind === 'manifest') return [await readOne(place, document.manifest, job)];
  if (!(place instanceof RegistryTransport)) throw noCache(place);
  // An image for several platforms: each has an inline cache of its own.
  const caches: SharedCache[] = [];
  for (const descriptor of document.index.manifests.filter(isPlatformManifest)) {
    const manifest = await place.at(descriptor).readManifest(job);
    const inner = manifest === undefined ? undefined : parseManifestDocument(manifest.bytes, manifest.mediaType);
    if (inner?.kind === 'manifest') caches.push(await readOne(place, inner.manifest, job));
  }
  if (caches.length === 0) throw noCache(place);
  return caches;
}

function isPlatformManifest({ platform, mediaType }: Descriptor): boolean {
  return platform?.os !== 'unknown' && !isIndexType(mediaType);
}

async function readOne(place: CacheTransport, manifest: Manifest, job: JobContext): Promise<SharedCache> {
  const bytes = await readBlob(place, manifest.config, job);
  if (manifest.config.mediaType === CACHE_CONFIG_TYPE) return parseSharedCache(bytes, place.name);
  return withImageLayers(parseSharedCache(inlineDocument(bytes) ?? fail(noCache(place)), place.name), bytes, manifest);
}

/** The layers of an inline cache are the image's: its manifest says where their bytes are. */
function withImageLayers(shared: SharedCache, config: Uint8Array, manifest: Manifest): SharedCache {
  const diffIDs = parseImageConfig(config).rootfs.diff_ids;
  const blobs = new Map(diffIDs.map((diffID, index) => [diffID, manifest.layers[index]]));
  const layers = shared.layers.map((layer) => {
    const blob = layer.diffID === undefined ? undefined : blobs.get(layer.diffID);
    return blob === undefined ? layer : { ...layer, blob };
  });
  return { ...shared, layers };
}

function inlineDocument(config: Uint8Array): Uint8Array | undefined {
  try {
    const value = (JSON.parse(Buffer.from(config).toString('utf8')) as Record<string, unknown>)[INLINE_MEMBER];
    return typeof value === 'string' ? Buffer.from(value, 'base64') : undefined;
  } catch {
    return undefined; // no image config
  }
}

async function readBlob(place: CacheTransport, blob: Descriptor, job: JobContext): Promise<Uint8Array> {
  const bytes = await gather(await place.openBlob(blob, job), Math.min(blob.size, DOCUMENT_LIMIT));
  if (bytes?.length === blob.size && digestOf(bytes) === blob.digest) return bytes;
  throw new SlipwayError('CACHE_DAMAGED', `the cache at ${place.name} is damaged: its document is not what its manifest names`, {
    facts: { digest: blob.digest },
  });
}

/** Where layers are fetched from, and the step as which that is shown. */
interface Origin {
  readonly place: CacheTransport;
  readonly vertex: string;
}

function takeIn(cache: ResultCache, layers: LayerStore, origin: Origin, shared: SharedCache): void {
  const known = shared.layers.map((layer) => offer(layers, origin, layer));
  for (const { key, description, at, outputs } of shared.records) {
    const own = outputs.map(({ layers: indices, ...output }) => ({ ...output, layers: indices.map((index) => known[index] as Layer) }));
    cache.importRecord({ key, description, results: [{ at, outputs: own }] });
  }
  for (const [identity, digests] of shared.paths) {
    for (const [selector, content] of digests) cache.pathDigests.import(identity, selector, content);
  }
}

function offer(layers: LayerStore, { place, vertex }: Origin, { blob, diffID, contentDigest, size, createdAt }: SharedLayer): Layer {
  const facts = { createdAt, ...(contentDigest === undefined ? {} : { contentDigest }), ...(size === undefined ? {} : { size }) };
  if (blob === undefined || diffID === undefined) {
    return { id: digestHex((diffID ?? contentDigest) as Digest), ...facts, ...(diffID === undefined ? {} : { diffID }) };
  }
  const remote = {
    descriptor: blob,
    diffID,
    open: (job: JobContext) => place.openBlob(blob, job),
    ...(place.repository === undefined ? {} : { repository: place.repository }),
  };
  const layer = layers.addRemote(diffID, shownAs(vertex, remote));
  return { ...layer, ...facts, diffID };
}

function noCache(place: CacheTransport): SlipwayError {
  return new SlipwayError('CACHE_NOT_FOUND', `${place.name} has no cache that slipway wrote`, {
    hint: 'export one with --cache-to',
  });
}

function fail(error: Error): never {
  throw error;
}
