// The layers of one store: each as a folder, as packs, as blobs or remote; every form is made of another when something asks for it.

import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { type DiffID, type Digest, isSlipwayError, type JobContext, SingleFlight, SlipwayError } from '../base/index.ts';
import {
  ColumnIndex,
  type FileBytes,
  type FolderRights,
  type IndexColumns,
  type LayerIndex,
  type PackedLayer,
  type StackLayer,
  StackTree,
  type Tree,
  type WrittenLayer,
} from '../layer/index.ts';
import { type LayerBytes, openBytes } from './layer-bytes.ts';
import { LayerBlobs } from './layer-blobs.ts';
import { commitFolder, commitWritten } from './layer-commit.ts';
import { type LayerFacts, LayerFiles, layerId, layerOf, type LayerSurroundings } from './layer-files.ts';
import type { Descriptor } from '../oci/index.ts';
import { dropTree } from '../sys/index.ts';
import { formName, ownRights } from './layer-rights.ts';
import { LayerRunner } from './layer-runner.ts';
import type { BlobInput, LayerForms, LayerRead } from './layer-tasks.ts';
import { layerUsage } from './layer-usage.ts';
import { inputOf, type LayerWork } from './layer-work.ts';
import { RecentIndices } from './recent-indices.ts';
import type { BlobOptions, CollectableLayers, CommitOptions, Layer, LayerBlob, LayerStore, RemoteBlob, TreeNeed } from './types.ts';

export interface LayerStoreOptions {
  /** What may be written to disk, asked at the first use; default: what this process is allowed. It must agree with the RootfsMounter's namespace. */
  readonly rights?: () => FolderRights;
  /** Threads for compression and unpacking; default: one for each processor. */
  readonly threads?: number;
}

/** Opens the layers of a store. Nothing is read before it is asked for. */
export function openLayerStore(around: LayerSurroundings, options: LayerStoreOptions = {}): LayerStore {
  return new DiskLayerStore(new LayerMemory(around, options));
}

/** Above these a task goes to a worker: it takes 15 ms and more to start. */
const SMALL_BLOB = 512 << 10;
const SMALL_LAYER = 2 << 20;
const SMALL_INDEX = 256 << 10;

/** Layers whose packs stay open. */
const MAX_OPEN_LAYERS = 512;

/** What all builds of a process know of a store's layers. */
class LayerMemory {
  readonly around: LayerSurroundings;
  readonly threads: number;
  readonly runner: LayerRunner;
  readonly facts = new Map<string, LayerFacts>();
  readonly indices = new RecentIndices();
  /** Blobs of layers whose folder turned out to be broken. */
  readonly rescued = new Map<string, Descriptor>();
  readonly bytes = new Map<string, LayerBytes>();
  readonly dropping = new Set<Promise<void>>();
  readonly #askRights: () => FolderRights;
  #rights: FolderRights | undefined;

  constructor(around: LayerSurroundings, { rights = ownRights, threads = availableParallelism() }: LayerStoreOptions) {
    this.around = around;
    this.threads = threads;
    this.runner = new LayerRunner(Math.max(2, threads));
    this.#askRights = rights;
  }

  readonly rights = (): FolderRights => (this.#rights ??= this.#askRights());
}

class DiskLayerStore implements LayerStore, LayerWork {
  readonly around: LayerSurroundings;
  readonly runner: LayerRunner;
  readonly threads: number;
  readonly rights: () => FolderRights;
  readonly #memory: LayerMemory;
  readonly #facts: Map<string, LayerFacts>;
  readonly #indices: RecentIndices;
  readonly #rescued: Map<string, Descriptor>;
  readonly #bytes: Map<string, LayerBytes>;
  readonly #dropping: Set<Promise<void>>;
  /** This build's: another's are fetched with somebody else's credentials, and end with that build. */
  readonly #remotes = new Map<string, Map<Digest, RemoteBlob>>();
  /** Of one build, too: builds wait for each other at the locks, and then fetch what is still not there each in its own way. */
  readonly #making = new SingleFlight<string, void>();
  readonly #blobs: LayerBlobs;

  constructor(memory: LayerMemory) {
    this.#memory = memory;
    this.around = memory.around;
    this.runner = memory.runner;
    this.threads = memory.threads;
    this.rights = memory.rights;
    this.#facts = memory.facts;
    this.#indices = memory.indices;
    this.#rescued = memory.rescued;
    this.#bytes = memory.bytes;
    this.#dropping = memory.dropping;
    this.#blobs = new LayerBlobs(this);
  }

