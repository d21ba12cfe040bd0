// Groups of a tar in, a compressed blob out. All calls are synchronous: groups are made here, compressed by worker threads over shared
// memory and by this thread whenever it would have to wait, and written in order. Where most blocks are taken over from earlier blobs,
// compressing is no work, so a thread of its own copies them while this one hashes the tar.

import { createHash, type Hash } from 'node:crypto';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { MessageChannel, receiveMessageOnPort, Worker, type WorkerOptions } from 'node:worker_threads';
import { type DiffID, type Digest, isSlipwayError, sha256Digest, workerUrl } from '../base/index.ts';
import { BlockCollector, type CollectedBlob, type CollectorData, type CollectorReply } from './block-collector.ts';
import { type BlobBlock, type BlockSource, decodeBlocks } from './block-map.ts';
import { type BlockCodec, blockBound, type CodecChoice, openCodec } from './codec.ts';
import {
  COLLECTED,
  Collecting,
  COLLECTING,
  type CompressorData,
  type KnownBlock,
  PATIENCE,
  type PipelineShared,
  PipelineSlots,
  sharePipeline,
  Slot,
  STOPPED,
  SUBMITTED,
} from './pipeline-memory.ts';
import { type GroupSink, MAX_GROUP, readPiece, type TarPiece } from './tar-groups.ts';

/** Groups that one thread compresses while another one would start. */
const FEW = 3;
/** From so many blocks that may be taken over on, a thread that copies them pays. */
const MANY_KNOWN = 24;
/** Milliseconds that such a thread has to start. */
const START_MS = 2000;

