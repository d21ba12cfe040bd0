// Intel's ISA-L, when the machine has it: deflate at the speed of memory, a tenth larger.

import { openLibrary } from '../sys/index.ts';
import type { Compress } from './codec.ts';

/** Its file. */
export const ISAL = 'libisal.so.2';

// struct isal_zstream (igzip_lib.h): public members up to the large internal state, which the library initializes.
const STREAM_BYTES = 1 << 18;
const NEXT_IN = 0;
const AVAILABLE_IN = 8;
const NEXT_OUT = 16;
const AVAILABLE_OUT = 24;
const TOTAL_OUT = 28;
const LEVEL = 40;
const LEVEL_BUFFER_SIZE = 44;
const LEVEL_BUFFER = 48;
const END_OF_STREAM = 56;
const GZIP_FLAG = 60;
/** ISAL_DEF_LVL3_DEFAULT is below 400 KiB in all versions. */
const LEVEL_BUFFER_BYTES = 1 << 20;

/** gzip members by ISA-L's levels 0…3. Throws when it is not there. */
export function openIsal(level: number): Compress {
  const library = openLibrary(ISAL);
  const init = library.func('void isal_deflate_stateless_init(void *stream)');
  const deflate = library.func('int isal_deflate_stateless(void *stream)');
  const stream = Buffer.alloc(STREAM_BYTES);
  const levelBuffer = Buffer.alloc(LEVEL_BUFFER_BYTES);
  return (input, output) => {
    init(stream);
    stream.writeBigUInt64LE(library.address(input), NEXT_IN);
    stream.writeUInt32LE(input.length, AVAILABLE_IN);
    stream.writeBigUInt64LE(library.address(output), NEXT_OUT);
    stream.writeUInt32LE(output.length, AVAILABLE_OUT);
    stream.writeUInt32LE(level, LEVEL);
    stream.writeUInt32LE(LEVEL_BUFFER_BYTES, LEVEL_BUFFER_SIZE);
    stream.writeBigUInt64LE(library.address(levelBuffer), LEVEL_BUFFER);
    stream.writeUInt16LE(1, END_OF_STREAM);
    stream.writeUInt16LE(1, GZIP_FLAG);
    const result = deflate(stream);
    if (result !== 0) throw new Error(`internal: isal_deflate_stateless returned ${String(result)}`);
    return stream.readUInt32LE(TOTAL_OUT);
  };
}