  forBuild(): LayerStore {
    return new DiskLayerStore(this.#memory);
  }

  get(id: string): Layer | undefined {
    const facts = this.facts(id);
    if (facts !== undefined) return layerOf(id, facts);
    const diffID = this.#remotes.get(id)?.values().next().value?.diffID;
    return diffID === undefined ? undefined : { id, diffID, createdAt: 0 };
  }

  addRemote(diffID: DiffID, blob: RemoteBlob): Layer {
    const id = layerId(diffID);
    const offers = this.#remotes.get(id) ?? new Map<Digest, RemoteBlob>();
    this.#remotes.set(id, offers.set(blob.descriptor.digest, { ...blob, diffID }));
    return { ...(this.get(id) ?? { id, diffID, createdAt: 0 }), blob: blob.descriptor.digest };
  }

  hasBytes(layer: Layer): boolean {
    if (this.#remotes.has(layer.id)) return true;
    if (this.facts(layer.id) === undefined) return false;
    return this.forms(layer.id) !== undefined || this.#localBlob(layer) !== undefined;
  }

  async index(layer: Layer, job: JobContext, unpack = false): Promise<LayerIndex> {
    for (let attempt = 0; ; attempt += 1) {
      const known = this.#indices.get(layer.id);
      if (known !== undefined) return known;
      try {
        const index = this.facts(layer.id) === undefined ? undefined : this.files(layer.id).index();
        if (index !== undefined) {
          this.#indices.set(layer.id, index);
          return index;
        }
      } catch (error) {
        if (!isSlipwayError(error, 'LAYER_INDEX_BROKEN')) throw error;
      }
      if (attempt > 0) throw new Error('internal: an index that was just made is not there');
      this.#forget(layer.id);
      await (unpack ? this.folder(layer, job) : this.#makeIndex(layer, job));
    }
  }

  async #makeIndex(layer: Layer, job: JobContext): Promise<void> {
    await this.#making.run(
      `index ${layer.id}`,
      async () => {
        // Whoever unpacks it this moment makes the index too.
        using _lock = await this.around.locks.acquire(`layer-${layer.id}`, job.signal);
        if (!this.#hasIndex(layer.id)) await this.#read(layer, false, job);
      },
      job.signal,
    );
  }

  #hasIndex(id: string): boolean {
    return this.facts(id) !== undefined && existsSync(this.files(id).indexPath);
  }

  async folder(layer: Layer, job: JobContext): Promise<string> {
    const name = formName(this.rights());
    const files = this.files(layer.id);
    if (this.facts(layer.id) !== undefined && files.has(name)) return `${files.path}/${name}`;
    await this.#making.run(
      `folder ${layer.id}`,
      async () => {
        using _lock = await this.around.locks.acquire(`layer-${layer.id}`, job.signal);
        if (this.facts(layer.id) !== undefined && files.has(name)) return;
        const packs = this.#packs(layer.id);
        if (packs === undefined) await this.#read(layer, true, job);
        else await this.#unpackPacks(layer, packs, name, job);
      },
      job.signal,
    );
    return `${files.path}/${name}`;
  }

  async fetch(layer: Layer, job: JobContext): Promise<void> {
    const remote = this.remote(layer);
    if (remote === undefined || this.#localBlob(layer) !== undefined) return;
    await this.around.blobs.ensure(remote.descriptor, () => remote.open(job), job);
  }

  async blob(layer: Layer, options: BlobOptions, job: JobContext): Promise<LayerBlob> {
    return await this.#blobs.blob(layer, options, job);
  }

  async commitFolder(upper: string, job: JobContext, options: CommitOptions = {}): Promise<Layer> {
    const below = options.below === undefined ? undefined : await this.tree(options.below, 'index', job);
    const { layer, index } = await commitFolder(this, upper, options.secrets ?? [], below, job);
    // The next step looks into it.
    if (index !== undefined) this.#indices.set(layer.id, index);
    return layer;
  }

  // Synchronous work behind an interface that may wait.
  async commitWritten(written: WrittenLayer, job: JobContext): Promise<Layer> {
    const layer = commitWritten(this, written, job);
    // Whoever looks into it next, in this build, needs not read it.
    this.#indices.set(layer.id, written.index);
    return Promise.resolve(layer);
  }

  packed(layer: Layer): PackedLayer | undefined {
    const packs = this.facts(layer.id) === undefined ? undefined : this.#packs(layer.id)?.packs;
    if (packs === undefined) return undefined;
    const known = this.#indices.get(layer.id);
    const columns = known instanceof ColumnIndex ? known.columns : this.#columnsOf(layer.id);
    return columns === undefined ? undefined : { id: layer.id, packs, columns };
  }

  /** Undefined: they are not there, or broken; then whoever needs them makes them anew. */
  #columnsOf(id: string): IndexColumns | undefined {
    try {
      return this.files(id).columns();
    } catch (error) {
      if (!isSlipwayError(error, 'LAYER_INDEX_BROKEN')) throw error;
      return undefined;
    }
  }

