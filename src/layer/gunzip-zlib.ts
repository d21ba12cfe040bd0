// gunzip by Node's zlib, member by member. Node's own gunzip fails at bytes behind the last member that are no zeros, and loses what
// it had unpacked of the same piece: all of a small file. So zlib is given a member's data alone; headers and trailers are ours to read.

import { once } from 'node:events';
import * as zlib from 'node:zlib';
import { checkTrailer, headerLength, MAX_HEADER, TRAILER } from './gzip-member.ts';
import { streamBroken } from './stream-broken.ts';

/** The content of concatenated members. What stands behind them is ignored, as by every gunzip. Throws STREAM_BROKEN. */
export async function* gunzipOfZlib(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const input = new Input(bytes[Symbol.asyncIterator]());
  try {
    await input.passHeader();
    do {
      const sum = { checksum: 0, length: 0 };
      for await (const piece of inflate(input)) {
        sum.checksum = crc32(piece, sum.checksum);
        sum.length += piece.length;
        yield piece;
      }
      checkTrailer(await input.need(TRAILER), sum.checksum, sum.length);
      input.pass(TRAILER);
    } while ((await input.hasMember()) && (await input.passHeader()));
  } finally {
    await input.end();
  }
}

/** Unpacks up to the end of a member's data; the input stands behind it then. */
async function* inflate(input: Input): AsyncGenerator<Buffer, void, void> {
  const inflating = zlib.createInflateRaw({ chunkSize: 1 << 20 });
  // A failing source ends the reader with its own error.
  const fed = feed(input, inflating).catch((error: unknown) => void inflating.destroy(error as Error));
  try {
    for await (const piece of inflating) yield piece as Buffer;
    await fed;
  } catch (error) {
    throw error instanceof Error && 'code' in error && String(error.code).startsWith('Z_') ? streamBroken('gzip', error) : error;
  } finally {
    inflating.destroy();
    await fed;
  }
}

/** Gives the input piece by piece, and takes back what was not wanted of the last one. */
async function feed(input: Input, inflating: zlib.InflateRaw): Promise<void> {
  for (;;) {
    const piece = await input.take();
    if (inflating.destroyed) return;
    if (piece === undefined) return void inflating.end();
    const before = inflating.bytesWritten;
    const taken = await written(inflating, piece);
    if (taken === undefined) return;
    const used = inflating.bytesWritten - before;
    if (used === piece.length) continue;
    input.giveBack(piece.subarray(used));
    return;
  }
}

/** True when a piece was looked at; undefined when the reader has left. */
async function written(inflating: zlib.InflateRaw, piece: Buffer): Promise<true | undefined> {
  const left = new AbortController();
  const done = new Promise<true | undefined>((resolve) => inflating.write(piece, (error) => resolve(error ? undefined : true)));
  const closed = once(inflating, 'close', { signal: left.signal }).then(
    () => undefined,
    () => undefined,
  );
  try {
    return await Promise.race([done, closed]);
  } finally {
    left.abort();
  }
}

/** The bytes of a source, as far as they were not looked at. */
class Input {
  readonly #source: AsyncIterator<Uint8Array>;
  #held: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterator<Uint8Array>) {
    this.#source = source;
  }

  /** The next piece; undefined at the end. */
  async take(): Promise<Buffer | undefined> {
    if (this.#held.length === 0 && !(await this.#more())) return undefined;
    const piece = this.#held;
    this.#held = Buffer.alloc(0);
    return piece;
  }

  giveBack(piece: Buffer): void {
    this.#held = piece;
  }

  /** At least `count` bytes. Throws STREAM_BROKEN when there are less. */
  async need(count: number): Promise<Buffer> {
    while (this.#held.length < count) if (!(await this.#more())) throw streamBroken('gzip', new Error('unexpected end of file'));
    return this.#held;
  }

  pass(count: number): void {
    this.#held = this.#held.subarray(count);
  }

  /** Whether another member begins here. */
  async hasMember(): Promise<boolean> {
    while (this.#held.length < MAGIC.length) if (!(await this.#more())) return false;
    return this.#held.subarray(0, MAGIC.length).equals(MAGIC);
  }

  async passHeader(): Promise<true> {
    let header: number | undefined;
    while ((header = headerLength(this.#held)) === undefined) {
      if (this.#held.length > MAX_HEADER || !(await this.#more())) throw streamBroken('gzip', new Error('a header without end'));
    }
    this.pass(header);
    return true;
  }

  async end(): Promise<void> {
    await this.#source.return?.();
  }

  /** False: there are no more. */
  async #more(): Promise<boolean> {
    const next = await this.#source.next();
    if (next.done === true) return false;
    this.#held = this.#held.length === 0 ? asBuffer(next.value) : Buffer.concat([this.#held, next.value]);
    return true;
  }
}

const MAGIC = Buffer.from([0x1f, 0x8b, 8]);

function asBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}

/** The checksum of gzip, of pieces one after another: as Node has it from 20.15 on. */
export function crc32OfScript(bytes: Uint8Array, start: number): number {
  let crc = ~start;
  for (let at = 0; at < bytes.length; at += 1) crc = (TABLE[(crc ^ (bytes[at] as number)) & 0xff] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}

const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0xedb88320;
  return crc;
});

const crc32 = (zlib as { readonly crc32?: typeof crc32OfScript }).crc32 ?? crc32OfScript;
