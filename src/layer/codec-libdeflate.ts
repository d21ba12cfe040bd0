// libdeflate, when the machine has it: the size of zlib's level 6 in half the time of its level 4.

import { openLibrary } from '../sys/index.ts';
import type { BlockCodec } from './codec.ts';

/** gzip members by libdeflate; undefined when it is not installed. One level of zlib's is one of its own. */
export function openDeflateLibrary(level: number): BlockCodec | undefined {
  const library = openLibrary(['libdeflate.so.0']);
  if (library === undefined) return undefined;
  const allocate = library.func('void *libdeflate_alloc_compressor(int level)');
  const compress = library.func('size_t libdeflate_gzip_compress(void *c, const void *in, size_t inSize, void *out, size_t outSize)');
  const compressor = allocate(level);
  if (compressor === null) return undefined;
  return {
    id: `gzip-libdeflate.${library.version}-${process.arch}-${level}`,
    compress: (input, output) => {
      const length = Number(compress(compressor, input, input.length, output, output.length));
      if (length === 0) throw new Error('internal: libdeflate had too little room');
      return length;
    },
  };
}
