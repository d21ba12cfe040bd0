// The bytes of a sparse file in full: what is stored, piece by piece, and zeros where its map has holes.

import { broken } from './tar-faults.ts';
import type { SparsePiece } from './tar-sparse.ts';

const ZEROS = Buffer.alloc(1 << 16);

/** Takes the stored bytes of one file in order. Both calls throw TAR_BROKEN when map and bytes disagree, or what `put` throws. */
export class SparseFill {
  readonly #pieces: readonly SparsePiece[];
  readonly #real: number;
  readonly #put: (bytes: Uint8Array) => void;
  #index = 0;
  /** Bytes of the piece that came. */
  #within = 0;
  /** Bytes of the whole file that were put. */
  #at = 0;

  constructor(pieces: readonly SparsePiece[], real: number, put: (bytes: Uint8Array) => void) {
    this.#pieces = pieces;
    this.#real = real;
    this.#put = put;
  }

  write(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0) {
      const piece = this.#pieces[this.#index];
      if (piece === undefined) throw broken('a sparse file with more data than its map says');
      this.#zerosTo(piece.offset);
      const length = Math.min(piece.length - this.#within, rest.length);
      if (length > 0) this.#put(rest.subarray(0, length));
      this.#at += length;
      this.#within += length;
      rest = rest.subarray(length);
      if (this.#within === piece.length) {
        this.#index += 1;
        this.#within = 0;
      }
    }
  }

  /** There are no more stored bytes: what is left of the file are zeros. */
  end(): void {
    if (this.#pieces.slice(this.#index).some((piece) => piece.length > 0)) throw broken('a sparse file with less data than its map says');
    this.#zerosTo(this.#real);
  }

  #zerosTo(offset: number): void {
    while (this.#at < offset) {
      const length = Math.min(ZEROS.length, offset - this.#at);
      this.#put(ZEROS.subarray(0, length));
      this.#at += length;
    }
  }
}
