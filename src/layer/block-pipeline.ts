// Groups of a tar in, a compressed blob out. All calls are synchronous: groups are made here, compressed by worker threads over shared
// memory and by this thread whenever it would have to wait, and written in order.

import { createHash, type Hash } from 'node:crypto';
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { type DiffID, type Digest, sha256Digest, workerUrl } from '../base/index.ts';
import { type BlobBlock, type BlockSource, decodeBlocks } from './block-map.ts';
import { type BlockCodec, blockBound, type CodecChoice, openCodec } from './codec.ts';
import { readFully } from './sha256.ts';
import { type GroupSink, MAX_GROUP } from './tar-groups.ts';

/** Slots of shared memory; each has room for a group and its block: 29 MB in all. One is enough without workers. */
const SLOTS = 7;
const SLOT_BYTES = MAX_GROUP + blockBound(MAX_GROUP);

// Words of the control array.
/** Groups that were handed in; workers wait on it. */
export const SUBMITTED = 0;
/** Groups that somebody took on. */
export const CLAIMED = 1;
/** Set when there is no more work. */
export const STOPPED = 2;
const SLOT_COUNT = 3;
const CONTROL_WORDS = 4;
/** From here three words for each slot: state, bytes in, bytes out. */
const SLOT_WORDS = 3;
/** States of a slot. */
const Slot = { free: 0, ready: 1, working: 2, done: 3, failed: 4, reused: 5 } as const;
/** Groups that one thread compresses while another one would start. */
const FEW = 3;
/** Seconds without any progress after which a worker must have died. */
const PATIENCE = 300;

/** What a compression worker is started with. */
export interface CompressorData {
  readonly control: SharedArrayBuffer;
  readonly memory: SharedArrayBuffer;
  readonly choice: CodecChoice;
}

/** Position of a slot's words. */
function slotWord(control: Int32Array, sequence: number): number {
  return CONTROL_WORDS + (sequence % (control[SLOT_COUNT] ?? 1)) * SLOT_WORDS;
}

/** A slot's group and block. */
function slotBuffers(control: Int32Array, memory: SharedArrayBuffer, sequence: number): readonly [group: Buffer, block: Buffer] {
  const at = (sequence % (control[SLOT_COUNT] ?? 1)) * SLOT_BYTES;
  return [Buffer.from(memory, at, MAX_GROUP), Buffer.from(memory, at + MAX_GROUP, blockBound(MAX_GROUP))];
}

/** Takes on the oldest group that is ready and that nobody has; undefined when there is none. */
export function claimSlot(control: Int32Array, submitted: number): number | undefined {
  for (;;) {
    const next = Atomics.load(control, CLAIMED);
    if (next >= submitted) return undefined;
    if (Atomics.compareExchange(control, CLAIMED, next, next + 1) !== next) continue;
    // Not ready: a block that is taken over. Perhaps written out already, and the slot in use again: the exchange settles whose it is.
    if (Atomics.compareExchange(control, slotWord(control, next), Slot.ready, Slot.working) === Slot.ready) return next;
  }
}

/** Compresses the group of a claimed slot and says so. */
export function compressSlot(control: Int32Array, memory: SharedArrayBuffer, sequence: number, codec: BlockCodec): void {
  const word = slotWord(control, sequence);
  const [group, block] = slotBuffers(control, memory, sequence);
  let state: number = Slot.failed;
  try {
    control[word + 2] = codec.compress(group.subarray(0, control[word + 1]), block);
    state = Slot.done;
  } finally {
    Atomics.store(control, word, state);
    Atomics.notify(control, word);
  }
}

/** A finished blob. */
export interface CompressedBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly diffID: DiffID;
  /** Of the tar. */
  readonly uncompressedSize: number;
  readonly blocks: readonly BlobBlock[];
  /** How many blocks were taken over. */
  readonly reused: number;
}

export interface PipelineOptions {
  /** Undefined: the blob is the tar itself. */
  readonly choice: CodecChoice | undefined;
  /** The blob's file, open for writing. */
  readonly output: number;
  /** Threads besides this one; 0 compresses here alone. */
  readonly workers: number;
  /** Earlier blobs of the same codec id. */
  readonly reuse?: readonly BlockSource[];
}

/** Opens the codec and makes a pipeline. Dispose it: that stops the workers. */
export async function openPipeline(options: PipelineOptions): Promise<BlockPipeline> {
  const codec = options.choice === undefined ? undefined : await openCodec(options.choice);
  return new BlockPipeline(options, codec);
}

/** Takes groups through `begin` and `end`, then `finish`. */
export class BlockPipeline implements GroupSink, Disposable {
  readonly #options: PipelineOptions;
  readonly #codec: BlockCodec | undefined;
  readonly #control = new Int32Array(new SharedArrayBuffer((CONTROL_WORDS + SLOTS * SLOT_WORDS) * 4));
  readonly #slots: number;
  readonly #memory: SharedArrayBuffer;
  readonly #keys: Buffer[] = [];
  readonly #tarHash: Hash = createHash('sha256');
  readonly #blobHash: Hash = createHash('sha256');
  readonly #blocks: BlobBlock[] = [];
  readonly #known = new Map<string, { readonly fd: number; readonly offset: number; readonly length: number }>();
  readonly #sources: number[] = [];
  readonly #taken = new Map<number, { readonly fd: number; readonly offset: number; readonly length: number }>();
  readonly #workers: Worker[] = [];
  #toCompress = 0;
  #submitted = 0;
  #collected = 0;
  #tarBytes = 0;
  #blobBytes = 0;

