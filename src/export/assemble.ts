// Puts an image together: layers as blobs, a config and a manifest for each platform, and an index where there is need of one.

import { type Digest, digestOf, mapLimit, SlipwayError } from '../base/index.ts';
import {
  convertLayerType,
  type Descriptor,
  DOCKER,
  isForeignLayerType,
  type Manifest,
  OCI,
  platformOfConfig,
  serializeImageConfig,
  serializeIndex,
  serializeManifest,
} from '../oci/index.ts';
import type { BlobOptions, LayerBlob } from '../snapshot/index.ts';
import { canonical } from './annotations.ts';
import { attestationDocuments, chooseAttestations, type Document } from './attestation.ts';
import type { ImageOptions } from './plan.ts';
import { type ExportContext, type ExportSource, type PlatformResult, withStatus } from './source.ts';

/** An image with everything that belongs to it. */
export interface AssembledImage {
  /** What stands for the image: its manifest, or its index. */
  readonly root: Descriptor;
  /** Manifests, configs, statements; children before what names them, `root` last. */
  readonly documents: readonly Document[];
  /** Each once. Their descriptors are those of the manifests. */
  readonly layers: readonly LayerBlob[];
  readonly manifests: readonly AssembledManifest[];
}

/** The image of one platform. */
export interface AssembledManifest {
  readonly platform: PlatformResult['platform'];
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly configDigest: Digest;
}

const LAYERS_AT_ONCE = 4;
const INTERNAL_ANNOTATIONS = /^(?:containerd\.io\/uncompressed|buildkit\/createdat|containerd\.io\/distribution\.source\..*)$/;

/** Whether the result is an index: several platforms, asked for, or attestations that must be attached. */
export function needsIndex(source: ExportSource, options: ImageOptions): boolean {
  if (source.asIndex === true || source.platforms.length !== 1) return true;
  return source.platforms.some(({ attestations }) => chooseAttestations(attestations, options.inlineAttestations).length > 0);
}

/** Assembles. `names` are what attestations say they are about. Throws `IMAGE_CONFIG_INVALID`, `OUTPUT_INVALID`. */
export async function assembleImage(
  source: ExportSource,
  options: ImageOptions,
  names: readonly string[],
  context: ExportContext,
): Promise<AssembledImage> {
  const asIndex = needsIndex(source, options);
  checkOptions(source, options, asIndex);
  const blobs = await withStatus(context.status, 'exporting layers', () => exportLayers(source, options, context));
  const images = source.platforms.map((result, index) => assemblePlatform(result, blobs[index] ?? [], asIndex, options, context));
  const documents = images.flatMap((image) => image.documents);
  const layers = distinctLayers(images.flatMap((image) => image.layers));
  const manifests = images.map(({ entry }) => entry);
  const [first] = images;
  if (!asIndex && first !== undefined) {
    return { root: first.entry.descriptor, documents, layers, manifests };
  }
  const statements: Document[][] = [];
  for (const [index, { attestations, platform }] of source.platforms.entries()) {
    const image = images[index];
    if (image === undefined || attestations === undefined || attestations.length === 0) continue;
    const chosen = chooseAttestations(attestations, options.inlineAttestations);
    if (chosen.length === 0) continue;
    const attested = { manifest: image.entry.descriptor, layers: image.layers };
    statements.push([...(await attestationDocuments(chosen, attested, names, platform, options.ociArtifact))]);
  }
  const entries = [...manifests.map(({ descriptor }) => descriptor), ...statements.map((made) => (made.at(-1) as Document).descriptor)];
  const index = indexDocument(entries, options);
  return { root: index.descriptor, documents: distinctDocuments([...documents, ...statements.flat(), index]), layers, manifests };
}

interface PlatformImage {
  readonly entry: AssembledManifest;
  readonly documents: readonly Document[];
  readonly layers: readonly LayerBlob[];
}

function checkOptions(source: ExportSource, options: ImageOptions, asIndex: boolean): void {
  const known = source.platforms.map(({ platform }) => canonical(platform));
  const missing = options.annotations.platforms.find((platform) => !known.includes(platform));
  // A result that is no index has no platform by name: what is said for one is said for nothing there.
  if (missing !== undefined && asIndex) {
    throw new SlipwayError('OUTPUT_INVALID', `invalid annotation: no platform ${missing} found in source`, {
      hint: `there is ${known.join(', ')}`,
    });
  }
  const { index, indexDescriptor } = options.annotations;
  if (!asIndex && Object.keys(index).length + Object.keys(indexDescriptor).length > 0) {
    throw new SlipwayError('OUTPUT_INVALID', 'index annotations not supported for single platform export');
  }
  const attested = source.platforms.some(({ attestations }) => chooseAttestations(attestations, options.inlineAttestations).length > 0);
  if (attested && !options.ociTypes) throw new SlipwayError('OUTPUT_INVALID', 'cannot export attestations with "oci-mediatypes=false"');
}

function commonBlobOptions({ compression, level, epoch }: ImageOptions): Omit<BlobOptions, 'force'> {
  return { compression, reproducible: epoch !== undefined, ...(level === undefined ? {} : { level }) };
}

/** How the blobs of layers are made that are not the base's. */
export function ownLayerBlobOptions(options: ImageOptions): BlobOptions {
  const { rewriteTimestamp, epoch } = options;
  return { ...commonBlobOptions(options), force: true, ...(rewriteTimestamp && epoch !== undefined ? { clampMtime: epoch } : {}) };
}

