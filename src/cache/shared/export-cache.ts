// Writes what a build knows for other machines: records and path digests always, layers by mode.

import { type DiffID, type Digest, digestOf, isSlipwayError, type JobContext, mapLimit } from '../../base/index.ts';
import { type Descriptor, OCI } from '../../oci/index.ts';
import type { BlobOptions, Layer, LayerBlob, LayerStore, RootFS } from '../../snapshot/index.ts';
import type { VertexFacts } from '../../solver/index.ts';
import { fileBytes } from '../../store/index.ts';
import type { RecordedResult } from '../record.ts';
import type { ResultCache } from '../result-cache.ts';
import {
  CACHE_CONFIG_TYPE,
  type SharedCache,
  sharedManifest,
  serializeSharedCache,
  type SharedLayer,
  type SharedMount,
  type SharedOutput,
  type SharedRecord,
} from './format.ts';
import { type CachePart, joinDocuments } from './join.ts';
import type { BlobSource, CacheTransport } from './transport.ts';

/** Layers compressed or sent at a time. */
const PARALLEL = 4;

/** What a build made, as far as caches keep it. */
export interface BuiltForCaches {
  /** What became of the build's vertices. */
  readonly facts: readonly VertexFacts<RootFS>[];
  /** Results of the build: their layers are all that `mode=min` ships. */
  readonly roots: readonly RootFS[];
  /** `SOURCE_DATE_EPOCH`, seconds: every date in the document is this. */
  readonly epoch?: number;
}

/** Which layers go along, and in which form. */
export interface CachedLayers {
  readonly mode: 'min' | 'max';
  readonly blobs: BlobOptions;
}

/** What is exported, and how. */
export interface CacheExport extends BuiltForCaches, CachedLayers {
  /** Cache mounts that were written to the place already. */
  readonly mounts?: readonly SharedMount[];
  /** For a cache that several builds write: takes what this one has. Parts of all builds when it is the last, undefined otherwise. */
  readonly gather?: (part: CachePart) => readonly CachePart[] | undefined;
  /** Hears what is being done, for progress: `writing layer sha256:…`. */
  readonly onStatus?: (status: string, done: boolean) => void;
}

/** Exports a cache; resolves with the descriptor of its manifest. Undefined: there was nothing worth exporting. */
export async function exportCache(
  cache: ResultCache,
  layers: LayerStore,
  place: CacheTransport,
  options: CacheExport,
  job: JobContext,
): Promise<Descriptor | undefined> {
  const status = options.onStatus ?? ((): void => {});
  status('preparing build cache for export', false);
  const results = usedResults(cache, options.facts);
  const blobs = await makeBlobs(shippedLayers(results, options), layers, options.blobs, PARALLEL, job);
  const part: CachePart = { document: describeCache(cache, results, blobs, options), blobs: [...blobs.values()] };
  const parts = options.gather === undefined ? [part] : options.gather(part);
  status('preparing build cache for export', true);
  if (parts === undefined) {
    status('others write to this cache, too: the last of them writes it', true);
    return undefined;
  }
  const document = joinDocuments(parts.map((one) => one.document));
  if (document.records.length === 0 && (document.mounts ?? []).length === 0) return undefined;
  const written = documentOf(document);
  if ((await place.holds?.(written.descriptor.digest, job)) === true) {
    status(`cache manifest ${written.descriptor.digest} is there already`, true);
    return written.descriptor;
  }
  await writeCache(
    place,
    written,
    parts.flatMap((one) => one.blobs),
    status,
    job,
  );
  return written.descriptor;
}

/** Makes the blobs of a cache ahead of its export, one at a time. */
export async function prepareBlobs(
  cache: ResultCache,
  layers: LayerStore,
  built: BuiltForCaches & CachedLayers,
  job: JobContext,
): Promise<void> {
  await makeBlobs(shippedLayers(usedResults(cache, built.facts), built), layers, built.blobs, 1, job);
}

/**
 * All blobs beside each other, and last the manifest that makes them a cache. What this build was offered from this very place is there: its
 * manifest lists it, and a registry that lost it meanwhile refuses the new one.
 */
