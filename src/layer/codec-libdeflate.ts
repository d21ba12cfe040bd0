// libdeflate, when the machine has it: the size of zlib's level 6 in half the time of its level 4.

import { openLibrary } from '../sys/index.ts';
import type { Compress } from './codec.ts';

/** Its file. */
export const LIBDEFLATE = 'libdeflate.so.0';

/** gzip members by libdeflate. One level of zlib's is one of its own. Throws when it is not there. */
export function openLibdeflate(level: number): Compress {
  const library = openLibrary(LIBDEFLATE);
  const allocate = library.func('void *libdeflate_alloc_compressor(int level)');
  const compress = library.func('size_t libdeflate_gzip_compress(void *c, const void *in, size_t inSize, void *out, size_t outSize)');
  const compressor = allocate(level);
  return (input, output) => {
    const length = Number(compress(compressor, input, input.length, output, output.length));
    if (length === 0) throw new Error('internal: libdeflate had too little room');
    return length;
  };
}
