// A layer index as a file: columns of fixed width, then tables of text. 50,000 entries open in about 20 ms.

import { createHash } from 'node:crypto';
import type { Digest } from '../base/index.ts';
import type { Entry, EntryKind } from './entry.ts';
import { checkIndexed, indexBroken, SortedEntries } from './layer-index.ts';
import type { LayerIndex } from './tree.ts';

// Layout, little endian:
//   0 magic `SLWLIDX1`; 8 u32 count; 12 u32 digests; 16 u32 bytes of paths; 20 of links; 24 of xattrs; 28 u32 zero;
//  32 content digest; 64 sha256 over everything else (bytes 0…64 and 96…); 96 columns, in the order of `layoutOf`.
const MAGIC = Buffer.from('SLWLIDX1');
const HEADER = 96;
const KINDS: readonly EntryKind[] = ['file', 'dir', 'symlink', 'hardlink', 'char', 'block', 'fifo', 'socket', 'whiteout'];
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
  bytes.write(index.contentDigest.slice(7), 32, 'hex');
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
  checksum(bytes).copy(bytes, 64);
  return bytes;
}

/** Reads an index file's bytes. Throws LAYER_INDEX_BROKEN for anything that `encodeLayerIndex` did not write. */
export function decodeLayerIndex(file: Uint8Array): LayerIndex {
  const opened = openColumns(file);
  const entries = new Array<Entry>(opened.count);
  let at = 0;
  for (const entry of readEntries(opened)) entries[at++] = entry;
  return new SortedEntries(entries, `sha256:${opened.bytes.toString('hex', 32, 64)}` as Digest);
}

/** The entries of such a file one after another, for who goes through them once: nothing is held for all of them. */
export function decodeEntries(file: Uint8Array): Iterable<Entry> {
  return readEntries(openColumns(file));
}

interface Columns {
  readonly bytes: Buffer;
  readonly layout: Layout;
  readonly count: number;
  readonly digestCount: number;
}

/** Checks the file as a whole. */
function openColumns(file: Uint8Array): Columns {
  // Columns are read in place: they must be aligned.
  const bytes = file.byteOffset % 8 === 0 ? Buffer.from(file.buffer, file.byteOffset, file.length) : aligned(file);
  if (bytes.length < HEADER || !bytes.subarray(0, 8).equals(MAGIC)) throw indexBroken('unknown format');
  const count = bytes.readUInt32LE(8);
  if (count > MAX_ENTRIES) throw indexBroken(`${count} entries`);
  const digestCount = bytes.readUInt32LE(12);
  const layout = layoutOf(count, digestCount, bytes.readUInt32LE(16), bytes.readUInt32LE(20), bytes.readUInt32LE(24));
  if (layout.end !== bytes.length) throw indexBroken(`expected ${layout.end} bytes, got ${bytes.length}`);
  if (!checksum(bytes).equals(bytes.subarray(64, 96))) throw indexBroken('its checksum does not match');
  return { bytes, layout, count, digestCount };
}

function* readEntries({ bytes, layout, count, digestCount }: Columns): Generator<Entry, void, void> {
  const f64 = (at: number): Float64Array => new Float64Array(bytes.buffer, bytes.byteOffset + at, count);
  const u32 = (at: number): Uint32Array => new Uint32Array(bytes.buffer, bytes.byteOffset + at, count);
  const size = f64(layout.size);
  const mtime = f64(layout.mtime);
  const offset = f64(layout.offset);
  const mtimeNs = u32(layout.mtimeNs);
  const uid = u32(layout.uid);
  const gid = u32(layout.gid);
  const pathEnd = u32(layout.pathEnd);
  const linkEnd = u32(layout.linkEnd);
  const xattrNumber = u32(layout.xattrs);
  const headerBytes = u32(layout.headerBytes);
  const mode = new Uint16Array(bytes.buffer, bytes.byteOffset + layout.mode, count);
  // Whole tables as one string each; the pieces share its memory.
  const digests = bytes.toString('hex', layout.digests, layout.paths);
  const paths = bytes.toString('latin1', layout.paths, layout.links);
  const links = bytes.toString('latin1', layout.links, layout.xattrTable);
  const xattrSets = readXattrTable(bytes.toString('latin1', layout.xattrTable, layout.end));
  let previous: Entry | undefined;
  let path = 0;
  let link = 0;
  let digest = 0;
  for (let at = 0; at < count; at += 1) {
    const kind = KINDS[bytes[layout.kind + at] ?? 255];
    const flags = bytes[layout.flags + at] ?? 0;
    const pathTo = pathEnd[at] ?? 0;
    const linkTo = linkEnd[at] ?? 0;
    const wide = size[at] ?? 0;
    if (kind === undefined || pathTo < path || pathTo > paths.length || linkTo < link || linkTo > links.length) {
      throw indexBroken('its columns do not fit together');
    }
    if (!(wide >= 0 && Number.isSafeInteger(wide) && Number.isSafeInteger(mtime[at]) && Number.isSafeInteger(offset[at]))) {
      throw indexBroken('a number out of range');
    }
    const device = kind === 'char' || kind === 'block';
    const entry: { -readonly [key in keyof Entry]: Entry[key] } = {
      path: paths.slice(path, pathTo),
      kind,
      mode: (mode[at] ?? 0) & 0o7777,
      uid: uid[at] ?? 0,
      gid: gid[at] ?? 0,
      size: device ? 0 : wide,
      mtime: mtime[at] ?? 0,
      mtimeNs: Math.min(mtimeNs[at] ?? 0, 999_999_999),
    };
    if ((flags & FLAG.link) !== 0) entry.link = links.slice(link, linkTo);
    if (device) {
      entry.devMajor = Math.floor(wide / 0x1_0000_0000);
      entry.devMinor = wide % 0x1_0000_0000;
    }
    const xattrs = xattrNumber[at] ?? 0;
    if (xattrs !== 0) {
      const set = xattrSets[xattrs - 1];
      if (set === undefined) throw indexBroken('an attribute set that is not there');
      entry.xattrs = set;
    }
    if ((flags & FLAG.opaque) !== 0) entry.opaque = true;
    if ((flags & FLAG.digest) !== 0) {
      if (digest >= digestCount) throw indexBroken('a digest that is not there');
      entry.digest = `sha256:${digests.slice(digest * 64, digest * 64 + 64)}` as Digest;
      digest += 1;
    }
    if ((flags & FLAG.packed) !== 0) {
      entry.offset = offset[at] ?? 0;
      const pack = bytes[layout.pack + at] ?? 0;
      if (pack !== 0) entry.pack = pack;
      const header = headerBytes[at] ?? 0;
      if (header !== 0) entry.headerBytes = header;
    }
    checkIndexed(entry, previous);
    yield entry;
    previous = entry;
    path = pathTo;
    link = linkTo;
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
