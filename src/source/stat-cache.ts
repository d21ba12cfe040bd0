// Digests of files remembered by what stat says of them, so that an unchanged folder is not read again. One binary file for each
// folder, directories and names sorted, joined with the walk in order; written anew by rename, so readers see a whole file.

import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { type BytePath, type Digest, errnoOf } from '../base/index.ts';

/** What must be equal for a digest to still hold. Times are whole seconds and nanoseconds. */
export interface FileStamp {
  readonly ino: number;
  readonly size: number;
  readonly mtime: number;
  readonly mtimeNs: number;
  readonly ctime: number;
  readonly ctimeNs: number;
}

/** One remembered name of a directory. */
export interface StatRecord extends FileStamp {
  readonly name: BytePath;
  readonly digest: Digest | undefined;
  /** It has no extended attributes that count. */
  readonly plain: boolean;
}

// Layout, little endian: magic; then for each directory: u32 bytes of the block after this number, u16 + path, u32 count, records of
// f64 ino, size, mtime, ctime; u32 mtimeNs, ctimeNs; u8 flags, u8 name length; 32 bytes of digest; name.
const MAGIC = Buffer.from('SLWSTAT1');
const FIXED = 74;
const FLAG = { digest: 1, plain: 2 } as const;

/** A stat cache file, read whole. Directories are decoded when asked for. */
export class StatCache {
  readonly #bytes: Buffer;
  /** Where each directory's block is: [start, end). */
  readonly #blocks = new Map<BytePath, readonly [number, number]>();

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    if (bytes.length < MAGIC.length || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return;
    for (let at = MAGIC.length; at + 6 <= bytes.length;) {
      const end = at + 4 + bytes.readUInt32LE(at);
      const pathEnd = at + 6 + bytes.readUInt16LE(at + 4);
      // A damaged file costs re-reading, nothing else.
      if (end > bytes.length || pathEnd + 4 > end) break;
      this.#blocks.set(bytes.toString('latin1', at + 6, pathEnd), [at, end]);
      at = end;
    }
  }

  /** The file's cache; an empty one when there is none or it is broken. */
  static read(file: string): StatCache {
    try {
      return new StatCache(readFileSync(file));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'EACCES') return new StatCache(Buffer.alloc(0));
      throw error;
    }
  }

  /** Directories that it knows. */
  directories(): Iterable<BytePath> {
    return this.#blocks.keys();
  }

  /** The encoded block of a directory, to be carried over. */
  block(directory: BytePath): Buffer | undefined {
    const range = this.#blocks.get(directory);
    return range === undefined ? undefined : this.#bytes.subarray(...range);
  }

  /** Records of a directory, names sorted. */
  records(directory: BytePath): StatRecord[] {
    const range = this.#blocks.get(directory);
    if (range === undefined) return [];
    const bytes = this.#bytes;
    const [start, end] = range;
    let at = start + 6 + bytes.readUInt16LE(start + 4);
    const count = bytes.readUInt32LE(at);
    at += 4;
    const records: StatRecord[] = [];
    for (let index = 0; index < count && at + FIXED <= end; index += 1) {
      const flags = bytes[at + 40] as number;
      const nameEnd = at + FIXED + (bytes[at + 41] as number);
      if (nameEnd > end) break;
      records.push({
        ino: bytes.readDoubleLE(at),
        size: bytes.readDoubleLE(at + 8),
        mtime: bytes.readDoubleLE(at + 16),
        ctime: bytes.readDoubleLE(at + 24),
        mtimeNs: bytes.readUInt32LE(at + 32),
        ctimeNs: bytes.readUInt32LE(at + 36),
        plain: (flags & FLAG.plain) !== 0,
        digest: (flags & FLAG.digest) === 0 ? undefined : (`sha256:${bytes.toString('hex', at + 42, at + FIXED)}` as Digest),
        name: bytes.toString('latin1', at + FIXED, nameEnd),
      });
      at = nameEnd;
    }
    return records;
  }
}

/** Encodes a directory's records (names sorted). */
export function encodeStatBlock(directory: BytePath, records: readonly StatRecord[]): Buffer {
  const size = 10 + directory.length + records.reduce((sum, record) => sum + FIXED + record.name.length, 0);
  const bytes = Buffer.alloc(size);
  bytes.writeUInt32LE(size - 4, 0);
  bytes.writeUInt16LE(directory.length, 4);
  bytes.write(directory, 6, 'latin1');
  let at = 6 + directory.length;
  bytes.writeUInt32LE(records.length, at);
  at += 4;
  for (const record of records) {
    bytes.writeDoubleLE(record.ino, at);
    bytes.writeDoubleLE(record.size, at + 8);
    bytes.writeDoubleLE(record.mtime, at + 16);
    bytes.writeDoubleLE(record.ctime, at + 24);
    bytes.writeUInt32LE(record.mtimeNs, at + 32);
    bytes.writeUInt32LE(record.ctimeNs, at + 36);
    bytes[at + 40] = (record.digest === undefined ? 0 : FLAG.digest) | (record.plain ? FLAG.plain : 0);
    bytes[at + 41] = record.name.length;
    if (record.digest !== undefined) bytes.write(record.digest.slice(7), at + 42, 'hex');
    bytes.write(record.name, at + FIXED, 'latin1');
    at += FIXED + record.name.length;
  }
  return bytes;
}

/** Writes a cache file from blocks (directories sorted). The last writer wins; a lost one costs re-reading. */
export function writeStatCache(file: string, blocks: readonly Buffer[]): void {
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.${(nextTemporary += 1)}`;
  const fd = openSync(temporary, 'wx', 0o600);
  try {
    try {
      const whole = Buffer.concat([MAGIC, ...blocks]);
      for (let at = 0; at < whole.length;) at += writeSync(fd, whole, at);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

let nextTemporary = 0;

/** The kernel's clock ticks at most this far apart. */
const TICK_NS = 20_000_000;
/** Filesystems that keep whole (or even) seconds only. */
const COARSE_NS = 2_000_000_000;

/**
 * Whether a file could change after `seenAt` (milliseconds since the epoch) without a new stamp: its last change is too near. Such a
 * stamp is not remembered (git's "racily clean").
 */
export function isRacy(stamp: FileStamp, seenAt: number): boolean {
  const margin = stamp.ctimeNs === 0 ? COARSE_NS : TICK_NS;
  return seenAt * 1e6 - (stamp.ctime * 1e9 + stamp.ctimeNs) < margin;
}

/** Whether nothing that stat shows has changed. */
export function sameStamp(a: FileStamp, b: FileStamp): boolean {
  return (
    a.ino === b.ino && a.size === b.size && a.mtime === b.mtime && a.mtimeNs === b.mtimeNs && a.ctime === b.ctime && a.ctimeNs === b.ctimeNs
  );
}