  async tree(layers: readonly Layer[], need: TreeNeed, job: JobContext): Promise<Tree> {
    const stack = await Promise.all(
      layers.map(async (layer): Promise<StackLayer> => {
        if (need === 'bytes') await this.localForms(layer, job);
        return {
          id: layer.id,
          index: await this.index(layer, job, need === 'index-then-bytes'),
          open: (entry) => this.#openFile(layer, entry),
        };
      }),
    );
    return new StackTree(stack);
  }

  expectBlob(): void {
    this.runner.warm();
  }

  collectables(): readonly CollectableLayers[] {
    return [layerUsage(this.around)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const bytes of this.#bytes.values()) bytes[Symbol.dispose]();
    this.#bytes.clear();
    await this.runner[Symbol.asyncDispose]();
    await Promise.all(this.#dropping);
  }

  files(id: string): LayerFiles {
    return new LayerFiles(this.around, id);
  }

  facts(id: string): LayerFacts | undefined {
    const files = this.files(id);
    // Asked each time: a later build in this process must claim it anew, and a collector may have taken it.
    if (!this.around.use(files.path)) {
      this.#drop(id);
      return undefined;
    }
    let facts = this.#facts.get(id);
    if (facts === undefined) {
      facts = files.peekFacts();
      if (facts !== undefined) this.#facts.set(id, facts);
    }
    return facts;
  }

  learn(id: string, facts: LayerFacts): void {
    this.#facts.set(id, facts);
  }

  remote({ id, blob }: Layer): RemoteBlob | undefined {
    const offers = this.#remotes.get(id);
    return (blob === undefined ? undefined : offers?.get(blob)) ?? [...(offers?.values() ?? [])].at(-1);
  }

  forms(id: string): LayerForms | undefined {
    const packs = this.#packs(id);
    if (packs !== undefined) return packs;
    const folder = formName(this.rights());
    const files = this.files(id);
    return files.has(folder) ? { folder: `${files.path}/${folder}` } : undefined;
  }

  async localForms(layer: Layer, job: JobContext): Promise<LayerForms> {
    const here = this.facts(layer.id) === undefined ? undefined : this.forms(layer.id);
    if (here !== undefined) return here;
    await this.folder(layer, job);
    return this.forms(layer.id) ?? absent(layer);
  }

  isLarge(facts: LayerFacts, indexBytes: number): boolean {
    return facts.size > SMALL_LAYER || indexBytes > SMALL_INDEX;
  }

  dropLater(path: string): void {
    const dropping = dropTree(path).finally(() => this.#dropping.delete(dropping));
    this.#dropping.add(dropping);
  }

  #packs(id: string): { readonly packs: readonly string[] } | undefined {
    const names = this.facts(id)?.packs;
    const { path } = this.files(id);
    return names === undefined ? undefined : { packs: names.map((name) => `${path}/${name}`) };
  }

  #openFile(layer: Layer, entry: Parameters<StackLayer['open']>[0]): FileBytes {
    let bytes = this.#bytes.get(layer.id);
    if (bytes === undefined) {
      bytes = openBytes(this.forms(layer.id) ?? absent(layer));
      this.#closeOldest();
      this.#bytes.set(layer.id, bytes);
    }
    return bytes.open(entry);
  }

  /** A server comes to read many layers: those that nobody reads any more are closed, the oldest first. */
  #closeOldest(): void {
    for (const [id, bytes] of this.#bytes) {
      if (this.#bytes.size < MAX_OPEN_LAYERS) return;
      if (!bytes.isIdle()) continue;
      bytes[Symbol.dispose]();
      this.#bytes.delete(id);
    }
  }

  async #unpackPacks(layer: Layer, forms: LayerForms, name: string, job: JobContext): Promise<void> {
    const files = this.files(layer.id);
    const facts = this.facts(layer.id) ?? absent(layer);
    const target = this.around.temp.path('folder');
    try {
      const task = { kind: 'folder', indexFile: files.indexPath, forms, target, rights: this.rights() } as const;
      await this.runner.run(task, this.isLarge(facts, 0), job);
      files.publishForm(target, name);
    } finally {
      this.dropLater(target);
    }
  }

