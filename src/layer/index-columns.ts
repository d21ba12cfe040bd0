// An index file as columns: read in place, for whoever goes through very many entries without making objects of them.

import type { Digest } from '../base/index.ts';
import type { Entry, EntryKind } from './entry.ts';
import { checksum, type Columns, columnsOf, FLAG, HEADER, KINDS, type Layout, layoutOf, MAGIC } from './index-layout.ts';
import { indexBroken } from './layer-index.ts';

const FILE = 0;
const DIRECTORY = 1;
const SLASH = 47;
/** More entries than any image has; bounds what a hostile file makes us allocate. */
const MAX_ENTRIES = 20_000_000;

/** An index file's columns, read in place; paths are checked by those who make entries of them. */
export class IndexColumns {
  readonly bytes: Buffer;
  readonly count: number;
  readonly layout: Layout;
  readonly columns: Columns;
  /** How many digests stand before each row's; at the end, how many there are. */
  readonly #digests: Uint32Array;
  #paths: string | undefined;
  #hex: string | undefined;
  #links: string | undefined;
  #xattrSets: readonly Readonly<Record<string, string>>[] | undefined;

  private constructor(bytes: Buffer, layout: Layout) {
    this.bytes = bytes;
    this.layout = layout;
    this.count = bytes.readUInt32LE(8);
    this.columns = columnsOf(bytes, layout, this.count);
    this.#digests = this.#check();
  }

  /** Checks the file as a whole. Throws LAYER_INDEX_BROKEN. */
  static read(file: Uint8Array): IndexColumns {
    // Columns are read in place: they must be aligned.
    const bytes = file.byteOffset % 8 === 0 ? Buffer.from(file.buffer, file.byteOffset, file.length) : aligned(file);
    if (bytes.length < HEADER || !bytes.subarray(0, 8).equals(MAGIC)) throw indexBroken('unknown format');
    const count = bytes.readUInt32LE(8);
    if (count > MAX_ENTRIES) throw indexBroken(`${count} entries`);
    const layout = layoutOf(count, bytes.readUInt32LE(12), bytes.readUInt32LE(16), bytes.readUInt32LE(20), bytes.readUInt32LE(24));
    if (layout.end !== bytes.length) throw indexBroken(`expected ${layout.end} bytes, got ${bytes.length}`);
    if (!checksum(bytes).equals(bytes.subarray(64, 96))) throw indexBroken('its checksum does not match');
    return new IndexColumns(bytes, layout);
  }

  /** What was just written: `bytes` begins at a multiple of eight in its memory. */
  static written(bytes: Buffer, layout: Layout): IndexColumns {
    return new IndexColumns(bytes, layout);
  }

  get contentDigest(): Digest {
    return `sha256:${this.bytes.toString('hex', 32, 64)}` as Digest;
  }

  /** A file or directory without attributes that hides nothing. */
  isPlain(row: number): boolean {
    const kind = this.bytes[this.layout.kind + row] as number;
    const flags = this.bytes[this.layout.flags + row] as number;
    return (
      (kind === FILE ? (flags & FLAG.digest) !== 0 : kind === DIRECTORY) &&
      (flags & (FLAG.opaque | FLAG.link)) === 0 &&
      this.columns.xattrs[row] === 0
    );
  }

  /** A file whose bytes stand in a pack, known by digest. */
  isPackedFile(row: number): boolean {
    const wanted = FLAG.packed | FLAG.digest;
    return this.isFile(row) && ((this.bytes[this.layout.flags + row] as number) & wanted) === wanted;
  }

  /** It stands in a pack. */
  isPacked(row: number): boolean {
    return ((this.bytes[this.layout.flags + row] as number) & FLAG.packed) !== 0;
  }

  isFile(row: number): boolean {
    return this.bytes[this.layout.kind + row] === FILE;
  }

  /** Position of the path in `bytes`. */
  pathStart(row: number): number {
    return this.layout.paths + (row === 0 ? 0 : (this.columns.pathEnd[row - 1] as number));
  }

  pathEnd(row: number): number {
    return this.layout.paths + (this.columns.pathEnd[row] as number);
  }

  /** Orders the row's path beside `prefix` and the bytes of `from` up to `end`, as `compareEntryPaths` does. */
  comparePath(row: number, prefix: Uint8Array, from: Uint8Array, start: number, end: number): number {
    const { bytes } = this;
    const pathStart = this.pathStart(row);
    const length = this.pathEnd(row) - pathStart;
    const other = prefix.length + end - start;
    const common = Math.min(length, other);
    const moved = start - prefix.length;
    for (let at = 0; at < common; at += 1) {
      const x = bytes[pathStart + at] as number;
      const y = (at < prefix.length ? prefix[at] : from[moved + at]) as number;
      if (x !== y) return (x === SLASH ? -1 : x) - (y === SLASH ? -1 : y);
    }
    return length - other;
  }

