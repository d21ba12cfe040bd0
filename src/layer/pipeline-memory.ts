// What the threads of a BlockPipeline share: slots that each hold a group and its block, and what state they are in.

import type { BlockCodec, CodecChoice } from './codec.ts';
import { blockBound } from './codec.ts';
import { MAX_GROUP } from './tar-groups.ts';

/** Slots of shared memory; each has room for a group and its block: 29 MB in all. One is enough without workers. */
const SLOTS = 7;
const SLOT_BYTES = MAX_GROUP + blockBound(MAX_GROUP);

// Words of the control array.
/** Groups that were handed in; compressors wait on it. */
export const SUBMITTED = 0;
/** Groups that somebody took on. */
const CLAIMED = 1;
/** Set when there is no more work. */
export const STOPPED = 2;
/** Blocks that are in the blob; who needs a free slot waits on it. */
export const COLLECTED = 3;
/** Who collects: see `Collecting`. */
export const COLLECTING = 4;
const SLOT_COUNT = 5;
const CONTROL_WORDS = 6;

/** Settled once, by exchange. `done`, `failed`: a thread of its own has ended and sent what came of it. */
export const Collecting = { open: 0, here: 1, there: 2, done: 3, failed: 4 } as const;

/** States of a slot. `end`: no more groups come. */
export const Slot = { free: 0, ready: 1, working: 2, done: 3, failed: 4, reused: 5, end: 6 } as const;

// Words of a slot.
const STATE = 0;
const BYTES_IN = 1;
const BYTES_OUT = 2;
const SOURCE = 3;
const OFFSET_LOW = 4;
const OFFSET_HIGH = 5;
const SLOT_WORDS = 6;
const HIGH = 0x1_0000_0000;

/** Seconds without any progress after which another thread must have died. */
export const PATIENCE = 300;

/** The memory as it travels to workers. */
export interface PipelineShared {
  readonly control: SharedArrayBuffer;
  readonly memory: SharedArrayBuffer;
}

/** What a compression worker is started with. */
export interface CompressorData extends PipelineShared {
  readonly choice: CodecChoice;
}

/** A block of an earlier blob. */
export interface KnownBlock {
  readonly fd: number;
  readonly offset: number;
  readonly length: number;
}

/** Memory for a pipeline. */
export function sharePipeline(withWorkers: boolean): PipelineShared {
  const slots = withWorkers ? SLOTS : 1;
  const control = new SharedArrayBuffer((CONTROL_WORDS + slots * SLOT_WORDS) * 4);
  new Int32Array(control)[SLOT_COUNT] = slots;
  return { control, memory: new SharedArrayBuffer(slots * SLOT_BYTES) };
}

/** One thread's view. Groups are numbered from 0; a group's slot is free again when its block is collected. */
export class PipelineSlots {
  readonly control: Int32Array;
  readonly count: number;
  readonly #memory: SharedArrayBuffer;

  constructor({ control, memory }: PipelineShared) {
    this.control = new Int32Array(control);
    this.count = this.control[SLOT_COUNT] ?? 1;
    this.#memory = memory;
  }

  group(sequence: number): Buffer {
    return Buffer.from(this.#memory, (sequence % this.count) * SLOT_BYTES, MAX_GROUP);
  }

  block(sequence: number): Buffer {
    return Buffer.from(this.#memory, (sequence % this.count) * SLOT_BYTES + MAX_GROUP, blockBound(MAX_GROUP));
  }

  /** Position of the word that says a slot's state. */
  word(sequence: number): number {
    return CONTROL_WORDS + (sequence % this.count) * SLOT_WORDS + STATE;
  }

  /** Hands a group in: to be compressed, or with the block that it is known to give. */
  submit(sequence: number, length: number, known: KnownBlock | undefined): void {
    const { control } = this;
    const at = this.word(sequence);
    control[at + BYTES_IN] = length;
    if (known !== undefined) {
      control[at + SOURCE] = known.fd;
      control[at + OFFSET_LOW] = (known.offset % HIGH) | 0;
      control[at + OFFSET_HIGH] = Math.floor(known.offset / HIGH);
      control[at + BYTES_OUT] = known.length;
    }
    this.#announce(sequence, known === undefined ? Slot.ready : Slot.reused);
  }

  /** Hands in a group that is compressed already. */
  submitBlock(sequence: number, length: number, block: Uint8Array): void {
    const at = this.word(sequence);
    this.control[at + BYTES_IN] = length;
    this.control[at + BYTES_OUT] = block.length;
    this.block(sequence).set(block);
    this.#announce(sequence, Slot.done);
  }

  #announce(sequence: number, state: number): void {
    const { control } = this;
    const at = this.word(sequence);
    Atomics.store(control, at, state);
    Atomics.store(control, SUBMITTED, sequence + 1);
    Atomics.notify(control, SUBMITTED, 1);
    Atomics.notify(control, at);
  }

  /** Length of a finished block. */
  length(sequence: number): number {
    return this.control[this.word(sequence) + BYTES_OUT] ?? 0;
  }

  /** The block that a slot of state `reused` was handed in with. */
  known(sequence: number): KnownBlock {
    const at = this.word(sequence);
    const low = (this.control[at + OFFSET_LOW] ?? 0) >>> 0;
    const offset = (this.control[at + OFFSET_HIGH] ?? 0) * HIGH + low;
    return { fd: this.control[at + SOURCE] ?? -1, offset, length: this.length(sequence) };
  }

  /** Makes a slot free: its block is in the blob. */
  release(sequence: number): void {
    Atomics.store(this.control, this.word(sequence), Slot.free);
    Atomics.store(this.control, COLLECTED, sequence + 1);
    Atomics.notify(this.control, COLLECTED);
  }

  /** Compresses the oldest group that is ready and that nobody has. False: there is none. */
  compressOne(codec: BlockCodec): boolean {
    const sequence = this.#claim();
    if (sequence === undefined) return false;
    const at = this.word(sequence);
    let state: number = Slot.failed;
    try {
      this.control[at + BYTES_OUT] = codec.compress(this.group(sequence).subarray(0, this.control[at + BYTES_IN]), this.block(sequence));
      state = Slot.done;
    } finally {
      Atomics.store(this.control, at, state);
      Atomics.notify(this.control, at);
    }
    return true;
  }

  #claim(): number | undefined {
    const { control } = this;
    for (;;) {
      const next = Atomics.load(control, CLAIMED);
      if (next >= Atomics.load(control, SUBMITTED)) return undefined;
      if (Atomics.compareExchange(control, CLAIMED, next, next + 1) !== next) continue;
      // Not ready: a block that is taken over. Perhaps written out already, and the slot in use again: the exchange settles whose it is.
      if (Atomics.compareExchange(control, this.word(next), Slot.ready, Slot.working) === Slot.ready) return next;
    }
  }
}
