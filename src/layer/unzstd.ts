// Streams out of zstd by the first of: this Node, the machine's libzstd, a decompressor in JavaScript.

import { createRequire } from 'node:module';
import { Readable, type Transform } from 'node:stream';
import { libraryVersion, openLibrary } from '../sys/index.ts';
import { LIBZSTD } from './codec-zstd.ts';
import { streamBroken } from './stream-broken.ts';

/** Of `node:zlib`, with Node 22.15 and up. */
interface ZstdOfNode {
  readonly createZstdDecompress?: (options: { readonly chunkSize: number }) => Transform;
}

/** The part of fzstd's streaming class that is used. */
interface Fzstd {
  readonly Decompress: new (ondata: (chunk: Uint8Array, final: boolean) => void) => { push(chunk: Uint8Array, final?: boolean): void };
}

const OUTPUT = 1 << 18;

/** The content of concatenated frames. Throws STREAM_BROKEN. */
export async function* unzstd(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const ofNode = (createRequire(import.meta.url)('node:zlib') as ZstdOfNode).createZstdDecompress;
  if (ofNode !== undefined) yield* unzstdOfNode(bytes, ofNode({ chunkSize: OUTPUT }));
  else yield* unzstdOfLibrary(bytes) ?? unzstdOfScript(bytes);
}

async function* unzstdOfNode(bytes: AsyncIterable<Uint8Array>, transform: Transform): AsyncGenerator<Uint8Array, void, void> {
  const input = Readable.from(bytes, { objectMode: false });
  let sourceError: Error | undefined;
  input.once('error', (error) => {
    sourceError = error;
    transform.destroy(error);
  });
  input.pipe(transform);
  try {
    for await (const piece of transform) yield piece as Buffer;
  } catch (error) {
    throw sourceError ?? streamBroken('zstd', error);
  } finally {
    input.destroy();
    transform.destroy();
  }
}

/** ZSTD_decompressStream over buffers of ours. Undefined: no such library. */
export function unzstdOfLibrary(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> | undefined {
  if (libraryVersion(LIBZSTD) === undefined) return undefined;
  const library = openLibrary(LIBZSTD);
  const create = library.func('void *ZSTD_createDStream()');
  const free = library.func('size_t ZSTD_freeDStream(void *stream)');
  const run = library.func('size_t ZSTD_decompressStream(void *stream, void *out, void *in)');
  const isError = library.func('uint32_t ZSTD_isError(size_t code)');
  const nameOf = library.func('const char *ZSTD_getErrorName(size_t code)');
  return (async function* () {
    const stream = create();
    // ZSTD_inBuffer and ZSTD_outBuffer: address, size, position.
    const input = Buffer.alloc(24);
    const output = Buffer.alloc(24);
    let left = 0;
    try {
      for await (const chunk of bytes) {
        if (chunk.length === 0) continue;
        input.writeBigUInt64LE(library.address(chunk), 0);
        input.writeBigUInt64LE(BigInt(chunk.length), 8);
        input.writeBigUInt64LE(0n, 16);
        let full = false;
        while (full || Number(input.readBigUInt64LE(16)) < chunk.length) {
          const piece = Buffer.allocUnsafeSlow(OUTPUT);
          output.writeBigUInt64LE(library.address(piece), 0);
          output.writeBigUInt64LE(BigInt(OUTPUT), 8);
          output.writeBigUInt64LE(0n, 16);
          // Error codes are beyond what a number holds: they go back as they came.
          const code = run(stream, output, input);
          if (isError(code) !== 0) throw streamBroken('zstd', new Error(String(nameOf(code))));
          left = Number(code);
          const length = Number(output.readBigUInt64LE(16));
          full = length === OUTPUT;
          if (length > 0) yield piece.subarray(0, length);
        }
      }
      if (left !== 0) throw streamBroken('zstd', new Error('it ends in the middle of a frame'));
    } finally {
      free(stream);
    }
  })();
}

/** fzstd, a tenth as quick. */
export async function* unzstdOfScript(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const { Decompress } = createRequire(import.meta.url)('fzstd') as Fzstd;
  let pieces: Uint8Array[] = [];
  const stream = new Decompress((piece) => pieces.push(piece));
  const push = (chunk: Uint8Array, final: boolean): Uint8Array[] => {
    try {
      stream.push(chunk, final);
    } catch (error) {
      throw streamBroken('zstd', error);
    }
    const given = pieces;
    pieces = [];
    return given;
  };
  for await (const chunk of bytes) if (chunk.length > 0) yield* push(chunk, false);
  yield* push(new Uint8Array(0), true);
}
