// Where images come from: this store's own names, then the registry; OCI layouts for named contexts. Answers are kept for one build,
// so a name means one image in it.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DiffID, type Digest, digestOf, isSlipwayError, type JobContext, parseDigest, SlipwayError } from '../base/index.ts';
import type { ImageSource, OciLayoutSource, ResolvedImage } from '../graph/index.ts';
import {
  type Descriptor,
  familiarReference,
  findInLayout,
  formatPlatform,
  formatWholePlatform,
  formatReference,
  type ImageConfig,
  LAYOUT_INDEX_FILE,
  layoutBlobPath,
  type Manifest,
  type ManifestDocument,
  normalizeReference,
  OCI,
  parseImageConfig,
  parseLayoutIndex,
  parseManifestDocument,
  parseReference,
  type Platform,
  platformOfConfig,
  type Reference,
  referenceName,
  selectPlatform,
  withDefaultTag,
} from '../oci/index.ts';
import type { ImageLayers } from '../ops/index.ts';
import type { RegistryClient } from '../registry/index.ts';
import type { RemoteBlob } from '../snapshot/index.ts';
import type { Store } from '../store/index.ts';
import type { TrustGate } from '../trust/index.ts';

/** An image as it was found: what the graph needs, and where its layers are. */
export interface FoundImage extends ImageLayers {
  readonly ref: string;
  readonly digest: Digest;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  /** Of the manifest itself. */
  readonly descriptor: Descriptor;
  /** The config as it is stored. */
  readonly rawConfig: Uint8Array;
}

/** Blobs of a layout that is not a folder here: a client's. */
export interface LayoutBlobs {
  size(digest: Digest, job: JobContext): Promise<number | undefined>;
  open(digest: Digest, job: JobContext): Promise<AsyncIterable<Uint8Array>>;
}

/** Where and for whom images are looked for, beside a plain build's ways. */
export interface ImageSourcesOptions {
  /** Where the layouts of client sessions are. */
  readonly layouts?: (source: OciLayoutSource) => LayoutBlobs;
  /** Who asks, when that is a client of a server; see `ImageHomes`. Without it, it is the store's own user. */
  readonly asker?: () => string | Promise<string>;
}

/** A document by its digest, where it may be taken from the store. */
type Known = (digest: Digest) => Uint8Array | undefined;

/** The images of one build. */
export class ImageSources {
  readonly #store: Store;
  readonly #registry: RegistryClient;
  readonly #gate: TrustGate | undefined;
  readonly #warn: (message: string) => void;
  readonly #layouts: ImageSourcesOptions['layouts'];
  readonly #asker: ImageSourcesOptions['asker'];
  readonly #found = new Map<string, Promise<FoundImage>>();

  constructor(
    store: Store,
    registry: RegistryClient,
    gate: TrustGate | undefined,
    warn: (message: string) => void,
    { layouts, asker }: ImageSourcesOptions = {},
  ) {
    this.#layouts = layouts;
    this.#asker = asker;
    this.#store = store;
    this.#registry = registry;
    this.#gate = gate;
    this.#warn = warn;
  }

  /** Finds an image; equal questions are asked once. What a tag meant is found under that digest too: the graph names it so from then on. */
  find(source: ImageSource | OciLayoutSource, job: JobContext): Promise<FoundImage> {
    const platform = formatWholePlatform(source.platform);
    const key = source.kind === 'image' ? `${source.ref} ${platform}` : `${source.path} ${source.ref} ${platform}`;
    let found = this.#found.get(key);
    if (found === undefined) {
      found =
        source.kind === 'image'
          ? this.#findImage(source, job).then((image) => this.#pin(source, image))
          : source.session !== undefined
            ? this.#findInSession(source, job)
            : this.#findInLayout(source);
      this.#found.set(key, found);
    }
    return source.kind === 'image' && source.checksum !== undefined ? found.then((image) => checked(source, image)) : found;
  }

  /** As the graph's resolver wants it. */
  async resolve(ref: string, platform: Platform, mode: ImageSource['resolveMode'], job: JobContext): Promise<ResolvedImage> {
    const found = await this.find({ kind: 'image', ref, platform, resolveMode: mode }, job);
    return { ref: found.ref, digest: found.digest, config: found.config };
  }

