// zstd from the first of: this Node, the machine's libzstd, a WebAssembly build inside an npm package. The last one alone gives the
// same bytes everywhere.

import { createRequire } from 'node:module';
import zlib from 'node:zlib';
import { openLibrary } from '../sys/index.ts';
import type { BlockCodec } from './codec.ts';

/** Node 22.15 and up. */
interface ZstdOfNode {
  readonly zstdCompressSync?: (input: Uint8Array, options: { readonly params: Record<number, number> }) => Buffer;
}

interface ZstdOfWasm {
  init(): Promise<void>;
  compress(input: Uint8Array, level: number): Uint8Array;
}

const COMPRESSION_LEVEL = 100;

/** zstd frames. */
export async function openZstd(level: number, reproducible: boolean): Promise<BlockCodec> {
  return (reproducible ? undefined : (zstdOfNode(level) ?? zstdOfLibrary(level))) ?? (await zstdOfWasm(level));
}

function zstdOfNode(level: number): BlockCodec | undefined {
  const compress = (zlib as ZstdOfNode).zstdCompressSync;
  if (compress === undefined) return undefined;
  const params = { [COMPRESSION_LEVEL]: level };
  return {
    id: `zstd-node.${(process.versions as { zstd?: string }).zstd ?? process.version}-${process.arch}-${level}`,
    compress: (input, output) => compress(input, { params }).copy(output),
  };
}

function zstdOfLibrary(level: number): BlockCodec | undefined {
  const library = openLibrary(['libzstd.so.1']);
  if (library === undefined) return undefined;
  const context = library.func('void *ZSTD_createCCtx()')();
  const compress = library.func(
    'size_t ZSTD_compressCCtx(void *context, void *out, size_t outSize, const void *in, size_t inSize, int level)',
  );
  const isError = library.func('uint32_t ZSTD_isError(size_t code)');
  return {
    id: `zstd-library.${library.version}-${process.arch}-${level}`,
    compress: (input, output) => {
      const length = compress(context, output, output.length, input, input.length, level);
      if (isError(length) !== 0) throw new Error(`internal: zstd failed with ${String(length)}`);
      return Number(length);
    },
  };
}

async function zstdOfWasm(level: number): Promise<BlockCodec> {
  const wasm = createRequire(import.meta.url)('@bokuweb/zstd-wasm') as ZstdOfWasm;
  await wasm.init();
  return {
    id: `zstd-wasm.0.0.27-${level}`,
    compress: (input, output) => {
      const frame = wasm.compress(input, level);
      output.set(frame);
      return frame.length;
    },
  };
}
