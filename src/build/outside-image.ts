// Images in files that any tool may have made: an OCI layout as a folder or a tar, and what `docker save` writes. Blobs stay where they
// are; an archive that is compressed is spooled. Digests are verified by whoever reads the blobs.

import { closeSync, createReadStream, existsSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type Digest, digestOf, isSlipwayError, type JobContext, parseDigest, SlipwayError } from '../base/index.ts';
import { isCleanPath } from '../layer/index.ts';
import {
  type Descriptor,
  findInLayout,
  formatPlatform,
  type ImageConfig,
  isIndexType,
  layoutBlobPath,
  LAYOUT_INDEX_FILE,
  type Manifest,
  OCI,
  parseImageConfig,
  parseLayoutIndex,
  parseManifestDocument,
  platformOfConfig,
} from '../oci/index.ts';
import { readArchive } from '../source/index.ts';

/** Files of an image that is not in the store. */
export interface OutsideImage extends AsyncDisposable {
  readonly path: string;
  /** A document by its name in the layout or archive; undefined: there is none, or it is too large for one. */
  read(name: string): Uint8Array | undefined;
  /** Bytes of a file; undefined: there is none. */
  size(name: string): number | undefined;
  /** Name of a blob's file. */
  readonly names: Map<Digest, string>;
  /** Opens a blob. */
  open(digest: Digest): AsyncIterable<Uint8Array>;
}

/** One platform's image in it. */
export interface FileImage {
  readonly platform: string;
  /** Absent: the archive has no manifest of it. */
  readonly digest?: Digest;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
}

interface Place {
  readonly file: string;
  readonly offset: number;
  readonly size: number;
}

const MAX_DOCUMENT = 64 << 20;
/** `docker save`'s own index. */
const DOCKER_MANIFEST = 'manifest.json';

/** Opens a layout folder or an archive. `spool`: a path for bytes that have no place in the file. Throws `IMAGE_FILE_INVALID`. */
export async function openOutside(path: string, spool: string, job: JobContext): Promise<OutsideImage> {
  const places = statSync(path).isDirectory() ? undefined : await placesIn(path, spool, job);
  const place = (name: string): Place | undefined => {
    if (!isCleanPath(name) || name === '') return undefined; // what a document names stays inside
    if (places !== undefined) return places.get(name);
    const file = join(path, name);
    return existsSync(file) ? { file, offset: 0, size: statSync(file).size } : undefined;
  };
  const names = new Map<Digest, string>();
  return {
    path,
    names,
    read: (name) => {
      const found = place(name);
      return found === undefined || found.size > MAX_DOCUMENT ? undefined : bytesAt(found);
    },
    size: (name) => place(name)?.size,
    open: (digest) => {
      const name = names.get(digest) ?? layoutBlobPath(digest);
      const found = place(name);
      if (found === undefined) throw invalid(path, `it lacks ${name}`);
      return found.size === 0
        ? Readable.from([])
        : createReadStream(found.file, { start: found.offset, end: found.offset + found.size - 1 });
    },
    [Symbol.asyncDispose]: () => {
      rmSync(spool, { force: true });
      return Promise.resolve();
    },
  };
}

function bytesAt({ file, offset, size }: Place): Uint8Array {
  const fd = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(size);
    let at = 0;
    while (at < size) {
      const count = readSync(fd, bytes, at, size - at, offset + at);
      if (count === 0) break;
      at += count;
    }
    return bytes.subarray(0, at);
  } finally {
    closeSync(fd);
  }
}

async function placesIn(path: string, spool: string, job: JobContext): Promise<ReadonlyMap<string, Place>> {
  const fd = openSync(path, 'r');
  try {
    const parts = await readArchive({ fd, offset: 0, size: statSync(path).size, [Symbol.dispose]: () => {} }, spool, job);
    if (parts === undefined) throw invalid(path, 'it is no tar archive');
    const places = new Map<string, Place>();
    const links: (readonly [string, string])[] = [];
    for (const { member, offset, spooled } of parts) {
      const name = member.name.replace(/^(\.\/)+/, '');
      if (member.kind === 'file') places.set(name, { file: spooled ? spool : path, offset, size: member.size });
      else if (member.link !== undefined) links.push([name, join(name, '..', member.link)]);
    }
    // Older archives of Docker link equal layers to each other.
    for (const [name, target] of links) if (places.has(target)) places.set(name, places.get(target) as Place);
    return places;
  } finally {
    closeSync(fd);
  }
}

/** The images of a file, one for each platform. `name`: which one, when it has several. */
export function imagesIn(outside: OutsideImage, name: string | undefined): readonly FileImage[] {
  try {
    const index = outside.read(LAYOUT_INDEX_FILE);
    if (index !== undefined) return imagesBelow(outside, findInLayout(parseLayoutIndex(index), name));
    const listed = outside.read(DOCKER_MANIFEST);
    if (listed !== undefined) return [dockerImage(outside, listed, name)];
  } catch (error) {
    if (isSlipwayError(error, 'OCI_LAYOUT_IMAGE_UNKNOWN') || isSlipwayError(error, 'IMAGE_FILE_INVALID')) throw error;
    if (error instanceof SlipwayError) throw invalid(outside.path, error.message, error);
    throw error;
  }
  throw invalid(outside.path, `it has neither ${LAYOUT_INDEX_FILE} nor ${DOCKER_MANIFEST}`);
}