async function writeCache(
  place: CacheTransport,
  { config, manifest, descriptor }: CacheDocument,
  layers: readonly LayerBlob[],
  status: NonNullable<CacheExport['onStatus']>,
  job: JobContext,
): Promise<void> {
  const writing = async (name: string, write: () => Promise<void>): Promise<void> => {
    status(name, false);
    await write();
    status(name, true);
  };
  const writeBlobs = async (blobs: readonly LayerBlob[]): Promise<void> => {
    const sources = blobs.map((blob) => ({ kind: 'layer', descriptor: blob.descriptor, source: sourceOf(blob, job) }));
    await mapLimit([{ kind: 'config', ...config }, ...sources], PARALLEL, async (blob) =>
      writing(`writing ${blob.kind} ${blob.descriptor.digest}`, () => place.writeBlob(blob.descriptor, blob.source, job)),
    );
  };
  const writeManifest = (): Promise<void> =>
    writing(`writing cache manifest ${descriptor.digest}`, () => place.writeManifest(manifest, OCI.manifest, job));
  const all = [...new Map(layers.map((blob) => [blob.descriptor.digest, blob])).values()];
  const unsure = all.filter(({ remote }) => place.repository === undefined || remote?.repository !== place.repository);
  await writeBlobs(unsure);
  try {
    await writeManifest();
  } catch (error) {
    if (unsure.length === all.length || !isSlipwayError(error, 'REGISTRY_REFUSED')) throw error;
    await writeBlobs(all);
    await writeManifest();
  }
}

/**
 * The document of an inline cache, base64, for the member `INLINE_MEMBER` of an image's config. `image`: the image's layers, lowest
 * first; where their bytes are the image's manifest says.
 */
export function inlineCache(
  cache: ResultCache,
  facts: readonly VertexFacts<RootFS>[],
  image: readonly { readonly layer: Layer; readonly diffID: DiffID }[],
  epoch?: number,
): string {
  const diffIDs = new Map(image.map(({ layer, diffID }) => [layer.id, { diffID }]));
  // What is known of layers outside the image depends on where they came from, and would change the image.
  const shared = describeCache(cache, usedResults(cache, facts), diffIDs, { onlyBlobs: true, ...(epoch === undefined ? {} : { epoch }) });
  return Buffer.from(serializeSharedCache(shared)).toString('base64');
}

/** A layer's tar, and its blob where the document says where it is. */
type KnownBlob = Pick<LayerBlob, 'diffID'> & { readonly descriptor?: Descriptor };

interface UsedResult {
  readonly key: Digest;
  readonly description: string;
  readonly result: RecordedResult;
}

