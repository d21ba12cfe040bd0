// Finished blocks, in order, into the blob. One thread does this: the one that hands groups in, or one of its own when there is little
// else to do than to copy blocks.

import { createHash, type Hash } from 'node:crypto';
import { writeSync } from 'node:fs';
import type { MessagePort } from 'node:worker_threads';
import { type Digest, sha256Digest } from '../base/index.ts';
import { PATIENCE, type PipelineShared, type PipelineSlots, Slot } from './pipeline-memory.ts';
import { readFully } from './sha256.ts';

/** What a collecting thread is started with. */
export interface CollectorData extends PipelineShared {
  /** The blob's file. */
  readonly output: number;
  /** Where what came of it goes. */
  readonly port: MessagePort;
}

/** A blob that was written. */
export interface CollectedBlob {
  readonly digest: Digest;
  readonly size: number;
  /** Length of each block. */
  readonly lengths: readonly number[];
}

/** What a collecting thread sends at its end. */
export type CollectorReply =
  { readonly blob: CollectedBlob } | { readonly failed: { readonly message: string; readonly code: string | undefined } };

export class BlockCollector {
  readonly #slots: PipelineSlots;
  readonly #output: number;
  readonly #hash: Hash = createHash('sha256');
  readonly #lengths: number[] = [];
  #size = 0;

  constructor(slots: PipelineSlots, output: number) {
    this.#slots = slots;
    this.#output = output;
  }

  /** How many blocks are in the blob. */
  get count(): number {
    return this.#lengths.length;
  }

  get size(): number {
    return this.#size;
  }

  get lengths(): readonly number[] {
    return this.#lengths;
  }

  /** Waits for the next block and writes it. `help` is called while it is not ready; false when there was nothing to do. False: there are no more blocks. */
  next(help: () => boolean): boolean {
    const sequence = this.count;
    const state = this.#settled(sequence, help);
    if (state === Slot.end) return false;
    if (state === Slot.failed) throw new Error('internal: a compression worker failed');
    const block = this.#slots.block(sequence).subarray(0, this.#slots.length(sequence));
    if (state === Slot.reused) {
      const { fd, offset, length } = this.#slots.known(sequence);
      if (readFully(fd, block, 0, length, offset) !== length) throw new Error('internal: a blob became shorter');
    }
    this.#lengths.push(block.length);
    this.append(block);
    this.#slots.release(sequence);
    return true;
  }

  /** Appends bytes that are no block. */
  append(bytes: Buffer): void {
    this.#hash.update(bytes);
    this.write(bytes);
  }

  /** Appends bytes of a blob whose digest nobody asks for here. */
  write(bytes: Buffer): void {
    this.#size += bytes.length;
    for (let at = 0; at < bytes.length;) at += writeSync(this.#output, bytes, at);
  }

  finish(): CollectedBlob {
    return { digest: sha256Digest(this.#hash.digest('hex')), size: this.#size, lengths: this.#lengths };
  }

  /** Waits for a slot's block, helping meanwhile; returns the final state. */
  #settled(sequence: number, help: () => boolean): number {
    const { control } = this.#slots;
    const word = this.#slots.word(sequence);
    for (let seconds = 0; seconds < PATIENCE;) {
      const state = Atomics.load(control, word);
      if (state !== Slot.free && state !== Slot.ready && state !== Slot.working) return state;
      if (!help() && Atomics.wait(control, word, state, 1000) === 'timed-out') seconds += 1;
    }
    return Slot.failed;
  }
}
