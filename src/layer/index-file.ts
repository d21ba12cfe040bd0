// A layer index as a file: columns of fixed width, then tables of text. 50,000 entries open in about 20 ms.

import { createHash } from 'node:crypto';
import type { Digest } from '../base/index.ts';
import type { Entry, EntryKind } from './entry.ts';
import { FactsDigest } from './facts-digest.ts';
import { checkIndexed, indexBroken, SortedEntries } from './layer-index.ts';
import type { LayerIndex } from './tree.ts';

// Layout, little endian:
//   0 magic `SLWLIDX1`; 8 u32 count; 12 u32 digests; 16 u32 bytes of paths; 20 of links; 24 of xattrs; 28 u32 zero;
//  32 content digest; 64 sha256 over everything else (bytes 0…64 and 96…); 96 columns, in the order of `layoutOf`.
const MAGIC = Buffer.from('SLWLIDX1');
const HEADER = 96;
const KINDS: readonly EntryKind[] = ['file', 'dir', 'symlink', 'hardlink', 'char', 'block', 'fifo', 'socket', 'whiteout'];
const FILE = 0;
const DIRECTORY = 1;
const KIND_NUMBER = new Map(KINDS.map((kind, number) => [kind, number]));
const FLAG = { opaque: 1, digest: 2, link: 4, packed: 8 } as const;
/** More entries than any image has; bounds what a hostile file makes us allocate. */
const MAX_ENTRIES = 20_000_000;

interface Layout {
  readonly size: number;
  readonly mtime: number;
  readonly offset: number;
  readonly mtimeNs: number;
  readonly uid: number;
  readonly gid: number;
  readonly pathEnd: number;
  readonly linkEnd: number;
  readonly xattrs: number;
  readonly headerBytes: number;
  readonly mode: number;
  readonly kind: number;
  readonly flags: number;
  readonly pack: number;
  readonly digests: number;
  readonly paths: number;
  readonly links: number;
  readonly xattrTable: number;
  readonly end: number;
}

function layoutOf(count: number, digests: number, paths: number, links: number, xattrs: number): Layout {
  let at = HEADER;
  const column = (width: number): number => {
    const start = at;
    at += width * count;
    return start;
  };
  const size = column(8);
  const mtime = column(8);
  const offset = column(8);
  const mtimeNs = column(4);
  const uid = column(4);
  const gid = column(4);
  const pathEnd = column(4);
  const linkEnd = column(4);
  const xattrColumn = column(4);
  const headerBytes = column(4);
  const mode = column(2);
  const kind = column(1);
  const flags = column(1);
  const pack = column(1);
  const digestTable = at;
  const pathTable = digestTable + digests * 32;
  const linkTable = pathTable + paths;
  const xattrTable = linkTable + links;
  return {
    size,
    mtime,
    offset,
    mtimeNs,
    uid,
    gid,
    pathEnd,
    linkEnd,
    xattrs: xattrColumn,
    headerBytes,
    mode,
    kind,
    flags,
    pack,
    digests: digestTable,
    paths: pathTable,
    links: linkTable,
    xattrTable,
    end: xattrTable + xattrs,
  };
}