/** Of each key the result that this build used. */
function usedResults(cache: ResultCache, facts: readonly VertexFacts<RootFS>[]): readonly UsedResult[] {
  const used = new Map<Digest, UsedResult>();
  for (const { key, outputs } of facts) {
    if (key === undefined || outputs === undefined) continue;
    const record = cache.record(key);
    const result = record?.results.find((known) => known.outputs.every(({ identity }, index) => identity === outputs[index]?.identity));
    if (record !== undefined && result !== undefined) used.set(key, { key, description: record.description, result });
  }
  return [...used.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** Layers whose bytes go along, each once. */
function shippedLayers(results: readonly UsedResult[], { mode, roots }: BuiltForCaches & CachedLayers): readonly Layer[] {
  const own = results.flatMap(({ result }) => result.outputs.flatMap(({ layers }) => layers));
  const final = new Set(roots.flatMap(({ layers }) => layers.map(({ id }) => id)));
  return [...new Map(own.filter(({ id }) => mode === 'max' || final.has(id)).map((layer) => [layer.id, layer])).values()];
}

async function makeBlobs(
  wanted: readonly Layer[],
  layers: LayerStore,
  options: BlobOptions,
  parallel: number,
  job: JobContext,
): Promise<ReadonlyMap<string, LayerBlob>> {
  const made = new Map<string, LayerBlob>();
  await mapLimit(wanted, parallel, async (layer) => {
    // Known from another cache without bytes: it stays known, nothing more.
    if (layers.hasBytes(layer)) made.set(layer.id, await layers.blob(layer, options, job));
  });
  return made;
}

function describeCache(
  cache: ResultCache,
  results: readonly UsedResult[],
  blobs: ReadonlyMap<string, KnownBlob>,
  { epoch, mounts, onlyBlobs }: { readonly epoch?: number; readonly mounts?: readonly SharedMount[]; readonly onlyBlobs?: boolean },
): SharedCache {
  const time = (at: number): number => (epoch === undefined ? at : epoch * 1000);
  const layers: SharedLayer[] = [];
  const indices = new Map<string, number>();
  const blobsByTar = new Map(Array.from(blobs.values(), (blob) => [blob.diffID, blob]));
  const indexOf = (layer: Layer): number => {
    const { diffID: _, ...plainLayer } = layer;
    const blob = blobs.get(layer.id) ?? (layer.diffID === undefined ? undefined : blobsByTar.get(layer.diffID));
    const described = describeLayer(onlyBlobs === true ? plainLayer : layer, blob, time);
    // Layers of one tar (or of one content, without a tar) and one date are one for whoever imports this, whatever they are called here: one in
    // the document, too, or exporting it again gave another one. Dates stay apart, since histories of images tell them.
    const name = `${described.diffID ?? described.contentDigest ?? layer.id} ${described.createdAt}`;
    let index = indices.get(name);
    if (index === undefined) {
      index = layers.length;
      indices.set(name, index);
      layers.push(described);
    }
    return index;
  };
  const identities = new Set<Digest>();
  const records = results.map(({ key, description, result }): SharedRecord => {
    const outputs = result.outputs.map(({ identity, on, layers: own }): SharedOutput => {
      identities.add(identity);
      return { identity, ...(on === undefined ? {} : { on }), layers: own.map(indexOf) };
    });
    return { key, description, at: time(result.at), outputs };
  });
  for (const identity of cache.pathDigests.usedIdentities()) identities.add(identity);
  const paths = [...identities].sort().flatMap((identity) => {
    const digests = cache.pathDigests.used(identity);
    return digests.length === 0 ? [] : [[identity, digests] as const];
  });
  return { layers, records, paths, ...(mounts === undefined || mounts.length === 0 ? {} : { mounts }) };
}

function describeLayer(
  { contentDigest, diffID, size, createdAt }: Layer,
  blob: KnownBlob | undefined,
  time: (at: number) => number,
): SharedLayer {
  const known = blob?.diffID ?? diffID;
  return {
    ...(known === undefined ? {} : { diffID: known }),
    ...(contentDigest === undefined ? {} : { contentDigest }),
    ...(size === undefined ? {} : { size }),
    createdAt: time(createdAt),
    ...(blob?.descriptor === undefined ? {} : { blob: plain(blob.descriptor) }),
  };
}

function plain({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}

/** The document of a cache and the manifest around it, as they are stored. */
interface CacheDocument {
  readonly config: { readonly descriptor: Descriptor; readonly source: BlobSource };
  readonly manifest: Uint8Array;
  /** The manifest's. */
  readonly descriptor: Descriptor;
}

function documentOf(shared: SharedCache): CacheDocument {
  const bytes = serializeSharedCache(shared);
  const config: Descriptor = { mediaType: CACHE_CONFIG_TYPE, digest: digestOf(bytes), size: bytes.length };
  const manifest = sharedManifest(config, shared);
  const descriptor: Descriptor = { mediaType: OCI.manifest, digest: digestOf(manifest), size: manifest.length };
  return { config: { descriptor: config, source: bytesSource(bytes) }, manifest, descriptor };
}

/** Bytes at hand as a source. */
function bytesSource(bytes: Uint8Array): BlobSource {
  return {
    async *open(start, end) {
      yield bytes.subarray(start, end);
    },
  };
}

/** A file as a source. */
function fileSource(path: string): BlobSource {
  return { open: (start, end) => fileBytes(path, start, end) };
}

function sourceOf(blob: LayerBlob, job: JobContext): BlobSource {
  if (blob.path !== undefined) return { ...fileSource(blob.path), ...mountsOf(blob) };
  const { remote } = blob;
  if (remote === undefined) throw new Error(`internal: the blob ${blob.descriptor.digest} is nowhere`);
  return { open: (start, end) => slice(remote.open(job), start, end), ...mountsOf(blob) };
}

function mountsOf({ remote }: LayerBlob): { readonly mountFrom?: readonly string[] } {
  return remote?.repository === undefined ? {} : { mountFrom: [remote.repository] };
}

async function* slice(opening: Promise<AsyncIterable<Uint8Array>>, start: number, end: number): AsyncGenerator<Uint8Array> {
  let at = 0;
  for await (const chunk of await opening) {
    const [from, to] = [Math.max(0, start - at), Math.min(chunk.length, end - at)];
    if (from < to) yield chunk.subarray(from, to);
    at += chunk.length;
    if (at >= end) return;
  }
}