  async #findImage(source: ImageSource, job: JobContext): Promise<FoundImage> {
    const reference = withDefaultTag(parseReference(source.ref));
    if (source.resolveMode !== 'pull') {
      const own = this.#ownImage(reference, source.platform);
      if (own !== undefined) return own;
    }
    const found = await this.#fromRegistry(reference, source.platform, source.resolveMode, job);
    await this.#gate?.(reference, found.digest, found.descriptor.digest, job);
    return found;
  }

  /** Keeps the answer under the name with its digest. A digest that the user wrote is a question of its own. */
  #pin(source: ImageSource, found: FoundImage): FoundImage {
    const reference = withDefaultTag(parseReference(source.ref));
    if (reference.digest === undefined) {
      const key = `${formatReference({ ...reference, digest: found.digest })} ${formatWholePlatform(source.platform)}`;
      if (!this.#found.has(key)) this.#found.set(key, Promise.resolve(found));
    }
    return found;
  }

  /** An image that this store was told the name of. */
  #ownImage(reference: Reference, platform: Platform): FoundImage | undefined {
    const { images } = this.#store;
    const { digest } = reference;
    const named =
      images.get(normalizeReference(formatReference(reference))) ??
      (digest === undefined ? undefined : images.holding(referenceName(reference), digest));
    if (named === undefined) return undefined;
    const read = (descriptor: Descriptor): Uint8Array => this.#store.blobs.read(descriptor.digest);
    const picked = pickManifest(named.descriptor, platform, reference, read);
    return this.#describe(reference, named.descriptor.digest, picked, read(picked.manifest.config), platform, (descriptor) => ({
      open: () => Promise.resolve(this.#store.blobs.open(descriptor)),
    }));
  }

  /**
   * What is in the store is taken without a question only where it is known to be from this repository; else the registry is asked with the
   * rights of who asks. For whole documents: who can send one has it, a HEAD may be answered by anybody who knows the digest.
   */
  async #fromRegistry(reference: Reference, platform: Platform, mode: ImageSource['resolveMode'], job: JobContext): Promise<FoundImage> {
    const { blobs, homes } = this.#store;
    const repository = referenceName(reference);
    const asker = await this.#asker?.();
    const here: Known = (digest) => (blobs.has(digest) ? blobs.read(digest) : undefined);
    const atHome: Known = (digest) => (homes.has(digest, repository, asker) ? here(digest) : undefined);
    // The store's own user may read all of it.
    const usable = this.#asker === undefined ? here : atHome;
    const tags = this.#store.records('tags');
    const name = digestOf(`${formatReference(reference)}`).slice(7);
    const last = reference.digest === undefined ? readTag(tags.read(name)) : undefined;
    if (mode === 'local' && last !== undefined && usable(last) !== undefined)
      return await this.#read(reference, { ...reference, digest: last }, platform, usable, job);
    try {
      const found = await this.#read(reference, reference, platform, atHome, job, last);
      for (const digest of [found.digest, found.descriptor.digest, found.manifest.config.digest]) homes.add(digest, repository, asker);
      if (reference.digest === undefined && last !== found.digest) tags.write(name, Buffer.from(found.digest));
      return found;
    } catch (error) {
      const kept = reference.digest ?? last;
      if (kept === undefined || !isSlipwayError(error, 'REGISTRY_UNREACHABLE') || usable(kept) === undefined) throw error;
      const found = await this.#read({ ...reference, digest: kept }, { ...reference, digest: kept }, platform, usable, job);
      const instead = last === undefined ? 'the image of that digest as it is in the store' : `the last known image ${last}`;
      this.#warn(`${familiarReference(reference)}: the registry cannot be reached; building on ${instead}`);
      return found;
    }
  }

  /** Reads the documents of an image, from the registry those that are not `known`. `last`: what the tag meant last time. */
  async #read(
    reference: Reference,
    wanted: Reference,
    platform: Platform,
    known: Known,
    job: JobContext,
    last?: Digest,
  ): Promise<FoundImage> {
    const { blobs } = this.#store;
    const { root, image } = await this.#registry.resolve(wanted, platform, job, { known, ...(last === undefined ? {} : { last }) });
    const { bytes } = await this.#registry.config(reference, image.manifest.config, job, { known });
    for (const document of [root, image]) blobs.put(document.bytes, document.descriptor.mediaType);
    blobs.put(bytes, image.manifest.config.mediaType);
    const picked = { descriptor: image.descriptor, manifest: image.manifest };
    return this.#describe(reference, root.descriptor.digest, picked, bytes, platform, (descriptor) => ({
      open: (blobJob) => Promise.resolve(this.#registry.openBlob(reference, descriptor, blobJob)),
      verifies: true,
      repository: referenceName(reference),
    }));
  }

  async #findInLayout(source: OciLayoutSource): Promise<FoundImage> {
    const read = (descriptor: Descriptor): Uint8Array => {
      const path = join(source.path, layoutBlobPath(descriptor.digest));
      if (!existsSync(path)) throw layoutLacks(source.path, descriptor.digest);
      const bytes = readFileSync(path);
      if (digestOf(bytes) !== descriptor.digest)
        throw new SlipwayError('BLOB_DIGEST_MISMATCH', `blob ${descriptor.digest} of the OCI layout ${source.path} has other bytes`);
      return bytes;
    };
    let index: Uint8Array;
    try {
      index = readFileSync(join(source.path, LAYOUT_INDEX_FILE));
    } catch (cause) {
      throw new SlipwayError('LAYOUT_NOT_FOUND', `${source.path} is no OCI layout: ${(cause as Error).message}`, {
        cause,
        hint: 'name a folder with oci-layout and index.json in it',
      });
    }
    const root = findInLayout(parseLayoutIndex(index), source.ref);

    const reference: Reference = { registry: 'oci-layout', repository: source.path, digest: root.digest };
    const picked = pickManifest(root, source.platform, reference, read);
    return await Promise.resolve(
      this.#describe(reference, root.digest, picked, read(picked.manifest.config), source.platform, (descriptor) => ({
        open: async () => {
          const path = join(source.path, layoutBlobPath(descriptor.digest));
          if (!existsSync(path)) throw layoutLacks(source.path, descriptor.digest);
          const { createReadStream } = await import('node:fs');
          return createReadStream(path, { highWaterMark: 1 << 20 });
        },
      })),
    );
  }

  /** A layout that a client keeps: named by digest, read blob by blob. */
  async #findInSession(source: OciLayoutSource, job: JobContext): Promise<FoundImage> {
    const blobs = this.#layouts?.(source);
    if (blobs === undefined)
      throw new SlipwayError('LAYOUT_NOT_FOUND', `${source.path} is no OCI layout of this build`, {
        hint: 'name its folder by --build-context name=oci-layout://FOLDER',
      });
    const digest = parseDigest(source.ref.slice(source.ref.indexOf('@') + 1));
    const read = async (wanted: Digest): Promise<Uint8Array> => {
      const size = await blobs.size(wanted, job);
      if (size === undefined || size > DOCUMENT_LIMIT) throw layoutLacks(source.path, wanted);
      const chunks: Uint8Array[] = [];
      let length = 0;
      for await (const chunk of await blobs.open(wanted, job)) {
        length += chunk.length;
        if (length > size) break;
        chunks.push(chunk);
      }
      const bytes = Buffer.concat(chunks);
      if (digestOf(bytes) !== wanted)
        throw new SlipwayError('BLOB_DIGEST_MISMATCH', `blob ${wanted} of the OCI layout ${source.path} has other bytes`);
      return bytes;
    };
    const documents = new Map<string, Uint8Array>();
    const known = (descriptor: Descriptor): Uint8Array => {
      const bytes = documents.get(descriptor.digest);
      if (bytes === undefined) throw new Missing(descriptor.digest);
      return bytes;
    };
    const rootBytes = await read(digest);
    documents.set(digest, rootBytes);
    const root: Descriptor = { mediaType: mediaTypeOf(rootBytes), digest, size: rootBytes.length };
    const reference: Reference = { registry: 'oci-layout', repository: source.path, digest };
    for (;;) {
      try {
        const picked = pickManifest(root, source.platform, reference, known);
        const config = await read(picked.manifest.config.digest);
        return this.#describe(reference, digest, picked, config, source.platform, (descriptor) => ({
          open: (blobJob) => blobs.open(descriptor.digest, blobJob),
        }));
      } catch (error) {
        if (!(error instanceof Missing)) throw error;
        documents.set(error.digest, await read(error.digest));
      }
    }
  }

  #describe(
    reference: Reference,
    digest: Digest,
    picked: { readonly descriptor: Descriptor; readonly manifest: Manifest },
    rawConfig: Uint8Array,
    platform: Platform,
    place: (descriptor: Descriptor) => Pick<RemoteBlob, 'open' | 'repository' | 'verifies'>,
  ): FoundImage {
    const config = parseImageConfig(rawConfig);
    const diffIds: readonly DiffID[] = config.rootfs.diff_ids;
    const { layers } = picked.manifest;
    if (layers.length !== diffIds.length) {
      throw new SlipwayError(
        'IMAGE_CONFIG_INVALID',
        `${familiarReference(reference)}: its manifest has ${layers.length} layers, its config ${diffIds.length}`,
        { hint: 'the image is broken: have it pushed again' },
      );
    }
    return {
      ref: formatReference(reference),
      digest,
      manifest: picked.manifest,
      descriptor: picked.descriptor,
      config,
      rawConfig,
      platform: picked.descriptor.platform ?? platformOfConfig(config) ?? platform,
      diffIds,
      blobs: layers.map((descriptor, index) => ({ descriptor, diffID: diffIds[index] as DiffID, ...place(descriptor) })),
    };
  }
}