/** The file's bytes. Equal indices give equal bytes. */
export function encodeLayerIndex(index: LayerIndex): Buffer {
  const { entries } = index;
  let pathBytes = 0;
  let linkBytes = 0;
  let digestCount = 0;
  const xattrSets = new Map<string, number>();
  for (const entry of entries) {
    pathBytes += entry.path.length;
    linkBytes += entry.link?.length ?? 0;
    if (entry.digest !== undefined) digestCount += 1;
    if (entry.xattrs !== undefined) {
      const set = xattrText(entry.xattrs);
      if (!xattrSets.has(set)) xattrSets.set(set, xattrSets.size + 1);
    }
  }
  const xattrs = Buffer.from([...xattrSets.keys()].join('\n'), 'latin1');
  const layout = layoutOf(entries.length, digestCount, pathBytes, linkBytes, xattrs.length);
  const bytes = Buffer.alloc(layout.end);
  MAGIC.copy(bytes, 0);
  for (const [at, value] of [entries.length, digestCount, pathBytes, linkBytes, xattrs.length].entries())
    bytes.writeUInt32LE(value, 8 + at * 4);
  let pathEnd = 0;
  let linkEnd = 0;
  let digest = 0;
  const { buffer } = bytes;
  const f64 = (at: number): Float64Array => new Float64Array(buffer, at, entries.length);
  const u32 = (at: number): Uint32Array => new Uint32Array(buffer, at, entries.length);
  const size = f64(layout.size);
  const mtime = f64(layout.mtime);
  const offset = f64(layout.offset);
  const mtimeNs = u32(layout.mtimeNs);
  const uid = u32(layout.uid);
  const gid = u32(layout.gid);
  const pathEnds = u32(layout.pathEnd);
  const linkEnds = u32(layout.linkEnd);
  const xattrNumbers = u32(layout.xattrs);
  const headerBytes = u32(layout.headerBytes);
  const mode = new Uint16Array(buffer, layout.mode, entries.length);
  for (let at = 0; at < entries.length; at += 1) {
    const entry = entries[at] as Entry;
    const device = entry.kind === 'char' || entry.kind === 'block';
    size[at] = device ? (entry.devMajor ?? 0) * 0x1_0000_0000 + (entry.devMinor ?? 0) : entry.size;
    mtime[at] = entry.mtime;
    offset[at] = entry.offset ?? 0;
    mtimeNs[at] = entry.mtimeNs;
    uid[at] = entry.uid;
    gid[at] = entry.gid;
    headerBytes[at] = entry.headerBytes ?? 0;
    mode[at] = entry.mode;
    bytes[layout.kind + at] = KIND_NUMBER.get(entry.kind) ?? 0;
    bytes[layout.pack + at] = entry.pack ?? 0;
    bytes.write(entry.path, layout.paths + pathEnd, 'latin1');
    pathEnds[at] = pathEnd += entry.path.length;
    if (entry.link !== undefined) bytes.write(entry.link, layout.links + linkEnd, 'latin1');
    linkEnds[at] = linkEnd += entry.link?.length ?? 0;
    if (entry.xattrs !== undefined) xattrNumbers[at] = xattrSets.get(xattrText(entry.xattrs)) ?? 0;
    if (entry.digest !== undefined) bytes.write(entry.digest.slice(7), layout.digests + 32 * digest++, 'hex');
    bytes[layout.flags + at] =
      (entry.opaque === true ? FLAG.opaque : 0) |
      (entry.digest === undefined ? 0 : FLAG.digest) |
      (entry.link === undefined ? 0 : FLAG.link) |
      (entry.offset === undefined ? 0 : FLAG.packed);
  }
  xattrs.copy(bytes, layout.xattrTable);
  const ofColumns = (): Digest => digestOfColumns(entries, bytes, pathEnds, layout);
  bytes.write((index instanceof SortedEntries ? index.digestBy(ofColumns) : index.contentDigest).slice(7), 32, 'hex');
  checksum(bytes).copy(bytes, 64);
  return bytes;
}

/** The content digest of entries whose columns are written: as `contentDigest`, but paths and digests are bytes already. */
function digestOfColumns(entries: readonly Entry[], bytes: Buffer, pathEnds: Uint32Array, layout: Layout): Digest {
  const facts = new FactsDigest();
  let start = layout.paths;
  let digest = layout.digests;
  for (let at = 0; at < entries.length; at += 1) {
    const entry = entries[at] as Entry;
    const { kind, mode, uid, gid } = entry;
    const end = layout.paths + (pathEnds[at] as number);
    if (entry.xattrs !== undefined || entry.opaque === true) facts.add(entry, entry.path, entry.digest, entry.opaque === true);
    else if (kind === 'dir' && entry.link === undefined) facts.addDirectory(NO_PREFIX, bytes, start, end, mode, uid, gid);
    else if (kind === 'file' && isSha256(entry.digest))
      facts.addFile(NO_PREFIX, bytes, start, end, mode, uid, gid, entry.size, bytes, digest);
    else facts.add(entry, entry.path, entry.digest, false);
    if (entry.digest !== undefined) digest += 32;
    start = end;
  }
  return facts.digest();
}

const NO_PREFIX = Buffer.alloc(0);

function isSha256(digest: Digest | undefined): boolean {
  return digest?.startsWith('sha256:') === true;
}

/** Reads an index file's bytes. Throws LAYER_INDEX_BROKEN for anything that `encodeLayerIndex` did not write. */
export function decodeLayerIndex(file: Uint8Array): LayerIndex {
  const columns = new IndexColumns(file);
  const entries = new Array<Entry>(columns.count);
  let at = 0;
  for (const entry of readEntries(columns)) entries[at++] = entry;
  return new SortedEntries(entries, columns.contentDigest);
}

/** The entries of such a file one after another, for who goes through them once: nothing is held for all of them. */
export function decodeEntries(file: Uint8Array): Iterable<Entry> {
  return readEntries(new IndexColumns(file));
}

