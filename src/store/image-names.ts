// Names of this store's own images: the entries of the layout's `index.json`, so that other tools see them too.

import { readFileSync } from 'node:fs';
import { canonicalJson, type Digest, errnoOf, SlipwayError } from '../base/index.ts';
import {
  ANNOTATION_IMAGE_NAME,
  ANNOTATION_REF_NAME,
  type Descriptor,
  type Index,
  LAYOUT_INDEX_FILE,
  OCI,
  parseLayoutIndex,
  serializeIndex,
} from '../oci/index.ts';
import { syncLater, writeFileAtomic } from './atomic-file.ts';
import type { ContentStore } from './blobs.ts';
import type { ImageHomes } from './image-homes.ts';
import type { Locks } from './lock.ts';
import { blobsBelow, documentsBelow } from './reachable.ts';

const NAMED_AT = 'slipway.named-at';
const KEEPS = 'slipway.keeps';

/** A name of the store and what it means. */
export interface NamedImage {
  /** `docker.io/library/app:latest`, or the digest itself for an image without a name. */
  readonly name: string;
  /** Manifest or index, without the annotations that hold the name. */
  readonly descriptor: Descriptor;
  readonly namedAt: Date;
  /** Ids of usage entries that the image needs beside its blobs: layers that exist only as folders. */
  readonly keeps: readonly string[];
}

/** The names of one store. Each change is atomic, over all processes. */
export class ImageNames {
  readonly #root: string;
  readonly #locks: Locks;
  readonly #blobs: ContentStore;
  readonly #homes: ImageHomes;
  readonly #now: () => Date;

  constructor(
    root: string,
    store: { readonly locks: Locks; readonly blobs: ContentStore; readonly homes: ImageHomes; readonly now: () => Date },
  ) {
    this.#root = root;
    this.#locks = store.locks;
    this.#blobs = store.blobs;
    this.#homes = store.homes;
    this.#now = store.now;
  }

  /** What `name` (canonical: host, repository, tag) means, or undefined. */
  get(name: string): NamedImage | undefined {
    return this.list().find((image) => image.name === name);
  }

  /** What a name of `repository` (host and path) means, if it is this digest. */
  holding(repository: string, digest: Digest): NamedImage | undefined {
    return this.list().find(({ name, descriptor }) => descriptor.digest === digest && repositoryOf(name) === repository);
  }

  /** All names, in the order they were given. */
  list(): readonly NamedImage[] {
    return this.#read().manifests.flatMap((descriptor) => namedImage(descriptor) ?? []);
  }

  /**
   * Gives a name, taking it from what had it. Returns what had it. The image then survives power loss. A name that means just this
   * already stays as it is: it was made lasting then.
   */
  async set(name: string, descriptor: Descriptor, keeps: readonly string[] = []): Promise<NamedImage | undefined> {
    const known = this.get(name);
    if (known !== undefined && canonicalJson([known.descriptor, known.keeps]) === canonicalJson([descriptor, keeps])) return known;
    // At once, so that one commit of the filesystem's journal does for several.
    await Promise.all([...blobsBelow(this.#blobs, descriptor)].map((digest) => syncLater(this.#blobs.path(digest))));
    // Whoever wrote its digest down finds it when the name means something else by then.
    for (const digest of documentsBelow(this.#blobs, descriptor)) this.#homes.add(digest, repositoryOf(name), undefined);
    const { annotations, ...plain } = descriptor;
    const entry: Descriptor = {
      ...plain,
      annotations: {
        ...annotations,
        [ANNOTATION_IMAGE_NAME]: name,
        [ANNOTATION_REF_NAME]: name,
        [NAMED_AT]: this.#now().toISOString(),
        ...(keeps.length === 0 ? {} : { [KEEPS]: keeps.join(' ') }),
      },
    };
    return this.#change(name, [entry]);
  }

  /** Takes a name away; its blobs stay until they are collected. Returns what it meant, or undefined. */
  remove(name: string): NamedImage | undefined {
    return this.#change(name, []);
  }

  #change(name: string, added: readonly Descriptor[]): NamedImage | undefined {
    return this.#locks.briefly('image-names', () => {
      const index = this.#read();
      const old = index.manifests.find((known) => nameOf(known) === name);
      const manifests = [...index.manifests.filter((known) => nameOf(known) !== name), ...added];
      if (old !== undefined || added.length > 0) {
        writeFileAtomic(this.#root, `${this.#root}/${LAYOUT_INDEX_FILE}`, serializeIndex({ ...index, manifests }), { durable: true });
      }
      return old === undefined ? undefined : namedImage(old);
    });
  }

  #read(): Index {
    try {
      return parseLayoutIndex(readFileSync(`${this.#root}/${LAYOUT_INDEX_FILE}`));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return { schemaVersion: 2, mediaType: OCI.index, manifests: [] };
      throw new SlipwayError('STORE_CORRUPT', `the list of images in ${this.#root}/${LAYOUT_INDEX_FILE} cannot be read`, {
        hint: 'run `slipway store check --repair`',
        cause: error,
      });
    }
  }
}

/** `docker.io/library/app:latest` → `docker.io/library/app`. */
function repositoryOf(name: string): string {
  return name.replace(/@.*$/s, '').replace(/:[^/:]*$/, '');
}

function nameOf(descriptor: Descriptor): string | undefined {
  return descriptor.annotations?.[ANNOTATION_IMAGE_NAME];
}

function namedImage(entry: Descriptor): NamedImage | undefined {
  const name = nameOf(entry);
  if (name === undefined) return undefined;
  const {
    [ANNOTATION_IMAGE_NAME]: _n,
    [ANNOTATION_REF_NAME]: _r,
    [NAMED_AT]: created,
    [KEEPS]: keeps,
    ...annotations
  } = entry.annotations ?? {};
  const { annotations: _a, ...plain } = entry;
  const descriptor = Object.keys(annotations).length === 0 ? plain : { ...plain, annotations };
  return { name, descriptor, namedAt: new Date(created ?? 0), keeps: keeps?.split(' ') ?? [] };
}