/** Bytes of a known group that are read at once. */
const PASSING = 256 << 10;

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
  /** `settle` and `append` will be called: all is written by this thread. */
  readonly placing?: boolean;
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
  readonly #shared: PipelineShared;
  readonly #slots: PipelineSlots;
  readonly #collector: BlockCollector;
  readonly #keys: Buffer[] = [];
  readonly #tarHash: Hash = createHash('sha256');
  /** Groups that were hashed, and have no slot yet: known ones, and a few that were compressed meanwhile. */
  readonly #waiting: { readonly length: number; readonly block: KnownBlock | Buffer }[] = [];
  readonly #passing = Buffer.allocUnsafe(PASSING);
  /** For a group that cannot have its slot yet. */
  #apart: Buffer | undefined;
  #isApart = false;
  readonly #known = new Map<string, KnownBlock>();
  readonly #sources: number[] = [];
  readonly #workers: Worker[] = [];
  readonly #replies: MessageChannel | undefined;
  #compressors = 0;
  #toCompress = 0;
  #reused = 0;
  #submitted = 0;
  #tarBytes = 0;

  constructor(options: PipelineOptions, codec: BlockCodec | undefined) {
    this.#options = options;
    this.#codec = codec;
    this.#shared = sharePipeline(options.workers > 0);
    this.#slots = new PipelineSlots(this.#shared);
    this.#collector = new BlockCollector(this.#slots, options.output);
    for (const source of options.reuse ?? []) this.#remember(source);
    const apart = options.workers > 0 && codec !== undefined && options.placing !== true && this.#known.size >= MANY_KNOWN;
    if (apart) this.#replies = this.#startCollector();
    else Atomics.store(this.#slots.control, COLLECTING, Collecting.here);
  }

  begin(): Buffer {
    this.#submitWhatFits();
    // What waits stays behind: only one group in very many is new. Else they would all have to be written first.
    this.#isApart = this.#waiting.length > 0 && this.#toCompress < FEW;
    if (this.#isApart) return (this.#apart ??= Buffer.allocUnsafeSlow(MAX_GROUP));
    this.#submitAllWaiting();
    this.#makeRoom();
    return this.#slots.group(this.#submitted);
  }

  end(length: number, key: Buffer): void {
    if (this.#isApart) return this.#endApart(length, key);
    const sequence = this.#submitted;
    const group = this.#slots.group(sequence).subarray(0, length);
    this.#tarHash.update(group);
    this.#tarBytes += length;
    if (this.#codec === undefined) {
      this.#collector.write(group);
      return;
    }
    this.#submitted += 1;
    this.#keys.push(key);
    const known = this.#known.get(key.toString('latin1'));
    // A few blocks are made before a worker would have started.
    if (known === undefined) this.#toCompress += 1;
    else this.#reused += 1;
    if (this.#compressors < this.#options.workers && this.#toCompress > FEW) this.#startCompressor();
    this.#slots.submit(sequence, length, known);
    // Who writes the blob would wait for it as long as this thread has no time.
    if (this.#replies !== undefined && this.#compressors === 0) this.#help();
  }

  #endApart(length: number, key: Buffer): void {
    const group = (this.#apart as Buffer).subarray(0, length);
    this.#tarHash.update(group);
    this.#tarBytes += length;
    this.#keys.push(key);
    const known = this.#known.get(key.toString('latin1'));
    if (known === undefined) this.#toCompress += 1;
    else this.#reused += 1;
    this.#waiting.push({ length, block: known ?? this.#compressed(group) });
  }

  /** The group's block, in memory of its own. */
  #compressed(group: Buffer): Buffer {
    const block = Buffer.allocUnsafe(blockBound(MAX_GROUP));
    return block.subarray(0, (this.#codec as BlockCodec).compress(group, block));
  }

  endUnread(length: number, key: Buffer, pieces: readonly TarPiece[]): boolean {
    const known = this.#codec === undefined ? undefined : this.#known.get(key.toString('latin1'));
    if (known === undefined) return false;
    this.#keys.push(key);
    this.#reused += 1;
    this.#tarBytes += length;
    this.#waiting.push({ length, block: known });
    this.#hashPieces(pieces);
    // Hashing goes on while the collecting thread is not there yet, or behind.
    this.#submitWhatFits();
    return true;
  }

  /** Through little memory, which stays in the processor's cache. */
  #hashPieces(pieces: readonly TarPiece[]): void {
    const memory = this.#passing;
    let held = 0;
    for (const piece of pieces) {
      for (let at = 0; at < piece.length;) {
        const part = Math.min(piece.length - at, memory.length - held);
        if (piece instanceof Uint8Array) memory.set(piece.subarray(at, at + part), held);
        else readPiece({ fd: piece.fd, from: piece.from + at, length: part }, memory, held);
        at += part;
        held += part;
        if (held < memory.length) continue;
        this.#tarHash.update(memory);
        held = 0;
      }
    }
    this.#tarHash.update(memory.subarray(0, held));
  }

  /** Hands in a group that nobody has to see. */
  #submitWaiting(): void {
    const { length, block } = this.#waiting.shift() as { readonly length: number; readonly block: KnownBlock | Buffer };
    const sequence = this.#submitted;
    this.#submitted += 1;
    if (block instanceof Uint8Array) this.#slots.submitBlock(sequence, length, block);
    else this.#slots.submit(sequence, length, block);
  }

  #submitWhatFits(): void {
    while (this.#waiting.length > 0 && this.#hasRoom()) this.#submitWaiting();
  }

  #submitAllWaiting(): void {
    while (this.#waiting.length > 0) {
      this.#makeRoom();
      this.#submitWaiting();
    }
  }

  /** Waits for all groups so far; tells where their blocks stand, in order. */
  settle(): readonly BlobBlock[] {
    this.#submitAllWaiting();
    while (this.#collector.count < this.#submitted) this.#collector.next(this.#help);
    return this.#placed(this.#collector.lengths);
  }

  /** Appends bytes to the blob that are no part of the tar. Call `settle` before. */
  append(bytes: Uint8Array): void {
    this.#collector.append(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  }

  /** After the last group. */
  finish(): CompressedBlob {
    const diffID = sha256Digest(this.#tarHash.digest('hex')) as DiffID;
    this.#submitAllWaiting();
    const { digest, size, lengths } = this.#collected();
    return {
      digest: this.#codec === undefined ? diffID : digest,
      size,
      diffID,
      uncompressedSize: this.#tarBytes,
      blocks: this.#placed(lengths),
      reused: this.#reused,
    };
  }

  [Symbol.dispose](): void {
    const { control } = this.#slots;
    Atomics.store(control, STOPPED, 1);
    Atomics.add(control, SUBMITTED, 1);
    Atomics.notify(control, SUBMITTED);
    this.#stopCollector();
    for (const worker of this.#workers) void worker.terminate();
    this.#replies?.port1.close();
    for (const fd of this.#sources) closeSync(fd);
  }

  /** Helps with the work while there is nothing to write. */
  readonly #help = (): boolean => this.#codec !== undefined && this.#slots.compressOne(this.#codec);

  /** Waits until the next group's slot is free: the block of its last one must be in the blob. */
  #makeRoom(): void {
    const { control, count } = this.#slots;
    for (let seconds = 0; ;) {
      if (this.#collectsHere()) {
        while (this.#submitted - this.#collector.count >= count) this.#collector.next(this.#help);
        return;
      }
      const collected = Atomics.load(control, COLLECTED);
      if (this.#submitted - collected < count) return;
      this.#checkCollector();
      if (this.#help()) continue;
      if (Atomics.wait(control, COLLECTED, collected, 1000) !== 'timed-out') seconds = 0;
      else if ((seconds += 1) > PATIENCE) throw new Error('internal: a collecting thread died');
    }
  }

  /** Whether the next group's slot is free, without waiting for a thread that writes the blob. */
  #hasRoom(): boolean {
    const { control, count } = this.#slots;
    switch (Atomics.load(control, COLLECTING)) {
      case Collecting.open:
        return this.#submitted < count;
      case Collecting.here:
        this.#makeRoom();
        return true;
      default:
        return this.#submitted - Atomics.load(control, COLLECTED) < count;
    }
  }

  /** Whether this thread writes the blob; settled when it is asked for the first time that matters. */
  #collectsHere(): boolean {
    const { control, count } = this.#slots;
    if (Atomics.load(control, COLLECTING) !== Collecting.open) return Atomics.load(control, COLLECTING) === Collecting.here;
    if (this.#submitted < count) return false;
    Atomics.wait(control, COLLECTING, Collecting.open, START_MS);
    // It does not come: it could not be started, perhaps.
    return Atomics.compareExchange(control, COLLECTING, Collecting.open, Collecting.here) === Collecting.open;
  }

  /** The blob, when all blocks are in it. */
  #collected(): CollectedBlob {
    const { control } = this.#slots;
    if (this.#replies !== undefined) {
      this.#makeRoom();
      Atomics.compareExchange(control, COLLECTING, Collecting.open, Collecting.here);
    }
    if (Atomics.load(control, COLLECTING) === Collecting.here || this.#replies === undefined) {
      this.settle();
      return this.#collector.finish();
    }
    const word = this.#slots.word(this.#submitted);
    Atomics.store(control, word, Slot.end);
    Atomics.notify(control, word);
    for (let seconds = 0; Atomics.load(control, COLLECTING) === Collecting.there;) {
      if (this.#help()) continue;
      if (Atomics.wait(control, COLLECTING, Collecting.there, 1000) === 'timed-out' && (seconds += 1) > PATIENCE) break;
    }
    this.#checkCollector();
    const reply = receiveMessageOnPort(this.#replies.port1)?.message as CollectorReply | undefined;
    if (reply === undefined || !('blob' in reply)) throw new Error('internal: a collecting thread died');
    return reply.blob;
  }

  /** Throws what the collecting thread failed with. */
  #checkCollector(): void {
    if (this.#replies === undefined || Atomics.load(this.#slots.control, COLLECTING) !== Collecting.failed) return;
    const reply = receiveMessageOnPort(this.#replies.port1)?.message as CollectorReply | undefined;
    if (reply === undefined || !('failed' in reply)) throw new Error('internal: a collecting thread died');
    const { message, code } = reply.failed;
    throw Object.assign(new Error(message), code === undefined ? {} : { code });
  }

  /** Returns when nobody writes to the blob's file any more: it is closed next. */
  #stopCollector(): void {
    const { control, count } = this.#slots;
    Atomics.compareExchange(control, COLLECTING, Collecting.open, Collecting.here);
    for (let sequence = 0; sequence < count; sequence += 1) Atomics.notify(control, this.#slots.word(sequence));
    Atomics.wait(control, COLLECTING, Collecting.there, PATIENCE * 1000);
  }

  #placed(lengths: readonly number[]): readonly BlobBlock[] {
    let offset = 0;
    return lengths.map((length, at) => {
      const block = { key: this.#keys[at] as Buffer, offset, length };
      offset += length;
      return block;
    });
  }

  #startCompressor(): void {
    const workerData: CompressorData = { ...this.#shared, choice: this.#options.choice as CodecChoice };
    this.#own('compress', { workerData });
    this.#compressors += 1;
  }

  #startCollector(): MessageChannel {
    const replies = new MessageChannel();
    const workerData: CollectorData = { ...this.#shared, output: this.#options.output, port: replies.port2 };
    this.#own('collect', { workerData, transferList: [replies.port2] });
    replies.port1.unref();
    return replies;
  }

  /** A worker that cannot start or falls over is no loss: this thread does what nobody took on. A claimed group is marked failed. */
  #own(name: string, options: WorkerOptions): void {
    let worker: Worker;
    try {
      worker = new Worker(workerUrl(import.meta.url, name), options);
    } catch (error) {
      if (!isSlipwayError(error, 'INSTALLATION_REPLACED')) throw error;
      return;
    }
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