  /** The first row, from `low` on, whose path is not before that one. */
  placeOf(prefix: Uint8Array, from: Uint8Array, start: number, end: number, low = 0): number {
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.comparePath(middle, prefix, from, start, end) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  mode(row: number): number {
    return (this.columns.mode[row] as number) & 0o7777;
  }

  uid(row: number): number {
    return this.columns.uid[row] as number;
  }

  gid(row: number): number {
    return this.columns.gid[row] as number;
  }

  size(row: number): number {
    return this.columns.size[row] as number;
  }

  mtime(row: number): number {
    return this.columns.mtime[row] as number;
  }

  mtimeNs(row: number): number {
    return this.columns.mtimeNs[row] as number;
  }

  /** Where the bytes are in the pack; the header stands before them. */
  offset(row: number): number {
    return this.columns.offset[row] as number;
  }

  pack(row: number): number {
    return this.bytes[this.layout.pack + row] as number;
  }

  /** Length of the header right before the bytes in the pack; 0: it is another one, or none. */
  headerBytes(row: number): number {
    return this.columns.headerBytes[row] as number;
  }

  /** Position of the digest in `bytes`, of rows that have one. */
  digest(row: number): number {
    return this.layout.digests + 32 * (this.#digests[row] as number);
  }

  hexDigest(row: number): string {
    const number = this.#digests[row] as number;
    if (this.#hex !== undefined) return this.#hex.slice(number * 64, number * 64 + 64);
    return this.bytes.toString('hex', this.digest(row), this.digest(row) + 32);
  }

  #path(row: number): string {
    if (this.#paths !== undefined) return this.#paths.slice(this.pathStart(row) - this.layout.paths, this.columns.pathEnd[row]);
    return this.bytes.toString('latin1', this.pathStart(row), this.pathEnd(row));
  }

  /** Before all rows are made entries: whole tables become one string each, whose memory the pieces share. */
  readTables(): void {
    const { paths, links, digests } = this.layout;
    this.#paths ??= this.bytes.toString('latin1', paths, links);
    this.#hex ??= this.bytes.toString('hex', digests, paths);
  }

  /** How many rows before this one have a digest. */
  digestsBefore(row: number): number {
    return this.#digests[row] as number;
  }

  /** The row as an entry. */
  entry(row: number): Entry {
    const { bytes } = this;
    const layout = this.layout;
    const flags = bytes[layout.flags + row] as number;
    const kind = KINDS[bytes[layout.kind + row] as number] as EntryKind;
    const wide = this.columns.size[row] as number;
    const device = kind === 'char' || kind === 'block';
    const entry: { -readonly [key in keyof Entry]: Entry[key] } = {
      path: this.#path(row),
      kind,
      mode: this.mode(row),
      uid: this.uid(row),
      gid: this.gid(row),
      size: device ? 0 : wide,
      mtime: this.mtime(row),
      mtimeNs: Math.min(this.columns.mtimeNs[row] as number, 999_999_999),
    };
    if ((flags & FLAG.link) !== 0) {
      this.#links ??= bytes.toString('latin1', layout.links, layout.xattrTable);
      entry.link = this.#links.slice(row === 0 ? 0 : this.columns.linkEnd[row - 1], this.columns.linkEnd[row]);
    }
    if (device) {
      entry.devMajor = Math.floor(wide / 0x1_0000_0000);
      entry.devMinor = wide % 0x1_0000_0000;
    }
    const xattrs = this.columns.xattrs[row] as number;
    if (xattrs !== 0) {
      this.#xattrSets ??= readXattrTable(bytes.toString('latin1', layout.xattrTable, layout.end));
      const set = this.#xattrSets[xattrs - 1];
      if (set === undefined) throw indexBroken('an attribute set that is not there');
      entry.xattrs = set;
    }
    if ((flags & FLAG.opaque) !== 0) entry.opaque = true;
    if ((flags & FLAG.digest) !== 0) {
      entry.digest = `sha256:${this.hexDigest(row)}` as Digest;
    }
    if ((flags & FLAG.packed) !== 0) {
      entry.offset = this.offset(row);
      const pack = this.pack(row);
      if (pack !== 0) entry.pack = pack;
      const header = this.headerBytes(row);
      if (header !== 0) entry.headerBytes = header;
    }
    return entry;
  }

  /** Checks numbers; returns which digest each row has. */
  #check(): Uint32Array {
    const { bytes, count } = this;
    const { kind, flags, paths, links, xattrTable } = this.layout;
    const { pathEnd, linkEnd, size, mtime, offset } = this.columns;
    const digests = new Uint32Array(count + 1);
    let path = 0;
    let link = 0;
    let digest = 0;
    for (let row = 0; row < count; row += 1) {
      const pathTo = pathEnd[row] as number;
      const linkTo = linkEnd[row] as number;
      if (
        (bytes[kind + row] as number) >= KINDS.length ||
        pathTo < path ||
        pathTo > links - paths ||
        linkTo < link ||
        linkTo > xattrTable - links
      )
        throw indexBroken('its columns do not fit together');
      const wide = size[row] as number;
      if (!(wide >= 0 && Number.isSafeInteger(wide) && Number.isSafeInteger(mtime[row]) && Number.isSafeInteger(offset[row])))
        throw indexBroken('a number out of range');
      digests[row] = digest;
      if (((bytes[flags + row] as number) & FLAG.digest) !== 0) digest += 1;
      path = pathTo;
      link = linkTo;
    }
    digests[count] = digest;
    if (digest > (paths - this.layout.digests) / 32) throw indexBroken('a digest that is not there');
    return digests;
  }
}

/** One JSON list of pairs a line: JSON escapes the newlines inside. */
function readXattrTable(text: string): readonly Readonly<Record<string, string>>[] {
  if (text === '') return [];
  return text.split('\n').map((line) => {
    let pairs: unknown;
    try {
      pairs = JSON.parse(line);
    } catch (cause) {
      throw indexBroken('an attribute set that cannot be read', cause);
    }
    if (!Array.isArray(pairs)) throw indexBroken('an attribute set that is no list');
    const set: Record<string, string> = {};
    for (const pair of pairs as readonly unknown[]) {
      if (!Array.isArray(pair) || typeof pair[0] !== 'string' || typeof pair[1] !== 'string' || pair[0] === '__proto__') {
        throw indexBroken('an attribute that is no pair of texts');
      }
      set[pair[0]] = pair[1];
    }
    return set;
  });
}

function aligned(file: Uint8Array): Buffer {
  const copy = Buffer.from(new ArrayBuffer(file.length));
  copy.set(file);
  return copy;
}