  constructor(options: PipelineOptions, codec: BlockCodec | undefined) {
    this.#options = options;
    this.#codec = codec;
    this.#slots = options.workers === 0 ? 1 : SLOTS;
    this.#control[SLOT_COUNT] = this.#slots;
    this.#memory = new SharedArrayBuffer(this.#slots * SLOT_BYTES);
    for (const source of options.reuse ?? []) this.#remember(source);
  }

  begin(): Buffer {
    // Room: the slot's last group must have been written out.
    while (this.#submitted - this.#collected >= this.#slots) this.#collect();
    return slotBuffers(this.#control, this.#memory, this.#submitted)[0];
  }

  end(length: number, key: Buffer): void {
    const sequence = this.#submitted;
    const group = slotBuffers(this.#control, this.#memory, sequence)[0].subarray(0, length);
    this.#tarHash.update(group);
    this.#tarBytes += length;
    this.#submitted += 1;
    if (this.#codec === undefined) {
      this.#writeOut(group);
      this.#collected += 1;
      return;
    }
    this.#keys[sequence % this.#slots] = key;
    const known = this.#known.get(key.toString('latin1'));
    const word = slotWord(this.#control, sequence);
    this.#control[word + 1] = length;
    if (known !== undefined) this.#taken.set(sequence, known);
    Atomics.store(this.#control, word, known === undefined ? Slot.ready : Slot.reused);
    // A few blocks are made before a worker would have started.
    if (known === undefined) this.#toCompress += 1;
    if (this.#workers.length < this.#options.workers && this.#toCompress > FEW) this.#startWorker();
    Atomics.store(this.#control, SUBMITTED, this.#submitted);
    Atomics.notify(this.#control, SUBMITTED, 1);
  }

  /** Waits for all groups so far; tells where their blocks stand, in order. */
  settle(): readonly BlobBlock[] {
    while (this.#collected < this.#submitted) this.#collect();
    return this.#blocks;
  }

  /** Appends bytes to the blob that are no part of the tar. Call `settle` before. */
  append(bytes: Uint8Array): void {
    this.#write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  }

  /** After the last group. */
  finish(): CompressedBlob {
    this.settle();
    const diffID = sha256Digest(this.#tarHash.digest('hex')) as DiffID;
    return {
      digest: this.#codec === undefined ? diffID : sha256Digest(this.#blobHash.digest('hex')),
      size: this.#blobBytes,
      diffID,
      uncompressedSize: this.#tarBytes,
      blocks: this.#blocks,
      reused: this.#taken.size,
    };
  }

  [Symbol.dispose](): void {
    Atomics.store(this.#control, STOPPED, 1);
    Atomics.add(this.#control, SUBMITTED, 1);
    Atomics.notify(this.#control, SUBMITTED);
    for (const worker of this.#workers) void worker.terminate();
    for (const fd of this.#sources) closeSync(fd);
  }

  /** Writes the oldest group's block; helps with the work while it is not ready. */
  #collect(): void {
    const sequence = this.#collected;
    const word = slotWord(this.#control, sequence);
    const state = this.#settle(word);
    if (state === Slot.failed) throw new Error('internal: a compression worker failed');
    const key = this.#keys[sequence % this.#slots] as Buffer;
    const [, block] = slotBuffers(this.#control, this.#memory, sequence);
    let length = this.#control[word + 2] ?? 0;
    const taken = state === Slot.reused ? this.#taken.get(sequence) : undefined;
    if (taken !== undefined) {
      length = taken.length;
      if (readFully(taken.fd, block, 0, length, taken.offset) !== length) throw new Error('internal: a blob became shorter');
    }
    this.#blocks.push({ key, offset: this.#blobBytes, length });
    this.#write(block.subarray(0, length));
    Atomics.store(this.#control, word, Slot.free);
    this.#collected += 1;
  }

  /** Waits for a slot's block, compressing others meanwhile; returns the final state. */
  #settle(word: number): number {
    for (let seconds = 0; seconds < PATIENCE;) {
      const state = Atomics.load(this.#control, word);
      if (state !== Slot.ready && state !== Slot.working) return state;
      const claimed = claimSlot(this.#control, this.#submitted);
      if (claimed !== undefined) compressSlot(this.#control, this.#memory, claimed, this.#codec as BlockCodec);
      else if (Atomics.wait(this.#control, word, state, 1000) === 'timed-out') seconds += 1;
    }
    return Slot.failed;
  }

  #write(bytes: Buffer): void {
    this.#blobHash.update(bytes);
    this.#writeOut(bytes);
  }

  #writeOut(bytes: Buffer): void {
    this.#blobBytes += bytes.length;
    for (let at = 0; at < bytes.length;) at += writeSync(this.#options.output, bytes, at);
  }

  #startWorker(): void {
    const workerData: CompressorData = {
      control: this.#control.buffer,
      memory: this.#memory,
      choice: this.#options.choice as CodecChoice,
    };
    const worker = new Worker(workerUrl(import.meta.url, 'compress'), { workerData });
    // A worker that cannot start or falls over is no loss: this thread does what nobody claimed. A claimed group is marked failed.
    worker.on('error', () => {});
    worker.unref();
    this.#workers.push(worker);
  }

  #remember(source: BlockSource): void {
    let fd: number;
    try {
      fd = openSync(source.blob, 'r');
    } catch {
      // Collected meanwhile: a memory less.
      return;
    }
    this.#sources.push(fd);
    const { size } = fstatSync(fd);
    for (const { key, offset, length } of decodeBlocks(source.blocks)) {
      if (offset + length <= size && length <= blockBound(MAX_GROUP)) this.#known.set(key.toString('latin1'), { fd, offset, length });
    }
  }
}