function* readEntries(columns: IndexColumns): Generator<Entry, void, void> {
  let previous: Entry | undefined;
  for (let row = 0; row < columns.count; row += 1) {
    const entry = columns.entry(row);
    checkIndexed(entry, previous);
    yield entry;
    previous = entry;
  }
}

/** An index file's columns, read in place; paths are checked by those who make entries of them. */
export class IndexColumns {
  readonly bytes: Buffer;
  readonly count: number;
  readonly #layout: Layout;
  readonly #size: Float64Array;
  readonly #mtime: Float64Array;
  readonly #offset: Float64Array;
  readonly #mtimeNs: Uint32Array;
  readonly #uid: Uint32Array;
  readonly #gid: Uint32Array;
  readonly #pathEnd: Uint32Array;
  readonly #linkEnd: Uint32Array;
  readonly #xattrs: Uint32Array;
  readonly #headerBytes: Uint32Array;
  readonly #mode: Uint16Array;
  readonly #digestCount: number;
  readonly #digests: Uint32Array;
  #paths: string | undefined;
  #hex: string | undefined;
  #links: string | undefined;
  #xattrSets: readonly Readonly<Record<string, string>>[] | undefined;

  /** Checks the file as a whole. Throws LAYER_INDEX_BROKEN. */
  constructor(file: Uint8Array) {
    // Columns are read in place: they must be aligned.
    const bytes = file.byteOffset % 8 === 0 ? Buffer.from(file.buffer, file.byteOffset, file.length) : aligned(file);
    if (bytes.length < HEADER || !bytes.subarray(0, 8).equals(MAGIC)) throw indexBroken('unknown format');
    const count = bytes.readUInt32LE(8);
    if (count > MAX_ENTRIES) throw indexBroken(`${count} entries`);
    const layout = layoutOf(count, bytes.readUInt32LE(12), bytes.readUInt32LE(16), bytes.readUInt32LE(20), bytes.readUInt32LE(24));
    if (layout.end !== bytes.length) throw indexBroken(`expected ${layout.end} bytes, got ${bytes.length}`);
    if (!checksum(bytes).equals(bytes.subarray(64, 96))) throw indexBroken('its checksum does not match');
    const f64 = (at: number): Float64Array => new Float64Array(bytes.buffer, bytes.byteOffset + at, count);
    const u32 = (at: number): Uint32Array => new Uint32Array(bytes.buffer, bytes.byteOffset + at, count);
    this.bytes = bytes;
    this.count = count;
    this.#layout = layout;
    this.#digestCount = bytes.readUInt32LE(12);
    this.#size = f64(layout.size);
    this.#mtime = f64(layout.mtime);
    this.#offset = f64(layout.offset);
    this.#mtimeNs = u32(layout.mtimeNs);
    this.#uid = u32(layout.uid);
    this.#gid = u32(layout.gid);
    this.#pathEnd = u32(layout.pathEnd);
    this.#linkEnd = u32(layout.linkEnd);
    this.#xattrs = u32(layout.xattrs);
    this.#headerBytes = u32(layout.headerBytes);
    this.#mode = new Uint16Array(bytes.buffer, bytes.byteOffset + layout.mode, count);
    this.#digests = this.#check();
  }

  get contentDigest(): Digest {
    return `sha256:${this.bytes.toString('hex', 32, 64)}` as Digest;
  }