  /** Reads the layer's blob, here or remote: its index is made, and its folder when wanted. A remote blob is kept: it is not fetched twice. */
  async #read(layer: Layer, withFolder: boolean, job: JobContext): Promise<void> {
    const key = `read ${layer.id} ${withFolder}`;
    await this.#making.run(
      key,
      async () => {
        const local = this.#localBlob(layer);
        const remote = this.remote(layer);
        if (local === undefined && remote === undefined) absent(layer);
        const folder = this.around.temp.path('layer');
        const keep = local === undefined ? this.around.temp.path('blob') : undefined;
        await using _ = { [Symbol.asyncDispose]: () => Promise.resolve(this.#dropAll(folder, keep)) };
        await this.#readInto(layer, local ?? inputOf(layer, remote as RemoteBlob), remote, folder, withFolder, keep, job);
      },
      job.signal,
    );
  }

  async #readInto(
    layer: Layer,
    input: BlobInput,
    remote: RemoteBlob | undefined,
    folder: string,
    withFolder: boolean,
    keep: string | undefined,
    job: JobContext,
  ): Promise<void> {
    mkdirSync(folder, { mode: 0o755 });
    const name = formName(this.rights());
    const task = {
      kind: 'read',
      input,
      indexFile: `${folder}/index`,
      rights: this.rights(),
      ...(withFolder ? { target: `${folder}/${name}` } : {}),
      ...(keep === undefined ? {} : { keep }),
    } as const;
    const stream = input.file === undefined ? await (remote as RemoteBlob).open(job) : undefined;
    const read = await this.runner.run(task, input.size > SMALL_BLOB, job, stream);
    checkContent(layer, read);
    // What was not read may be no blob of this layer, whatever its image says.
    const hasRead = remote?.descriptor.digest === input.digest;
    const descriptor = hasRead ? remote?.descriptor : (this.facts(layer.id)?.pulled ?? this.#rescued.get(layer.id));
    if (keep !== undefined && remote !== undefined) this.around.blobs.publish(keep, remote.descriptor);
    const facts: LayerFacts = {
      contentDigest: read.contentDigest,
      diffID: read.diffID,
      size: read.size,
      createdAt: layer.createdAt,
      ...(descriptor === undefined ? {} : { pulled: descriptor }),
    };
    writeFileSync(`${folder}/layer.json`, JSON.stringify(facts));
    const files = this.files(layer.id);
    let known: LayerFacts | undefined;
    while (known === undefined) {
      if (files.publish(folder)) {
        this.learn(layer.id, facts);
        return;
      }
      // It was known, perhaps without this form. Claimed first: until then a collector may take it.
      known = this.facts(layer.id);
    }
    if (withFolder) files.publishForm(`${folder}/${name}`, name);
    const merged = { ...known, diffID: read.diffID, ...(descriptor === undefined ? {} : { pulled: descriptor }) };
    files.writeFacts(merged);
    this.learn(layer.id, merged);
  }

  #dropAll(folder: string, keep: string | undefined): void {
    this.dropLater(folder);
    if (keep !== undefined) rmSync(keep, { force: true });
  }

  /** A blob of the layer in the store's blobs. */
  #localBlob(layer: Layer): BlobInput | undefined {
    const files = this.files(layer.id);
    const pulled = this.facts(layer.id)?.pulled ?? this.#rescued.get(layer.id) ?? this.remote(layer)?.descriptor;
    const known = [...(pulled === undefined ? [] : [pulled]), ...files.blobs().map(({ descriptor }) => descriptor)];
    const blob = known.find(({ digest, size }) => this.around.blobs.has(digest, size));
    if (blob === undefined) return undefined;
    const diffID = layer.diffID ?? this.facts(layer.id)?.diffID;
    return { file: this.around.blobs.path(blob.digest), digest: blob.digest, size: blob.size, ...(diffID === undefined ? {} : { diffID }) };
  }

  #drop(id: string): void {
    this.#facts.delete(id);
    this.#bytes.get(id)?.[Symbol.dispose]();
    this.#bytes.delete(id);
  }

  #forget(id: string): void {
    this.#drop(id);
    this.#indices.delete(id);
    const files = this.files(id);
    const facts = files.peekFacts();
    if (facts?.pulled !== undefined) this.#rescued.set(id, facts.pulled);
    if (facts !== undefined) files.discard();
  }
}

/** Bytes that a cache promised must be the layer that it recorded. */
function checkContent(layer: Layer, read: LayerRead): void {
  const expected: Digest | undefined = layer.contentDigest;
  if (expected === undefined || read.contentDigest === expected) return;
  throw new SlipwayError(
    'LAYER_CONTENT_MISMATCH',
    `layer ${layer.id.slice(0, 12)} is not what was recorded: expected content ${expected}`,
    {
      facts: { expected, actual: read.contentDigest },
    },
  );
}

function absent(layer: Layer): never {
  throw new SlipwayError('LAYER_BYTES_ABSENT', `the bytes of layer ${layer.id.slice(0, 12)} are not in the store`, {
    hint: 'build with the cache that it came from, or with --no-cache',
    facts: { layer: layer.id },
  });
}
