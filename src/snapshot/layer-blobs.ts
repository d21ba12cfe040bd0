// Blobs of layers: found again by what they were made with, taken from where the layer came from, or made.

import { createHash } from 'node:crypto';
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type DiffID, errnoOf, isSlipwayError, type JobContext, SingleFlight, SlipwayError } from '../base/index.ts';
import { type BlockSource, type CodecChoice, codecId } from '../layer/index.ts';
import { type Descriptor, layerPacking, OCI } from '../oci/index.ts';
import type { BlobFacts, LayerFacts } from './layer-files.ts';
import { inputOf, type LayerWork } from './layer-work.ts';
import type { BlobInput, BlobMade } from './layer-tasks.ts';
import type { BlobOptions, Compression, Layer, LayerBlob, RemoteBlob } from './types.ts';

const MEDIA_TYPES = { none: OCI.layer, gzip: OCI.layerGzip, zstd: OCI.layerZstd, estargz: OCI.layerGzip } as const;
/** Annotations of an eStargz layer's descriptor. */
const TOC_DIGEST = 'containerd.io/snapshot/stargz/toc.digest';
const UNCOMPRESSED_SIZE = 'io.containers.estargz.uncompressed-size';
/** Blobs of other layers that are looked through for blocks when no earlier layer is known. */
const RECENT = 6;
/** Blobs below this, bytes, are not looked through. */
const SMALL_BLOB = 1 << 20;

/** The blobs of one layer store. */
export class LayerBlobs {
  readonly #work: LayerWork;
  readonly #making = new SingleFlight<string, LayerBlob>();

  constructor(work: LayerWork) {
    this.#work = work;
  }

