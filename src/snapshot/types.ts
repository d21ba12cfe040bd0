// Layers of this store and stacks of them. A layer exists as a folder, as a tar, as compressed blobs, or only as a remote
// descriptor; each form is made from another only when something needs it.

import type { DiffID, Digest, JobContext } from '../base/index.ts';
import type { LayerIndex, PackedLayer, Tree, WrittenLayer } from '../layer/index.ts';
import type { Descriptor } from '../oci/index.ts';

export type Compression = 'none' | 'gzip' | 'zstd' | 'estargz';

/** One filesystem change set in the store. Plain facts; the LayerStore turns its id into forms. */
export interface Layer {
  /** Name in the store: DiffID of a pulled layer, digest of the index of one made here. Never shown to users. */
  readonly id: string;
  /** Types, modes, owners, links, xattrs and bytes; never mtimes. Undefined for a pulled layer nobody looked into yet. */
  readonly contentDigest?: Digest;
  /** Digest of the uncompressed tar once it is known. */
  readonly diffID?: DiffID;
  /** The blob it is in the image or cache that named it: other images may have the same layer in other blobs. */
  readonly blob?: Digest;
  /** Uncompressed size of the files, bytes, when known. */
  readonly size?: number;
  /** Milliseconds since the epoch: when the step made it. */
  readonly createdAt: number;
}

/** A root filesystem: layers from the lowest to the highest. Immutable; what every vertex passes on. */
export interface RootFS {
  /** Identity as the design's section 3 defines it: ChainID of a base, H(parent, content) after a step. */
  readonly identity: Digest;
  readonly layers: readonly Layer[];
  /** User folder instead of layers: a local context. Then `layers` is empty. */
  readonly folder?: FolderRef;
}

/** A folder of the user with what is ignored in it: read only through `source/`. */
export interface FolderRef {
  readonly name: string;
  readonly path: string;
  readonly exclude: readonly string[];
  readonly include?: readonly string[];
  readonly followPaths?: readonly string[];
}

/** How a layer's bytes are fetched when they are not here: declared here, given by whoever pulled the manifest or the cache. */
export interface RemoteBlob {
  readonly descriptor: Descriptor;
  readonly diffID?: DiffID;
  /** Opens the compressed bytes. The reader verifies digest and size. */
  open(job: JobContext): Promise<AsyncIterable<Uint8Array>>;
  /** What `open` gives ends well only if digest and size are right: the reader need not hash it again. */
  readonly verifies?: boolean;
  /** `registry/repository`, so that a push there mounts instead of copying. */
  readonly repository?: string;
}

/** See `LayerStore.tree`. */
export type TreeNeed = 'index' | 'index-then-bytes' | 'bytes';

/** The layers of one store root. All forms are made on demand, verified, and published by rename. */
export interface LayerStore {
  /** The same layers for one build: where bytes can be fetched is known to that build alone. Not to be disposed. */
  forBuild(): LayerStore;
  /** Facts of a layer, or undefined when the store does not know it. */
  get(id: string): Layer | undefined;
  /** Makes a pulled layer known without fetching it. The layer of an image remembers which blob that image has of it. */
  addRemote(diffID: DiffID, blob: RemoteBlob): Layer;
  /** Whether bytes are here in some form, or can be fetched. */
  hasBytes(layer: Layer): boolean;
  /** The sorted entries. Streams a remote blob for its path index if it must, and keeps it, without unpacking it. */
  index(layer: Layer, job: JobContext): Promise<LayerIndex>;
  /** Folder with the change set in overlay's form, for lowerdir. */
  folder(layer: Layer, job: JobContext): Promise<string>;
  /** Makes sure that bytes of the layer are here, in whatever form: a remote blob is kept as it is. Nothing when nobody has them. */
  fetch(layer: Layer, job: JobContext): Promise<void>;
  /** The compressed (or plain) blob as a file in the blob store, with its descriptor and DiffID. */
  blob(layer: Layer, options: BlobOptions, job: JobContext): Promise<LayerBlob>;
  /** Commits a finished overlay upper folder (moved in) as a layer. Throws `SECRET_IN_LAYER`. */
  commitFolder(upper: string, job: JobContext, options?: CommitOptions): Promise<Layer>;
  /**
   * Layers, lowest first, seen as one tree. `index`: it can be looked at, and files be opened where their bytes are here already
   * (else `LAYER_BYTES_ABSENT`). `bytes`: every file can be opened; what is remote is fetched. `index-then-bytes`: as `index`, and the
   * bytes will be wanted: what must be fetched now is unpacked in the same pass.
   */
  tree(layers: readonly Layer[], need: TreeNeed, job: JobContext): Promise<Tree>;
  /** Commits what a LayerWriter made; its folder (a `tempFolder` of this store) is moved in. */
  commitWritten(written: WrittenLayer, job: JobContext): Promise<Layer>;
  /** A layer's packs, to be referred to by the next one; undefined when it is not kept as packs. */
  packed(layer: Layer): PackedLayer | undefined;
  /** The blob of a large layer will be asked for soon: a thread is started for it. */
  expectBlob(): void;
  /** The layers as what takes room in the store. */
  collectables(): readonly CollectableLayers[];
  [Symbol.asyncDispose](): Promise<void>;
}

export interface CommitOptions {
  /**
   * The layers that the folder was mounted over, lowest first: what is the same there is left out, and marks that hide nothing, so that
   * every way of running a step gives the same layer.
   */
  readonly below?: readonly Layer[];
  /** Values that must not be in the layer. */
  readonly secrets?: readonly Uint8Array[];
}

/** The store's `Collectable`, as far as this room has to know it. */
export interface CollectableLayers {
  entries(): Iterable<CollectableLayer>;
  /** Renames the layer to `trash`. */
  remove(id: string, trash: string): void;
  lastUsedAt(id: string): number | undefined;
  check(repair: boolean): Iterable<{ readonly subject: string; readonly problem: string; readonly repaired: boolean }>;
}

export interface CollectableLayer {
  /** `layer:<id>`. */
  readonly id: string;
  readonly type: 'regular';
  readonly description: string;
  readonly size: number;
  readonly createdAt: number;
  readonly lastUsedAt: number;
  readonly mutable: false;
  readonly needs: readonly string[];
}

export interface BlobOptions {
  readonly compression: Compression;
  readonly level?: number;
  /** Recompress though a blob of another compression exists. */
  readonly force: boolean;
  /** Codec and level fixed so that digests agree on every machine (`SOURCE_DATE_EPOCH`). */
  readonly reproducible: boolean;
  /** Lower newer mtimes to this, seconds since the epoch (`rewrite-timestamp`). */
  readonly clampMtime?: number;
}

export interface LayerBlob {
  readonly descriptor: Descriptor;
  readonly diffID: DiffID;
  /** File in the blob store; undefined when the bytes are only remote (a base nobody needed). */
  readonly path?: string;
  /** Where it came from, for mounting across repositories. */
  readonly remote?: RemoteBlob;
}