function imagesBelow(outside: OutsideImage, descriptor: Descriptor): readonly FileImage[] {
  const bytes = verified(outside, descriptor.digest);
  const document = parseManifestDocument(bytes, descriptor.mediaType);
  if (document.kind === 'index')
    return document.index.manifests
      .filter(({ platform, mediaType }) => platform?.os !== 'unknown' || isIndexType(mediaType))
      .filter(({ digest }) => outside.read(layoutBlobPath(digest)) !== undefined)
      .flatMap((child) => imagesBelow(outside, child));
  const { manifest } = document;
  const config = parseImageConfig(verified(outside, manifest.config.digest));
  return [{ platform: formatPlatform(descriptor.platform ?? platformOfConfig(config)), digest: descriptor.digest, manifest, config }];
}

function verified(outside: OutsideImage, digest: Digest): Uint8Array {
  const bytes = outside.read(layoutBlobPath(digest));
  if (bytes === undefined) throw invalid(outside.path, `it lacks ${layoutBlobPath(digest)}`);
  if (digest.startsWith('sha256:') && digestOf(bytes) !== digest)
    throw invalid(outside.path, `${layoutBlobPath(digest)} has other bytes than its name says`);
  return bytes;
}

/** An image that only `manifest.json` speaks of: layers are plain tars under any name. */
function dockerImage(outside: OutsideImage, listed: Uint8Array, name: string | undefined): FileImage {
  const entry = dockerEntry(outside, listed, name);
  const configBytes = outside.read(entry.config);
  if (configBytes === undefined) throw invalid(outside.path, `it lacks ${entry.config}`);
  const config = parseImageConfig(configBytes);
  if (entry.layers.length !== config.rootfs.diff_ids.length)
    throw invalid(outside.path, `${DOCKER_MANIFEST} and ${entry.config} disagree on its layers`);
  const layers = entry.layers.map((file, index): Descriptor => {
    const size = outside.size(file);
    if (size === undefined) throw invalid(outside.path, `it lacks ${file}`);
    const digest = parseDigest(config.rootfs.diff_ids[index] as string);
    outside.names.set(digest, file);
    return { mediaType: OCI.layer, digest, size };
  });
  const manifest: Manifest = {
    schemaVersion: 2,
    config: { mediaType: OCI.config, digest: digestOf(configBytes), size: configBytes.length },
    layers,
  };
  return { platform: formatPlatform(platformOfConfig(config)), manifest, config };
}

function dockerEntry(
  outside: OutsideImage,
  listed: Uint8Array,
  name: string | undefined,
): { readonly config: string; readonly layers: readonly string[] } {
  const entries = readDockerManifest(outside, listed);
  const tags = entries.flatMap((entry) => entry.tags);
  const wanted =
    name === undefined
      ? entries
      : entries.filter((entry) => entry.tags.some((tag) => tag === name || tag.endsWith(`:${name}`) || tag.endsWith(`/${name}`)));
  const [entry] = wanted;
  if (entry !== undefined && wanted.length === 1) return entry;
  throw new SlipwayError(
    'OCI_LAYOUT_IMAGE_UNKNOWN',
    name === undefined ? 'the archive has several images' : `the archive has no image ${JSON.stringify(name)}`,
    {
      hint: `name one behind a colon: ${outside.path}:TAG${tags.length === 0 ? '' : `; it has ${tags.join(', ')}`}`,
    },
  );
}

function readDockerManifest(
  outside: OutsideImage,
  listed: Uint8Array,
): readonly { readonly config: string; readonly layers: readonly string[]; readonly tags: readonly string[] }[] {
  try {
    const value = JSON.parse(Buffer.from(listed).toString('utf8')) as readonly { Config?: unknown; Layers?: unknown; RepoTags?: unknown }[];
    return value.map(({ Config, Layers, RepoTags }) => {
      if (typeof Config !== 'string' || !isTexts(Layers)) throw new TypeError('Config and Layers are not there');
      return { config: Config, layers: Layers, tags: isTexts(RepoTags) ? RepoTags : [] };
    });
  } catch (error) {
    throw invalid(outside.path, `its ${DOCKER_MANIFEST} cannot be read`, error);
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

function invalid(path: string, why: string, cause?: unknown): SlipwayError {
  return new SlipwayError('IMAGE_FILE_INVALID', `${path} has no image that can be read: ${why}`, {
    cause,
    hint: 'an OCI layout (a folder or a tar of it) or an archive of `docker save` is wanted',
  });
}
