// The images of a store by name: list, tag, remove.

import { SlipwayError } from '../base/index.ts';
import {
  type Descriptor,
  familiarReference,
  formatPlatform,
  type ImageConfig,
  isIndexType,
  type Manifest,
  normalizeReference,
  parseImageConfig,
  parseManifestDocument,
  parseReference,
} from '../oci/index.ts';
import type { NamedImage, Store } from '../store/index.ts';
import { suggest, type Digest } from '../base/index.ts';

/** One row of `slipway images`. */
export interface ImageRow {
  /** As a user writes it. */
  readonly name: string;
  readonly digest: Digest;
  readonly platforms: readonly string[];
  readonly namedAt: Date;
  /** Compressed bytes of its manifests, configs and layers, over all platforms. */
  readonly size: number;
}

/** A platform's image in the store. */
export interface StoredImage {
  readonly platform: string;
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
}

/** All names, newest first. */
export function listImages(store: Store): readonly ImageRow[] {
  return store.images
    .list()
    .map((named) => {
      const images = imagesOf(store, named.descriptor);
      return {
        name: familiarName(named.name),
        digest: named.descriptor.digest,
        platforms: images.map(({ platform }) => platform),
        namedAt: named.namedAt,
        size: images.reduce(
          (sum, { descriptor, manifest }) =>
            sum + descriptor.size + manifest.config.size + manifest.layers.reduce((bytes, layer) => bytes + layer.size, 0),
          0,
        ),
      };
    })
    .sort((a, b) => b.namedAt.getTime() - a.namedAt.getTime());
}

/**
 * The image a user's word means: a name, or the start of its digest or of its id (the digest of its config, which `--iidfile` and `-q`
 * tell). Throws `IMAGE_UNKNOWN` with the near name.
 */
export function findImage(store: Store, word: string): NamedImage {
  const hex = /^(?:sha256:)?([a-f0-9]{6,64})$/.exec(word)?.[1];
  const exact = hex?.length === 64 ? undefined : store.images.get(normalizeReference(word)); // no name has 64 digits
  if (exact !== undefined) return exact;
  const all = store.images.list();
  const meant = hex === undefined ? undefined : (theOne(all, hex, ({ descriptor }) => descriptor.digest) ?? theOne(all, hex, idOf(store)));
  if (meant !== undefined) return meant;
  const near = suggest(
    word,
    all.map((image) => familiarName(image.name)),
  );
  throw new SlipwayError('IMAGE_UNKNOWN', `no image ${word} in this store`, {
    hint: near === undefined ? '`slipway images` lists what is there; build one by `slipway build -t NAME`' : `did you mean ${near}?`,
  });
}

/** The image that alone has a digest with this beginning, under whichever of its names. */
function theOne(all: readonly NamedImage[], hex: string, digestOf: (image: NamedImage) => Digest | undefined): NamedImage | undefined {
  const found = all.filter((image) => digestOf(image)?.startsWith(`sha256:${hex}`) === true);
  return new Set(found.map(digestOf)).size === 1 ? found[0] : undefined;
}

/** The id of an image of one platform; one of several is known by its digest alone. */
const idOf =
  (store: Store) =>
  ({ descriptor }: NamedImage): Digest | undefined => {
    const document = parseManifestDocument(store.blobs.read(descriptor.digest), descriptor.mediaType);
    return document.kind === 'manifest' ? document.manifest.config.digest : undefined;
  };

/** Gives an image one more name. */
export async function tagImage(store: Store, word: string, name: string): Promise<void> {
  const found = findImage(store, word);
  await store.images.set(normalizeReference(name), found.descriptor, found.keeps);
}

/** Takes a name away; what only it needed goes at the next collection. Throws `IMAGE_UNKNOWN`. */
export function removeImage(store: Store, word: string): NamedImage {
  const found = findImage(store, word);
  store.images.remove(found.name);
  return found;
}

/** The manifests below a descriptor, attestations left out. */
export function imagesOf(store: Store, descriptor: Descriptor): readonly StoredImage[] {
  const document = parseManifestDocument(store.blobs.read(descriptor.digest), descriptor.mediaType);
  if (document.kind === 'manifest') {
    const config = parseImageConfig(store.blobs.read(document.manifest.config.digest));
    return [
      {
        platform: formatPlatform({
          os: config.os,
          architecture: config.architecture,
          ...(config.variant === undefined ? {} : { variant: config.variant }),
        }),
        descriptor,
        manifest: document.manifest,
        config,
      },
    ];
  }
  return document.index.manifests
    .filter(({ platform, mediaType }) => platform?.os !== 'unknown' || isIndexType(mediaType))
    .flatMap((child) =>
      imagesOf(store, child).map((image) =>
        child.platform === undefined ? image : { ...image, platform: formatPlatform(child.platform) },
      ),
    );
}

/** `docker.io/library/app:latest` → `app:latest`. */
export function familiarName(name: string): string {
  return familiarReference(parseReference(name));
}