/** The image, when it is the one that the source wants. */
function checked({ ref, checksum }: ImageSource, image: FoundImage): FoundImage {
  if (image.digest === checksum) return image;
  throw new SlipwayError('IMAGE_DIGEST_MISMATCH', `image digest ${image.digest} for ${ref} does not match expected checksum ${checksum}`, {
    hint: 'the name means another image by now: ask for that one, or name the image by its digest',
  });
}

/** Bytes of a manifest, index or config at most. */
const DOCUMENT_LIMIT = 16 << 20;

/** A document that has to be read first. */
class Missing extends Error {
  readonly digest: Digest;

  constructor(digest: Digest) {
    super(`internal: ${digest} was not read`);
    this.digest = digest;
  }
}

/** The media type that a manifest or index says of itself; one that says none is told by its members. */
function mediaTypeOf(bytes: Uint8Array): string {
  const document = JSON.parse(Buffer.from(bytes).toString()) as { mediaType?: unknown; manifests?: unknown };
  if (typeof document.mediaType === 'string' && document.mediaType !== '') return document.mediaType;
  return document.manifests === undefined ? OCI.manifest : OCI.index;
}

function pickManifest(
  root: Descriptor,
  platform: Platform,
  reference: Reference,
  read: (descriptor: Descriptor) => Uint8Array,
): { descriptor: Descriptor; manifest: Manifest } {
  let descriptor = root;
  for (let depth = 0; depth < 4; depth += 1) {
    const document: ManifestDocument = parseManifestDocument(read(descriptor), descriptor.mediaType);
    if (document.kind === 'manifest') return { descriptor, manifest: document.manifest };
    const chosen = selectPlatform(document.index.manifests, platform);
    if (chosen === undefined) {
      const named = document.index.manifests.flatMap((one) => (one.platform === undefined ? [] : [formatPlatform(one.platform)]));
      // Attestations are for no platform.
      const there = [...new Set(named)].filter((name) => !name.startsWith('unknown'));
      throw new SlipwayError('PLATFORM_MISSING', `${familiarReference(reference)} has no image for ${formatPlatform(platform)}`, {
        hint: there.length === 0 ? 'its index names no platform at all' : `it has ${there.join(', ')}; choose one with --platform`,
      });
    }
    descriptor = chosen;
  }
  throw new SlipwayError('OCI_INDEX_INVALID', `${familiarReference(reference)}: indexes nest too deeply`);
}

function readTag(bytes: Uint8Array | undefined): Digest | undefined {
  if (bytes === undefined) return undefined;
  const text = Buffer.from(bytes).toString('utf8');
  return /^sha(256:[a-f0-9]{64}|512:[a-f0-9]{128})$/.test(text) ? (text as Digest) : undefined;
}

function layoutLacks(path: string, digest: Digest): SlipwayError {
  return new SlipwayError('LAYOUT_BLOB_MISSING', `the OCI layout ${path} lacks blob ${digest}`, { hint: 'write the layout anew' });
}
