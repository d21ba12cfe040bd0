// gunzip by ISA-L, when the machine has it: two to three times as quick as zlib. It inflates in another thread while what came before
// is looked at here. Headers and trailers of members are ours to read.

import { type AsyncForeignFunction, libraryVersion, openLibrary } from '../sys/index.ts';
import { ISAL } from './codec-isal.ts';
import { checkTrailer, headerLength, MAX_HEADER, TRAILER } from './gzip-member.ts';
import { streamBroken } from './stream-broken.ts';

// struct inflate_state (igzip_lib.h): public members; behind them are tables of 90 KB, which the library initializes.
const STATE_BYTES = 1 << 18;
const NEXT_OUT = 0;
const AVAILABLE_OUT = 8;
const NEXT_IN = 16;
const BITS_READ = 24;
const AVAILABLE_IN = 32;
const BIT_COUNT = 36;

const INPUT = 1 << 18;
const OUTPUT = 2 << 20;
/** So little is not worth a call. */
const SMALL_ROOM = 1 << 16;

/** Whether this machine has the library. */
export function hasIsalGunzip(): boolean {
  return libraryVersion(ISAL) !== undefined;
}

/** The content of concatenated members. What stands behind them is ignored, as by every gunzip. Throws STREAM_BROKEN. */
export async function* gunzipOfIsal(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const members = new Members(bytes[Symbol.asyncIterator]());
  let coming = members.next();
  try {
    for (;;) {
      const piece = await coming;
      if (piece === undefined) return;
      coming = members.next();
      coming.catch(() => {}); // it is asked for below
      if (piece.length > 0) yield piece;
    }
  } finally {
    // The other thread writes into buffers of ours until it is done.
    await coming.catch(() => {});
    await members.end();
  }
}

class Members {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #library = openLibrary(ISAL);
  readonly #init = this.#library.func('void isal_inflate_init(void *state)');
  readonly #inflate: AsyncForeignFunction = this.#library.asyncFunc('int isal_inflate(void *state)');
  readonly #checksumOf = this.#library.func('uint32_t crc32_gzip_refl(uint32_t start, const void *bytes, uint64_t length)');
  readonly #state = Buffer.alloc(STATE_BYTES);
  /** Bytes that were not looked at yet. */
  #input: Buffer = Buffer.alloc(0);
  /** What is left of the buffer that pieces are parts of. */
  #room: Buffer = Buffer.alloc(0);
  #ended = false;
  #inside = false;
  /** The last piece was full: perhaps there is more of it. */
  #full = false;
  #count = 0;
  #checksum = 0;
  #length = 0;

  constructor(source: AsyncIterator<Uint8Array>) {
    this.#source = source;
  }

  /** The next piece, perhaps an empty one; undefined at the end. */
  async next(): Promise<Buffer | undefined> {
    if (!this.#inside && !(await this.#begin())) return undefined;
    if (!this.#full && this.#input.length === 0 && !(await this.#more())) throw streamBroken('gzip', new Error('unexpected end of file'));
    if (this.#room.length < SMALL_ROOM) this.#room = Buffer.allocUnsafeSlow(OUTPUT);
    const produced = await this.#run(this.#room);
    const piece = this.#room.subarray(0, produced);
    this.#full = produced === this.#room.length;
    this.#room = this.#room.subarray(produced);
    this.#checksum = Number(this.#checksumOf(this.#checksum, piece, piece.length)) >>> 0;
    this.#length += produced;
    // With room and input left there was nothing more to do.
    if (!this.#full && this.#input.length > 0) await this.#finish();
    return piece;
  }

  async end(): Promise<void> {
    await this.#source.return?.();
  }

  /** Inflates into `output`; returns how much. What is left of the input stays. */
  async #run(output: Buffer): Promise<number> {
    const state = this.#state;
    const input = this.#input;
    state.writeBigUInt64LE(input.length === 0 ? 0n : this.#library.address(input), NEXT_IN);
    state.writeUInt32LE(input.length, AVAILABLE_IN);
    state.writeBigUInt64LE(this.#library.address(output), NEXT_OUT);
    state.writeUInt32LE(output.length, AVAILABLE_OUT);
    const result = await this.#inflate(state);
    if (result !== 0) throw streamBroken('gzip', new Error(`isal_inflate returned ${String(result)}`));
    this.#input = input.subarray(input.length - state.readUInt32LE(AVAILABLE_IN));
    return output.length - state.readUInt32LE(AVAILABLE_OUT);
  }

  /** Reads a member's header. False: there is no other member. */
  async #begin(): Promise<boolean> {
    if (this.#input.length === 0 && !(await this.#more())) return false;
    if (this.#count > 0 && this.#input[0] !== 0x1f) return false;
    let header: number | undefined;
    while ((header = headerLength(this.#input)) === undefined) {
      if (this.#input.length > MAX_HEADER || !(await this.#more())) throw streamBroken('gzip', new Error('a header without end'));
    }
    this.#input = this.#input.subarray(header);
    this.#init(this.#state);
    this.#inside = true;
    this.#count += 1;
    this.#checksum = 0;
    this.#length = 0;
    return true;
  }

  /** Checks the trailer of a member whose data has ended. */
  async #finish(): Promise<void> {
    this.#input = Buffer.concat([this.#taken(), this.#input]);
    while (this.#input.length < TRAILER) {
      if (!(await this.#more())) throw streamBroken('gzip', new Error('unexpected end of file'));
    }
    checkTrailer(this.#input, this.#checksum, this.#length);
    this.#input = this.#input.subarray(TRAILER);
    this.#inside = false;
  }

  /** Whole bytes that the library took ahead of the end. */
  #taken(): Buffer {
    const count = this.#state.readInt32LE(BIT_COUNT);
    const bits = this.#state.readBigUInt64LE(BITS_READ) >> BigInt(count % 8);
    return Buffer.from(Array.from({ length: count >> 3 }, (_, at) => Number((bits >> BigInt(at * 8)) & 0xffn)));
  }

  /** Appends the next bytes of the source, some at once: a call costs. False: there are none. */
  async #more(): Promise<boolean> {
    const parts: Uint8Array[] = this.#input.length === 0 ? [] : [this.#input];
    let length = 0;
    while (!this.#ended && length < INPUT) {
      const next = await this.#source.next();
      if (next.done === true) this.#ended = true;
      else {
        parts.push(next.value);
        length += next.value.length;
      }
    }
    this.#input = join(parts);
    return length > 0;
  }
}

/** One piece stays as it is. */
function join(parts: readonly Uint8Array[]): Buffer {
  const [first] = parts;
  return first !== undefined && parts.length === 1 ? Buffer.from(first.buffer, first.byteOffset, first.length) : Buffer.concat(parts);
}
