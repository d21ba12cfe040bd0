// Where a layer is on disk: `layers/<id>/` with its facts, its index and the forms that exist. Everything appears by rename.

import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { digestHex, type DiffID, type Digest, errnoOf, isDigest, type JobContext } from '../base/index.ts';
import { decodeLayerIndex, IndexColumns, type LayerIndex } from '../layer/index.ts';
import type { Descriptor } from '../oci/index.ts';
import type { Layer } from './types.ts';

/** What the layer store needs of the store that it lives in. */
export interface LayerSurroundings {
  /** Folder with the format's version in its name. */
  readonly root: string;
  readonly blobs: {
    path(digest: Digest): string;
    has(digest: Digest, size?: number): boolean;
    publish(path: string, blob: Descriptor): void;
    ensure(blob: Descriptor, open: () => Promise<AsyncIterable<Uint8Array>>, job: JobContext): Promise<void>;
  };
  /** Unfinished work, on the same filesystem. */
  readonly temp: { path(hint?: string): string; pathAside(hint?: string): string };
  readonly locks: { acquire(name: string, signal: AbortSignal): Promise<Disposable> };
  /** Marks a path as used, so that it is not collected while a build runs. False: it is not there. */
  use(path: string): boolean;
}

/** `layer.json`. */
export interface LayerFacts {
  readonly contentDigest: Digest;
  readonly diffID?: DiffID;
  /** Bytes of all files. */
  readonly size: number;
  readonly createdAt: number;
  /** Names of pack files; absent: the layer was never packed. */
  readonly packs?: readonly string[];
  /** The verified blob of a pulled layer. */
  readonly pulled?: Descriptor;
  /** The layer it was written after: its blobs may have blocks for this one. */
  readonly previous?: string;
}

/** `blob-<name>.json`: a blob that was made of the layer. */
export interface BlobFacts {
  readonly descriptor: Descriptor;
  readonly diffID: DiffID;
}

const ID = /^[0-9a-f]{64}$/;
const LEARNED = 'diff-id';

/** The folder of one layer. Nothing is cached. */
export class LayerFiles {
  readonly path: string;
  readonly #around: LayerSurroundings;

  constructor(around: LayerSurroundings, id: string) {
    if (!ID.test(id)) throw new Error(`internal: not a layer id: ${id}`);
    this.path = `${around.root}/layers/${id}`;
    this.#around = around;
  }

  /** Facts, or undefined when there is no such layer, or a broken one. Does not count as a use. */
  peekFacts(): LayerFacts | undefined {
    const facts = readFacts(`${this.path}/layer.json`);
    if (facts === undefined || facts.diffID !== undefined) return facts;
    const learned = readIfThere(`${this.path}/${LEARNED}`)?.toString('latin1');
    return learned !== undefined && isDigest(learned) ? { ...facts, diffID: learned as DiffID } : facts;
  }

  /** Remembers the DiffID of a layer that was made without one. A file of its own: ext4 writes out at once what is renamed over another file. */
  learnDiffID(diffID: DiffID): void {
    if (!this.has(LEARNED)) this.#write(LEARNED, diffID);
  }

  /** The index, or undefined when it is not here. Throws LAYER_INDEX_BROKEN. */
  index(): LayerIndex | undefined {
    const bytes = readIfThere(`${this.path}/index`);
    return bytes === undefined ? undefined : decodeLayerIndex(bytes);
  }

  /** The same as columns, of which nothing is made before it is asked for. */
  columns(): IndexColumns | undefined {
    const bytes = readIfThere(`${this.path}/index`);
    return bytes === undefined ? undefined : IndexColumns.read(bytes);
  }

  get indexPath(): string {
    return `${this.path}/index`;
  }

  has(name: string): boolean {
    return existsSync(`${this.path}/${name}`);
  }

  blob(name: string): BlobFacts | undefined {
    return readJson(`${this.path}/blob-${name}.json`) as BlobFacts | undefined;
  }

  blocks(name: string): Buffer | undefined {
    return readIfThere(`${this.path}/blob-${name}.blocks`);
  }

  /** All blobs that were made of it. */
  blobs(): readonly BlobFacts[] {
    return namesIn(this.path).flatMap((name) => {
      const facts = /^blob-.*\.json$/.test(name) ? (readJson(`${this.path}/${name}`) as BlobFacts | undefined) : undefined;
      return facts === undefined ? [] : [facts];
    });
  }

  /** Remembers a blob; the blocks first, so that whoever finds the facts finds them too. */
  rememberBlob(name: string, facts: BlobFacts, blocks: Uint8Array | undefined): void {
    if (blocks !== undefined) this.#write(`blob-${name}.blocks`, blocks);
    this.#write(`blob-${name}.json`, JSON.stringify(facts));
  }

  writeFacts(facts: LayerFacts): void {
    this.#write('layer.json', JSON.stringify(facts));
  }

  /** Publishes a finished folder as this layer. False: somebody else's was there first, and `folder` is still ours. */
  publish(folder: string): boolean {
    if (moveFolder(folder, this.path)) return true;
    if (this.peekFacts() !== undefined) return false;
    // What stands there is broken: it makes room.
    this.discard();
    return moveFolder(folder, this.path);
  }

  /** Publishes a finished form (a folder) inside the layer. False: it was there already. */
  publishForm(folder: string, name: string): boolean {
    return moveFolder(folder, `${this.path}/${name}`);
  }

  /** Takes a broken layer away. */
  discard(): void {
    const trash = this.#around.temp.path('broken-layer');
    try {
      renameSync(this.path, trash);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
      return;
    }
    rmSync(trash, { recursive: true, force: true });
  }

  #write(name: string, content: string | Uint8Array): void {
    const temporary = this.#around.temp.path('layer-file');
    writeFileSync(temporary, content, { flag: 'wx' });
    renameSync(temporary, `${this.path}/${name}`);
  }
}

/** A name in `layers/` for a digest. */
export function layerId(digest: Digest): string {
  return digestHex(digest);
}

/** The layer as other rooms know it. */
export function layerOf(id: string, facts: LayerFacts): Layer {
  const { contentDigest, diffID, size, createdAt } = facts;
  return { id, contentDigest, size, createdAt, ...(diffID === undefined ? {} : { diffID }) };
}

/** Ids of all layers, whole or broken. */
export function layerIds(root: string): readonly string[] {
  return namesIn(`${root}/layers`).filter((name) => ID.test(name));
}

/** Renames a folder to a name that must be free, making the parent. False: the name is taken. */
function moveFolder(from: string, to: string): boolean {
  for (let attempt = 0; ; attempt += 1) {
    try {
      renameSync(from, to);
      return true;
    } catch (error) {
      const code = errnoOf(error);
      if (code === 'ENOTEMPTY' || code === 'EEXIST') return false;
      if (code !== 'ENOENT' || attempt > 0) throw error;
      mkdirSync(to.slice(0, to.lastIndexOf('/')), { recursive: true });
    }
  }
}

function readFacts(path: string): LayerFacts | undefined {
  const facts = readJson(path) as Partial<LayerFacts> | undefined;
  if (typeof facts?.contentDigest !== 'string' || !isDigest(facts.contentDigest)) return undefined;
  if (typeof facts.size !== 'number' || typeof facts.createdAt !== 'number') return undefined;
  return facts as LayerFacts;
}

/** A file that cannot be read as JSON was cut by a crash: it is not there. */
function readJson(path: string): unknown {
  const bytes = readIfThere(path);
  if (bytes === undefined) return undefined;
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** None when the folder is gone. */
export function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
