// zstd from the first of: this Node, the machine's libzstd, a WebAssembly build inside an npm package. The last one alone gives the
// same bytes everywhere.

import { createRequire } from 'node:module';
import { openLibrary } from '../sys/index.ts';
import type { Compress } from './codec.ts';

/** The library's file. */
export const LIBZSTD = 'libzstd.so.1';
/** Version of the npm package: part of the names of blobs made by it. */
export const ZSTD_WASM_VERSION = '0.0.27';

/** Of `node:zlib`, with Node 22.15 and up. */
interface ZstdOfNode {
  readonly zstdCompressSync?: (input: Uint8Array, options: { readonly params: Record<number, number> }) => Buffer;
}

interface ZstdOfWasm {
  init(): Promise<void>;
  compress(input: Uint8Array, level: number): Uint8Array;
}

const COMPRESSION_LEVEL = 100;

/** zstd frames. Throws when that engine is not there. */
export async function openZstd(engine: 'zstd-node' | 'zstd-library' | 'zstd-wasm', level: number): Promise<Compress> {
  if (engine === 'zstd-node') return zstdOfNode(level);
  return engine === 'zstd-library' ? zstdOfLibrary(level) : await zstdOfWasm(level);
}

function zstdOfNode(level: number): Compress {
  const compress = (createRequire(import.meta.url)('node:zlib') as ZstdOfNode).zstdCompressSync;
  if (compress === undefined) throw new Error('internal: this Node has no zstd');
  const params = { [COMPRESSION_LEVEL]: level };
  return (input, output) => compress(input, { params }).copy(output);
}

function zstdOfLibrary(level: number): Compress {
  const library = openLibrary(LIBZSTD);
  const context = library.func('void *ZSTD_createCCtx()')();
  const compress = library.func(
    'size_t ZSTD_compressCCtx(void *context, void *out, size_t outSize, const void *in, size_t inSize, int level)',
  );
  const isError = library.func('uint32_t ZSTD_isError(size_t code)');
  return (input, output) => {
    const length = compress(context, output, output.length, input, input.length, level);
    if (isError(length) !== 0) throw new Error(`internal: zstd failed with ${String(length)}`);
    return Number(length);
  };
}

async function zstdOfWasm(level: number): Promise<Compress> {
  const wasm = createRequire(import.meta.url)('@bokuweb/zstd-wasm') as ZstdOfWasm;
  await wasm.init();
  return (input, output) => {
    const frame = wasm.compress(input, level);
    output.set(frame);
    return frame.length;
  };
}