  async blob(layer: Layer, options: BlobOptions, job: JobContext): Promise<LayerBlob> {
    const { compression } = options;
    // New times mean a new tar.
    const known = options.clampMtime === undefined ? this.#existing(layer, compression, options) : undefined;
    if (known !== undefined) return known;
    const choice = choiceOf(options);
    const name = blobName(choice, options);
    return await this.#making.run(
      `${layer.id} ${name}`,
      async () => {
        const memory = this.#remembered(layer, name);
        if (memory !== undefined) return memory;
        using lock = await this.#lock(layer, job);
        if (lock === undefined) return await this.#makeAside(layer, compression, choice, options, job);
        return this.#remembered(layer, name) ?? (await this.#make(layer, compression, choice, name, options, job));
      },
      job.signal,
    );
  }

  /** Undefined where the disk of the store may only be read. */
  async #lock(layer: Layer, job: JobContext): Promise<Disposable | undefined> {
    try {
      return await this.#work.around.locks.acquire(`blob-of-${layer.id}`, job.signal);
    } catch (error) {
      if (isSlipwayError(error, 'STORE_READ_ONLY') && errnoOf(error.cause) === 'EROFS') return undefined;
      throw error;
    }
  }

  /** The blob that a pulled layer came as, or that a cache offers, when it will do. */
  #existing(layer: Layer, compression: Compression, options: BlobOptions): LayerBlob | undefined {
    const remote = this.#work.remote(layer);
    const facts = this.#work.facts(layer.id);
    const descriptor = remote?.descriptor ?? facts?.pulled;
    const diffID = layer.diffID ?? facts?.diffID ?? remote?.diffID;
    if (descriptor === undefined || diffID === undefined) return undefined;
    if (options.force && packingOf(descriptor) !== compression) return undefined;
    const here = this.#work.around.blobs.has(descriptor.digest, descriptor.size);
    if (!here && remote === undefined) return undefined;
    return this.#result({ descriptor, diffID }, here, remote);
  }

  /** Whether the layer is a tar that came from elsewhere, which must keep its bytes. */
  #isPulled(layer: Layer): boolean {
    const facts = this.#work.facts(layer.id);
    return facts === undefined || facts.pulled !== undefined || layer.id === layer.diffID?.slice(7);
  }

  #remembered(layer: Layer, name: string): LayerBlob | undefined {
    const facts = this.#work.facts(layer.id) === undefined ? undefined : this.#work.files(layer.id).blob(name);
    if (facts === undefined || !this.#work.around.blobs.has(facts.descriptor.digest, facts.descriptor.size)) return undefined;
    return this.#result(facts, true, undefined);
  }

  #result({ descriptor, diffID }: BlobFacts, here: boolean, remote: RemoteBlob | undefined): LayerBlob {
    return {
      descriptor,
      diffID,
      ...(here ? { path: this.#work.around.blobs.path(descriptor.digest) } : {}),
      ...(remote === undefined ? {} : { remote }),
    };
  }

  async #make(
    layer: Layer,
    compression: Compression,
    choice: CodecChoice | undefined,
    name: string,
    options: BlobOptions,
    job: JobContext,
  ): Promise<LayerBlob> {
    const output = this.#work.around.temp.path('blob');
    try {
      const { facts, blocks } = await this.#write(layer, compression, choice, output, options, job);
      this.#work.around.blobs.publish(output, facts.descriptor);
      const hasOwnDiffID = this.#keepsTar(layer, options) || isPlainTar(options);
      this.#remember(layer, name, facts, choice === undefined ? undefined : blocks, hasOwnDiffID);
      return this.#result(facts, true, undefined);
    } finally {
      rmSync(output, { force: true });
    }
  }

  /** Of a store that may only be read: for this process alone. */
  async #makeAside(
    layer: Layer,
    compression: Compression,
    choice: CodecChoice | undefined,
    options: BlobOptions,
    job: JobContext,
  ): Promise<LayerBlob> {
    const path = this.#work.around.temp.pathAside('blob');
    const { facts } = await this.#write(layer, compression, choice, path, options, job);
    return { ...facts, path };
  }

  /** A tar that came from elsewhere stays as it is, but for new times, or a table of contents in it. */
  #keepsTar(layer: Layer, { compression, clampMtime }: BlobOptions): boolean {
    return clampMtime === undefined && compression !== 'estargz' && this.#isPulled(layer);
  }

  async #write(
    layer: Layer,
    compression: Compression,
    choice: CodecChoice | undefined,
    output: string,
    options: BlobOptions,
    job: JobContext,
  ): Promise<{ readonly facts: BlobFacts; readonly blocks: BlobMade['blocks'] }> {
    const made = this.#keepsTar(layer, options)
      ? await this.#recompress(layer, choice, output, job)
      : await this.#assemble(layer, choice, output, options, job);
    const annotations =
      made.tocDigest === undefined
        ? {}
        : { annotations: { [TOC_DIGEST]: made.tocDigest, [UNCOMPRESSED_SIZE]: String(made.uncompressedSize) } };
    const descriptor: Descriptor = { mediaType: MEDIA_TYPES[compression], digest: made.digest, size: made.size, ...annotations };
    return { facts: { descriptor, diffID: made.diffID }, blocks: made.blocks };
  }

  async #assemble(layer: Layer, choice: CodecChoice | undefined, output: string, options: BlobOptions, job: JobContext): Promise<BlobMade> {
    const forms = await this.#work.localForms(layer, job);
    const files = this.#work.files(layer.id);
    const facts = this.#work.facts(layer.id);
    if (facts === undefined) throw new Error('internal: a layer with bytes but without facts');
    const large = this.#work.isLarge(facts, statSync(files.indexPath).size);
    const task = {
      kind: 'blob',
      indexFile: files.indexPath,
      forms,
      output,
      reuse: choice === undefined ? [] : this.#reusable(layer, facts, choice, options),
      // This thread works too.
      threads: large && choice !== undefined ? this.#work.threads - 1 : 0,
      ...(choice === undefined ? {} : { choice }),
      ...(options.clampMtime === undefined ? {} : { clampMtime: options.clampMtime }),
      ...(options.compression === 'estargz' ? { estargz: true } : {}),
    } as const;
    return await this.#work.runner.run(task, large, job);
  }

  async #recompress(layer: Layer, choice: CodecChoice | undefined, output: string, job: JobContext): Promise<BlobMade> {
    const remote = this.#work.remote(layer);
    const input = this.#localInput(layer) ?? (remote === undefined ? undefined : inputOf(layer, remote));
    if (input === undefined) {
      throw new SlipwayError('LAYER_BYTES_ABSENT', `the bytes of layer ${layer.id.slice(0, 12)} are not in the store`, {
        hint: 'build again with --pull, so that its image is asked for anew',
        facts: { layer: layer.id },
      });
    }
    const large = input.size > 512 << 10;
    const threads = large && choice !== undefined ? this.#work.threads - 1 : 0;
    const task = { kind: 'recompress', input, output, threads, ...(choice === undefined ? {} : { choice }) } as const;
    const stream = input.file === undefined ? await (remote as RemoteBlob).open(job) : undefined;
    return await this.#work.runner.run(task, large, job, stream);
  }

  #localInput(layer: Layer): BlobInput | undefined {
    const facts = this.#work.facts(layer.id);
    const pulled = facts?.pulled ?? this.#work.remote(layer)?.descriptor;
    const candidates = [
      ...(pulled === undefined ? [] : [pulled]),
      ...this.#work
        .files(layer.id)
        .blobs()
        .map(({ descriptor }) => descriptor),
    ];
    const blob = candidates.find(({ digest, size }) => this.#work.around.blobs.has(digest, size));
    const diffID: DiffID | undefined = layer.diffID ?? facts?.diffID;
    if (blob === undefined) return undefined;
    const { digest, size } = blob;
    return { file: this.#work.around.blobs.path(digest), digest, size, ...(diffID === undefined ? {} : { diffID }) };
  }

  #remember(layer: Layer, name: string, blob: BlobFacts, blocks: Uint8Array | undefined, hasOwnDiffID: boolean): void {
    const facts = this.#work.facts(layer.id);
    if (facts === undefined) return;
    const files = this.#work.files(layer.id);
    // A few blocks are compressed sooner than they are looked up.
    const isWorthReusing = blob.descriptor.size >= SMALL_BLOB;
    files.rememberBlob(name, blob, isWorthReusing ? blocks : undefined);
    if (hasOwnDiffID && facts.diffID === undefined) {
      files.learnDiffID(blob.diffID);
      this.#work.learn(layer.id, { ...facts, diffID: blob.diffID });
    }
    if (isWorthReusing) this.#addRecent(name, layer.id);
  }

  /** Blobs that likely have blocks for this layer: those of the layer it was written after, and the last ones made. */
  #reusable(layer: Layer, facts: LayerFacts, choice: CodecChoice, options: BlobOptions): readonly BlockSource[] {
    const name = blobName(choice, options);
    const ids = new Set([...(facts.previous === undefined ? [] : [facts.previous]), ...this.#recent(name)]);
    ids.delete(layer.id);
    const sources: BlockSource[] = [];
    for (const id of ids) {
      const files = this.#work.files(id);
      const blob = files.blob(name);
      const blocks = files.blocks(name);
      if (blob === undefined || blocks === undefined) continue;
      sources.push({ blob: this.#work.around.blobs.path(blob.descriptor.digest), blocks });
    }
    return sources;
  }

  #recentPath(name: string): string {
    return `${this.#work.around.root}/layers/recent-${name}`;
  }

  #recent(name: string): readonly string[] {
    try {
      return readFileSync(this.#recentPath(name), 'latin1')
        .split('\n')
        .filter((id) => /^[0-9a-f]{64}$/.test(id));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
  }

  /** A hint for later: of two processes that write it at once one is forgotten. */
  #addRecent(name: string, id: string): void {
    const temporary = this.#work.around.temp.path('recent');
    writeFileSync(temporary, [id, ...this.#recent(name).filter((other) => other !== id)].slice(0, RECENT).join('\n'));
    renameSync(temporary, this.#recentPath(name));
  }
}

/** Whether the blob's tar is the layer's normal form. */
function isPlainTar({ clampMtime, compression }: BlobOptions): boolean {
  return clampMtime === undefined && compression !== 'estargz';
}

function packingOf({ mediaType, annotations }: Descriptor): Compression | undefined {
  return annotations?.[TOC_DIGEST] === undefined ? layerPacking(mediaType) : 'estargz';
}

function choiceOf({ compression, level, reproducible }: BlobOptions): CodecChoice | undefined {
  if (compression === 'none') return undefined;
  return { codec: compression === 'zstd' ? 'zstd' : 'gzip', reproducible, ...(level === undefined ? {} : { level }) };
}

/** Everything that decides the blob's bytes beside the layer, as part of a file name. */
function blobName(choice: CodecChoice | undefined, { clampMtime, compression }: BlobOptions): string {
  const codec = choice === undefined ? 'none' : codecId(choice);
  const form = compression === 'estargz' ? 'estargz' : '';
  return createHash('sha256')
    .update(`1\0${codec}\0${clampMtime ?? ''}\0${form}`)
    .digest('hex')
    .slice(0, 16);
}
