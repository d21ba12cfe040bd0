// The seam for compression. A compressed layer is a row of blocks that depend on nothing before them (gzip members, zstd frames):
// they are made in parallel, taken over from earlier blobs, and their concatenation is what every tool can read.

import { gzipSync } from 'node:zlib';
import { SlipwayError } from '../base/index.ts';
import { libraryVersion } from '../sys/index.ts';
import { ISAL, openIsal } from './codec-isal.ts';
import { LIBDEFLATE, openLibdeflate } from './codec-libdeflate.ts';
import { LIBZSTD, openZstd, ZSTD_WASM_VERSION } from './codec-zstd.ts';

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
  readonly compress: Compress;
}

/** Compresses `input` into a block of its own at the start of `output`; returns its length. `output` has `blockBound` bytes. */
export type Compress = (input: Buffer, output: Buffer) => number;

/** Room that a block of so many bytes needs in the worst case, whatever the codec. */
export function blockBound(length: number): number {
  return length + (length >>> 8) + 1024;
}

/** The kind of library that a choice gets on this machine. */
type Engine = 'zlib' | 'libdeflate' | 'isal' | 'zstd-node' | 'zstd-library' | 'zstd-wasm';

/** Name of library, version and level that `openCodec` will use, without loading anything. Throws CODEC_LEVEL for a level out of range. */
export function codecId(choice: CodecChoice): string {
  const { engine, level, version } = plan(choice);
  return `${choice.codec}-${engine}.${version}-${process.arch}-${level}`;
}

/** The best codec on this machine for a choice. Throws CODEC_LEVEL for a level out of range. */
export async function openCodec(choice: CodecChoice): Promise<BlockCodec> {
  const { engine, level } = plan(choice);
  const id = codecId(choice);
  switch (engine) {
    case 'zlib':
      return { id, compress: zlibMembers(level) };
    case 'libdeflate':
      return { id, compress: openLibdeflate(level) };
    case 'isal':
      return { id, compress: openIsal(level) };
    default:
      return { id, compress: await openZstd(engine, level) };
  }
}

function plan({ codec, level, reproducible }: CodecChoice): { readonly engine: Engine; readonly level: number; readonly version: string } {
  const [low, high] = codec === 'gzip' ? [0, 9] : [1, 22];
  if (level !== undefined && !(Number.isInteger(level) && level >= low && level <= high)) {
    throw new SlipwayError('CODEC_LEVEL', `${codec} has no level ${level}`, { hint: `choose ${low} to ${high}` });
  }
  if (codec === 'zstd') return planZstd(level ?? 3, reproducible);
  const zlib = { engine: 'zlib', version: process.versions.zlib ?? '0' } as const;
  if (reproducible || level === 0) return { ...zlib, level: level ?? 6 };
  // ISA-L is several times as quick as anything else but has only weak levels.
  const isal = level === undefined || level <= 2 ? libraryVersion(ISAL) : undefined;
  if (isal !== undefined) return { engine: 'isal', version: isal, level: level ?? 3 };
  const libdeflate = libraryVersion(LIBDEFLATE);
  if (libdeflate !== undefined) return { engine: 'libdeflate', version: libdeflate, level: level ?? 4 };
  return { ...zlib, level: level ?? 4 };
}

function planZstd(level: number, reproducible: boolean): { readonly engine: Engine; readonly level: number; readonly version: string } {
  const ofNode = (process.versions as { readonly zstd?: string }).zstd;
  if (!reproducible && ofNode !== undefined) return { engine: 'zstd-node', version: ofNode, level };
  const library = reproducible ? undefined : libraryVersion(LIBZSTD);
  if (library !== undefined) return { engine: 'zstd-library', version: library, level };
  return { engine: 'zstd-wasm', version: ZSTD_WASM_VERSION, level };
}

/** gzip members by Node's own zlib. */
function zlibMembers(level: number): Compress {
  return (input, output) => {
    const member = gzipSync(input, { level, memLevel: 9 });
    // The operating system byte (RFC 1952) tells platforms apart for nothing: "unknown", as Go's writer says.
    member[9] = 255;
    member.copy(output);
    return member.length;
  };
}