  /** A file or directory with its header in a pack, without attributes, not hiding anything, whose time needs no lowering. */
  isPlain(row: number, clampMtime: number | undefined): boolean {
    const kind = this.bytes[this.#layout.kind + row] as number;
    const flags = this.bytes[this.#layout.flags + row] as number;
    return (
      (kind === FILE ? (flags & FLAG.digest) !== 0 : kind === DIRECTORY) &&
      (flags & (FLAG.packed | FLAG.opaque | FLAG.link)) === FLAG.packed &&
      this.#xattrs[row] === 0 &&
      (this.#headerBytes[row] as number) > 0 &&
      !(clampMtime !== undefined && this.mtime(row) > clampMtime)
    );
  }

  isFile(row: number): boolean {
    return this.bytes[this.#layout.kind + row] === FILE;
  }

  /** Position of the path in `bytes`. */
  pathStart(row: number): number {
    return this.#layout.paths + (row === 0 ? 0 : (this.#pathEnd[row - 1] as number));
  }

  pathEnd(row: number): number {
    return this.#layout.paths + (this.#pathEnd[row] as number);
  }

  mode(row: number): number {
    return (this.#mode[row] as number) & 0o7777;
  }

  uid(row: number): number {
    return this.#uid[row] as number;
  }

  gid(row: number): number {
    return this.#gid[row] as number;
  }

  size(row: number): number {
    return this.#size[row] as number;
  }

  mtime(row: number): number {
    return this.#mtime[row] as number;
  }

  /** Where the bytes are in the pack; the header stands before them. */
  offset(row: number): number {
    return this.#offset[row] as number;
  }

  pack(row: number): number {
    return this.bytes[this.#layout.pack + row] as number;
  }

  headerBytes(row: number): number {
    return this.#headerBytes[row] as number;
  }

  /** Position of the digest in `bytes`, of rows that have one. */
  digest(row: number): number {
    return this.#layout.digests + 32 * (this.#digests[row] as number);
  }

  /** The row as an entry. */
  entry(row: number): Entry {
    const { bytes } = this;
    const layout = this.#layout;
    const flags = bytes[layout.flags + row] as number;
    const kind = KINDS[bytes[layout.kind + row] as number] as EntryKind;
    const wide = this.#size[row] as number;
    const device = kind === 'char' || kind === 'block';
    // Whole tables as one string each; the pieces share its memory.
    this.#paths ??= bytes.toString('latin1', layout.paths, layout.links);
    const entry: { -readonly [key in keyof Entry]: Entry[key] } = {
      path: this.#paths.slice(this.pathStart(row) - layout.paths, this.#pathEnd[row]),
      kind,
      mode: this.mode(row),
      uid: this.uid(row),
      gid: this.gid(row),
      size: device ? 0 : wide,
      mtime: this.mtime(row),
      mtimeNs: Math.min(this.#mtimeNs[row] as number, 999_999_999),
    };
    if ((flags & FLAG.link) !== 0) {
      this.#links ??= bytes.toString('latin1', layout.links, layout.xattrTable);
      entry.link = this.#links.slice(row === 0 ? 0 : this.#linkEnd[row - 1], this.#linkEnd[row]);
    }
    if (device) {
      entry.devMajor = Math.floor(wide / 0x1_0000_0000);
      entry.devMinor = wide % 0x1_0000_0000;
    }
    const xattrs = this.#xattrs[row] as number;
    if (xattrs !== 0) {
      this.#xattrSets ??= readXattrTable(bytes.toString('latin1', layout.xattrTable, layout.end));
      const set = this.#xattrSets[xattrs - 1];
      if (set === undefined) throw indexBroken('an attribute set that is not there');
      entry.xattrs = set;
    }
    if ((flags & FLAG.opaque) !== 0) entry.opaque = true;
    if ((flags & FLAG.digest) !== 0) {
      this.#hex ??= bytes.toString('hex', layout.digests, layout.paths);
      const at = (this.#digests[row] as number) * 64;
      entry.digest = `sha256:${this.#hex.slice(at, at + 64)}` as Digest;
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
    const { kind, flags, paths, links, xattrTable } = this.#layout;
    const digests = new Uint32Array(count);
    let path = 0;
    let link = 0;
    let digest = 0;
    for (let row = 0; row < count; row += 1) {
      const pathTo = this.#pathEnd[row] as number;
      const linkTo = this.#linkEnd[row] as number;
      if (
        (bytes[kind + row] as number) >= KINDS.length ||
        pathTo < path ||
        pathTo > links - paths ||
        linkTo < link ||
        linkTo > xattrTable - links
      )
        throw indexBroken('its columns do not fit together');
      const wide = this.#size[row] as number;
      if (!(wide >= 0 && Number.isSafeInteger(wide) && Number.isSafeInteger(this.#mtime[row]) && Number.isSafeInteger(this.#offset[row])))
        throw indexBroken('a number out of range');
      digests[row] = digest;
      if (((bytes[flags + row] as number) & FLAG.digest) !== 0) digest += 1;
      path = pathTo;
      link = linkTo;
    }
    if (digest > this.#digestCount) throw indexBroken('a digest that is not there');
    return digests;
  }
}

function xattrText(xattrs: Readonly<Record<string, string>>): string {
  return JSON.stringify(
    Object.keys(xattrs)
      .sort()
      .map((name) => [name, xattrs[name]]),
  );
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

function checksum(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes.subarray(0, 64)).update(bytes.subarray(HEADER)).digest();
}

function aligned(file: Uint8Array): Buffer {
  const copy = Buffer.from(new ArrayBuffer(file.length));
  copy.set(file);
  return copy;
}
