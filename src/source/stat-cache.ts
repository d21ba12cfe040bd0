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

// Layout, little endian: magic; then for each directory: u32 bytes of the block after this number, u16 + path, u32 count, columns of
// count elements each: f64 ino, size, mtime, ctime; u32 mtimeNs, ctimeNs; u16 length of the name; u8 flags; 32 bytes of digest; then the names.
const MAGIC = Buffer.from('SLWSTAT2');
const RECORD = 4 * 8 + 2 * 4 + 2 + 1 + 32;
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

  /** Records of a directory; undefined when there are none (or they are damaged). */
  records(directory: BytePath): StatRecords | undefined {
    const range = this.#blocks.get(directory);
    if (range === undefined) return undefined;
    const [start, end] = range;
    const from = start + 6 + this.#bytes.readUInt16LE(start + 4);
    const count = this.#bytes.readUInt32LE(from);
    const { offset } = columnsAt(0, count);
    if (count === 0 || from + 4 + offset.names > end) return undefined;
    // A copy, so that columns can be read in place.
    return new StatRecords(
      (this.#bytes.buffer as ArrayBuffer).slice(this.#bytes.byteOffset + from + 4, this.#bytes.byteOffset + end),
      count,
    );
  }

  /** How many records there are at most: whether this is a large folder. */
  get size(): number {
    return Math.floor(this.#bytes.length / RECORD);
  }
}

/** The records of one directory, asked for in the order of their names: a join of two sorted lists. */
export class StatRecords {
  readonly #columns: ReturnType<typeof viewsOf>;
  readonly count: number;
  readonly #digests: string;
  readonly #names: string;
  #at = 0;
  #nameAt = 0;

  constructor(block: ArrayBuffer, count: number) {
    const { offset } = columnsAt(0, count);
    this.#columns = viewsOf(block, count);
    this.count = count;
    this.#digests = Buffer.from(block, offset.digests, count * 32).toString('hex');
    this.#names = Buffer.from(block, offset.names).toString('latin1');
  }

  /** Steps to a name, which is not before those asked for so far; whether it is remembered. */
  seek(name: BytePath): boolean {
    for (; this.#at < this.count; this.#at += 1) {
      const length = this.#columns.names[this.#at] as number;
      if (length === name.length && this.#names.startsWith(name, this.#nameAt)) return true;
      if (this.#names.slice(this.#nameAt, this.#nameAt + length) > name) return false;
      this.#nameAt += length;
    }
    return false;
  }

  /** Whether the record that `seek` found is of exactly this stamp. */
  holds(ino: number, size: number, mtime: number, mtimeNs: number, ctime: number, ctimeNs: number): boolean {
    const at = this.#at;
    const columns = this.#columns;
    return (
      columns.ctimeNs[at] === ctimeNs &&
      columns.ctime[at] === ctime &&
      columns.mtimeNs[at] === mtimeNs &&
      columns.mtime[at] === mtime &&
      columns.size[at] === size &&
      columns.ino[at] === ino
    );
  }

  /** All of them, for being written anew with others. */
  *all(): Generator<StatRecord> {
    const { ino, size, mtime, mtimeNs, ctime, ctimeNs, names } = this.#columns;
    this.#nameAt = 0;
    for (this.#at = 0; this.#at < this.count; this.#at += 1) {
      const at = this.#at;
      const end = this.#nameAt + (names[at] as number);
      yield {
        name: this.#names.slice(this.#nameAt, end),
        ino: ino[at] as number,
        size: size[at] as number,
        mtime: mtime[at] as number,
        mtimeNs: mtimeNs[at] as number,
        ctime: ctime[at] as number,
        ctimeNs: ctimeNs[at] as number,
        digest: this.digest,
        plain: this.plain,
      };
      this.#nameAt = end;
    }
  }

  /** Of the record that `seek` found. */
  get digest(): Digest | undefined {
    if (((this.#columns.flags[this.#at] as number) & FLAG.digest) === 0) return undefined;
    return `sha256:${this.#digests.slice(this.#at * 64, this.#at * 64 + 64)}` as Digest;
  }

  /** It has no extended attributes that count. */
  get plain(): boolean {
    return ((this.#columns.flags[this.#at] as number) & FLAG.plain) !== 0;
  }
}

/** Where a block's columns start. */
function columnsAt(
  start: number,
  count: number,
): { readonly offset: Readonly<Record<'wide' | 'narrow' | 'nameEnds' | 'flags' | 'digests' | 'names', number>> } {
  const narrow = start + 4 * 8 * count;
  const nameEnds = narrow + 2 * 4 * count;
  const flags = nameEnds + 2 * count;
  const digests = flags + count;
  return { offset: { wide: start, narrow, nameEnds, flags, digests, names: digests + 32 * count } };
}

/** A block's columns, aligned. */
function viewsOf(
  block: ArrayBuffer,
  count: number,
): Readonly<Record<'ino' | 'size' | 'mtime' | 'ctime', Float64Array>> &
  Readonly<Record<'mtimeNs' | 'ctimeNs', Uint32Array>> & { readonly names: Uint16Array; readonly flags: Uint8Array } {
  const { offset } = columnsAt(0, count);
  const wide = (column: number): Float64Array => new Float64Array(block, column * 8 * count, count);
  const narrow = (column: number): Uint32Array => new Uint32Array(block, offset.narrow + column * 4 * count, count);
  return {
    ino: wide(0),
    size: wide(1),
    mtime: wide(2),
    ctime: wide(3),
    mtimeNs: narrow(0),
    ctimeNs: narrow(1),
    names: new Uint16Array(block, offset.nameEnds, count),
    flags: new Uint8Array(block, offset.flags, count),
  };
}

/** Encodes a directory's records (names sorted). */
export function encodeStatBlock(directory: BytePath, records: readonly StatRecord[]): Buffer {
  const count = records.length;
  const { offset } = columnsAt(0, count);
  const names = records.map(({ name }) => name).join('');
  const block = new ArrayBuffer(offset.names + names.length);
  const columns = viewsOf(block, count);
  const bytes = Buffer.from(block);
  for (const [at, record] of records.entries()) {
    columns.ino[at] = record.ino;
    columns.size[at] = record.size;
    columns.mtime[at] = record.mtime;
    columns.ctime[at] = record.ctime;
    columns.mtimeNs[at] = record.mtimeNs;
    columns.ctimeNs[at] = record.ctimeNs;
    columns.names[at] = record.name.length;
    columns.flags[at] = (record.digest === undefined ? 0 : FLAG.digest) | (record.plain ? FLAG.plain : 0);
    if (record.digest !== undefined) bytes.write(record.digest.slice(7), offset.digests + at * 32, 'hex');
  }
  bytes.write(names, offset.names, 'latin1');
  const head = Buffer.alloc(10 + directory.length);
  head.writeUInt32LE(head.length - 4 + bytes.length, 0);
  head.writeUInt16LE(directory.length, 4);
  head.write(directory, 6, 'latin1');
  head.writeUInt32LE(count, 6 + directory.length);
  return Buffer.concat([head, bytes]);
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
export function isRacy(stamp: Pick<FileStamp, 'ctime' | 'ctimeNs'>, seenAt: number): boolean {
  const margin = stamp.ctimeNs === 0 ? COARSE_NS : TICK_NS;
  return seenAt * 1e6 - (stamp.ctime * 1e9 + stamp.ctimeNs) < margin;
}
