// The seam for compression. A compressed layer is a row of blocks that depend on nothing before them (gzip members, zstd frames):
// they are made in parallel, taken over from earlier blobs, and their concatenation is what every tool can read.

import { gzipSync } from 'node:zlib';
import { SlipwayError } from '../base/index.ts';
import { openDeflateLibrary } from './codec-libdeflate.ts';
import { openIsalLibrary } from './codec-isal.ts';
import { openZstd } from './codec-zstd.ts';

/** How layers can be compressed. */
export type CodecName = 'gzip' | 'zstd';

/** What is asked of a codec. Plain data: it travels to workers. */
export interface CodecChoice {
  readonly codec: CodecName;
  /** gzip 0…9, zstd 1…22; undefined: quick and good. */
  readonly level?: number;
  /** Only what gives the same bytes on every machine. */
  readonly reproducible: boolean;
}

/** One compressor, for one thread. */
export interface BlockCodec {
  /** Names library, version and level: blobs of equal ids have equal bytes for equal tars. */
  readonly id: string;
  /** Compresses `input` into a block of its own at the start of `output`; returns its length. `output` has `blockBound` bytes. */
  compress(input: Buffer, output: Buffer): number;
}

/** Room that a block of so many bytes needs in the worst case, whatever the codec. */
export function blockBound(length: number): number {
  return length + (length >>> 8) + 1024;
}

/** The best codec on this machine for a choice. Throws CODEC_LEVEL for a level out of range. */
export async function openCodec(choice: CodecChoice): Promise<BlockCodec> {
  const { codec, level, reproducible } = choice;
  const [low, high] = codec === 'gzip' ? [0, 9] : [1, 22];
  if (level !== undefined && !(Number.isInteger(level) && level >= low && level <= high)) {
    throw new SlipwayError('CODEC_LEVEL', `${codec} has no level ${level}`, { hint: `choose ${low} to ${high}` });
  }
  if (codec === 'zstd') return openZstd(level ?? 3, reproducible);
  if (reproducible || level === 0) return zlibCodec(level ?? 6);
  // ISA-L is three times as quick as anything else but has only weak levels.
  if (level === undefined || level <= 2) {
    const isal = openIsalLibrary(level === undefined ? 3 : level);
    if (isal !== undefined) return isal;
  }
  return openDeflateLibrary(level ?? 4) ?? zlibCodec(level ?? 4);
}

/** gzip members by Node's own zlib. */
function zlibCodec(level: number): BlockCodec {
  return {
    id: `gzip-zlib-${process.versions.zlib ?? '0'}-${process.arch}-${level}`,
    compress: (input, output) => {
      const member = gzipSync(input, { level, memLevel: 9 });
      // The operating system byte (RFC 1952) tells platforms apart for nothing: "unknown", as Go's writer says.
      member[9] = 255;
      member.copy(output);
      return member.length;
    },
  };
}