/** The blobs of all platforms' layers. Layers of the base keep what they are, unless compression is forced. */
async function exportLayers(
  source: ExportSource,
  options: ImageOptions,
  context: ExportContext,
): Promise<readonly (readonly LayerBlob[])[]> {
  const base: BlobOptions = { ...commonBlobOptions(options), force: options.force };
  const own = ownLayerBlobOptions(options);
  const work = source.platforms.flatMap(({ layers, baseLayers }, platform) =>
    layers.map((layer, index) => ({ layer, platform, isBase: index < baseLayers })),
  );
  const made = await mapLimit(work, LAYERS_AT_ONCE, ({ layer, isBase }) => context.layers.blob(layer, isBase ? base : own, context.job));
  return source.platforms.map((_, platform) => made.filter((_blob, index) => work[index]?.platform === platform));
}

function assemblePlatform(
  result: PlatformResult,
  blobs: readonly LayerBlob[],
  asIndex: boolean,
  options: ImageOptions,
  context: ExportContext,
): PlatformImage {
  const layers = blobs.map((blob, index) => ({
    ...blob,
    descriptor: dated(layerDescriptor(blob.descriptor, options), index >= result.baseLayers, options),
  }));
  const config = result.config(
    blobs.map(({ diffID }) => diffID),
    options.epoch,
  );
  if (config.os === '') throw new SlipwayError('IMAGE_CONFIG_INVALID', 'invalid image config for export: missing os');
  if (config.architecture === '') throw new SlipwayError('IMAGE_CONFIG_INVALID', 'invalid image config for export: missing architecture');
  const names = options.ociTypes ? OCI : DOCKER;
  const configDocument = documentOf(names.config, serializeImageConfig(config));
  context.status({ name: `exporting config ${configDocument.descriptor.digest}`, current: 0, done: true });
  const annotations = options.annotations.manifest(asIndex ? result.platform : undefined);
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: names.manifest,
    config: configDocument.descriptor,
    layers: layers.map(({ descriptor }) => descriptor),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
  const document = documentOf(names.manifest, serializeManifest(manifest));
  context.status({ name: `exporting manifest ${document.descriptor.digest}`, current: 0, done: true });
  const onDescriptor = options.annotations.manifestDescriptor(asIndex ? result.platform : undefined);
  const descriptor: Descriptor = {
    ...document.descriptor,
    ...(Object.keys(onDescriptor).length === 0 ? {} : { annotations: onDescriptor }),
    platform: result.platform.os === '' ? platformOfConfig(config) : result.platform,
  };
  const entry = { platform: result.platform, descriptor, manifest, configDigest: configDocument.descriptor.digest };
  return { entry, documents: [configDocument, { descriptor, bytes: document.bytes }], layers };
}

/** A layer's descriptor in the wanted family, without what only stores need to know. */
function layerDescriptor(descriptor: Descriptor, { ociTypes, keepForeignLayers }: ImageOptions): Descriptor {
  const { annotations, urls, ...rest } = descriptor;
  const converted = convertLayerType(descriptor.mediaType, ociTypes ? 'oci' : 'docker');
  const isForeign = isForeignLayerType(converted);
  const mediaType = isForeign && !keepForeignLayers ? converted.replace('.nondistributable.', '.').replace('.foreign.', '.') : converted;
  const kept = ociTypes ? Object.entries(annotations ?? {}).filter(([key]) => !INTERNAL_ANNOTATIONS.test(key)) : [];
  return {
    ...rest,
    mediaType,
    ...(isForeign && keepForeignLayers && urls !== undefined ? { urls } : {}),
    ...(kept.length === 0 ? {} : { annotations: Object.fromEntries(kept) }),
  };
}

/** Layers whose times were rewritten say so, as BuildKit's do. */
function dated(descriptor: Descriptor, isOwn: boolean, { rewriteTimestamp, epoch, ociTypes }: ImageOptions): Descriptor {
  if (!isOwn || !rewriteTimestamp || epoch === undefined || !ociTypes) return descriptor;
  return { ...descriptor, annotations: { ...descriptor.annotations, 'buildkit/rewritten-timestamp': String(epoch) } };
}

function indexDocument(manifests: readonly Descriptor[], options: ImageOptions): Document {
  const { index, indexDescriptor } = options.annotations;
  const mediaType = options.ociTypes ? OCI.index : DOCKER.index;
  const document = documentOf(
    mediaType,
    serializeIndex({ schemaVersion: 2, mediaType, manifests, ...(Object.keys(index).length === 0 ? {} : { annotations: index }) }),
  );
  if (Object.keys(indexDescriptor).length === 0) return document;
  return { ...document, descriptor: { ...document.descriptor, annotations: indexDescriptor } };
}

function documentOf(mediaType: string, bytes: Uint8Array): Document {
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, bytes };
}

function distinctLayers(layers: readonly LayerBlob[]): readonly LayerBlob[] {
  return [...new Map(layers.map((layer) => [layer.descriptor.digest, layer])).values()];
}

/** Each digest once, where it is first needed. */
function distinctDocuments(documents: readonly Document[]): readonly Document[] {
  const seen = new Set<Digest>();
  return documents.filter(({ descriptor }) => !seen.has(descriptor.digest) && seen.add(descriptor.digest) !== undefined);
}
