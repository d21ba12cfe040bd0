// A layer index as a file: written from entries and from runs of rows of another one, read as entries.

import type { Digest } from '../base/index.ts';
import type { Entry, EntryKind } from './entry.ts';
import { FactsDigest } from './facts-digest.ts';
import { IndexColumns } from './index-columns.ts';
import { checksum, type Columns, columnsOf, FLAG, KINDS, type Layout, layoutOf, MAGIC } from './index-layout.ts';
import { checkIndexed, SortedEntries } from './layer-index.ts';
import type { LayerIndex } from './tree.ts';

/** Rows `from` up to `to` of another index, plain ones that stand in packs. */
export interface IndexRun {
  readonly rows: IndexColumns;
  readonly from: number;
  readonly to: number;
  /** By its numbers of packs, those here. */
  readonly packs: readonly number[];
}

/** What an index is put together from: each part's paths are behind those of the one before. */
export type IndexPart = readonly Entry[] | IndexRun;

/** The file's bytes. Equal indices give equal bytes. */
export function encodeLayerIndex(index: LayerIndex): Buffer {
  if (index instanceof ColumnIndex) return index.columns.bytes;
  const digestOf = (columns: IndexColumns): Digest =>
    index instanceof SortedEntries ? index.digestBy(() => digestOfColumns(columns)) : index.contentDigest;
  return encodeParts([index.entries], digestOf).bytes;
}

/** An index of parts. */
export function joinIndex(parts: readonly IndexPart[]): ColumnIndex {
  const [only, ...others] = parts;
  const entries = only === undefined || 'rows' in only || others.length > 0 ? undefined : only;
  return new ColumnIndex(encodeParts(parts, digestOfColumns), entries);
}

/** An index whose entries are made when somebody asks for them. */
export class ColumnIndex implements LayerIndex {
  readonly columns: IndexColumns;
  #entries: readonly Entry[] | undefined;

  /** `entries`: where they were made already. */
  constructor(columns: IndexColumns, entries?: readonly Entry[]) {
    this.columns = columns;
    this.#entries = entries;
  }

  get entries(): readonly Entry[] {
    return (this.#entries ??= [...readEntries(this.columns)]);
  }

  get contentDigest(): Digest {
    return this.columns.contentDigest;
  }
}

/** How many entries an index has, and how many bytes are in its files. */
export function measureIndex(index: LayerIndex): { readonly entries: number; readonly size: number } {
  let size = 0;
  if (!(index instanceof ColumnIndex)) {
    for (const entry of index.entries) if (entry.kind === 'file') size += entry.size;
    return { entries: index.entries.length, size };
  }
  const { columns } = index;
  for (let row = 0; row < columns.count; row += 1) if (columns.isFile(row)) size += columns.size(row);
  return { entries: columns.count, size };
}

/** Reads an index file's bytes. Throws LAYER_INDEX_BROKEN for anything that `encodeLayerIndex` did not write. */
export function decodeLayerIndex(file: Uint8Array): LayerIndex {
  const columns = IndexColumns.read(file);
  const entries = new Array<Entry>(columns.count);
  let at = 0;
  for (const entry of readEntries(columns)) entries[at++] = entry;
  return new SortedEntries(entries, columns.contentDigest);
}

/** The entries of such a file one after another, for who goes through them once: nothing is held for all of them. */
export function decodeEntries(file: Uint8Array): Iterable<Entry> {
  return readEntries(IndexColumns.read(file));
}

function* readEntries(columns: IndexColumns): Generator<Entry, void, void> {
  columns.readTables();
  let previous: Entry | undefined;
  for (let row = 0; row < columns.count; row += 1) {
    const entry = columns.entry(row);
    checkIndexed(entry, previous);
    yield entry;
    previous = entry;
  }
}

function encodeParts(parts: readonly IndexPart[], digestOf: (columns: IndexColumns) => Digest): IndexColumns {
  const filler = new IndexFiller(measure(parts));
  for (const part of parts) {
    if ('rows' in part) filler.addRun(part);
    else for (const entry of part) filler.addEntry(entry);
  }
  const columns = filler.finish();
  columns.bytes.write(digestOf(columns).slice(7), 32, 'hex');
  checksum(columns.bytes).copy(columns.bytes, 64);
  return columns;
}

/** How much room an index takes. */
interface IndexSize {
  count: number;
  digests: number;
  paths: number;
  links: number;
  /** Numbers of sets of attributes, from 1. */
  readonly xattrSets: Map<string, number>;
}

function measure(parts: readonly IndexPart[]): IndexSize {
  const size: IndexSize = { count: 0, digests: 0, paths: 0, links: 0, xattrSets: new Map() };
  for (const part of parts) {
    if ('rows' in part) {
      const { rows, from, to } = part;
      size.count += to - from;
      size.digests += rows.digestsBefore(to) - rows.digestsBefore(from);
      size.paths += rows.pathEnd(to - 1) - rows.pathStart(from);
      continue;
    }
    size.count += part.length;
    for (const { path, link, digest, xattrs } of part) {
      size.paths += path.length;
      size.links += link?.length ?? 0;
      if (digest !== undefined) size.digests += 1;
      if (xattrs === undefined) continue;
      const set = xattrText(xattrs);
      if (!size.xattrSets.has(set)) size.xattrSets.set(set, size.xattrSets.size + 1);
    }
  }
  return size;
}

/** Fills columns and tables row by row. */
class IndexFiller {
  readonly #bytes: Buffer;
  readonly #layout: Layout;
  readonly #columns: Columns;
  readonly #xattrSets: ReadonlyMap<string, number>;
  #row = 0;
  #pathEnd = 0;
  #linkEnd = 0;
  #digests = 0;

  constructor({ count, digests, paths, links, xattrSets }: IndexSize) {
    const xattrs = Buffer.from([...xattrSets.keys()].join('\n'), 'latin1');
    this.#layout = layoutOf(count, digests, paths, links, xattrs.length);
    this.#bytes = Buffer.alloc(this.#layout.end);
    this.#columns = columnsOf(this.#bytes, this.#layout, count);
    this.#xattrSets = xattrSets;
    MAGIC.copy(this.#bytes, 0);
    for (const [at, value] of [count, digests, paths, links, xattrs.length].entries()) this.#bytes.writeUInt32LE(value, 8 + at * 4);
    xattrs.copy(this.#bytes, this.#layout.xattrTable);
  }

  addEntry(entry: Entry): void {
    const bytes = this.#bytes;
    const layout = this.#layout;
    const columns = this.#columns;
    const row = this.#row++;
    const device = entry.kind === 'char' || entry.kind === 'block';
    columns.size[row] = device ? (entry.devMajor ?? 0) * 0x1_0000_0000 + (entry.devMinor ?? 0) : entry.size;
    columns.mtime[row] = entry.mtime;
    columns.offset[row] = entry.offset ?? 0;
    columns.mtimeNs[row] = entry.mtimeNs;
    columns.uid[row] = entry.uid;
    columns.gid[row] = entry.gid;
    columns.headerBytes[row] = entry.headerBytes ?? 0;
    columns.mode[row] = entry.mode;
    bytes[layout.kind + row] = KIND_NUMBER.get(entry.kind) ?? 0;
    bytes[layout.pack + row] = entry.pack ?? 0;
    bytes.write(entry.path, layout.paths + this.#pathEnd, 'latin1');
    columns.pathEnd[row] = this.#pathEnd += entry.path.length;
    if (entry.link !== undefined) bytes.write(entry.link, layout.links + this.#linkEnd, 'latin1');
    columns.linkEnd[row] = this.#linkEnd += entry.link?.length ?? 0;
    if (entry.xattrs !== undefined) columns.xattrs[row] = this.#xattrSets.get(xattrText(entry.xattrs)) ?? 0;
    if (entry.digest !== undefined) bytes.write(entry.digest.slice(7), layout.digests + 32 * this.#digests++, 'hex');
    bytes[layout.flags + row] =
      (entry.opaque === true ? FLAG.opaque : 0) |
      (entry.digest === undefined ? 0 : FLAG.digest) |
      (entry.link === undefined ? 0 : FLAG.link) |
      (entry.offset === undefined ? 0 : FLAG.packed);
  }

  addRun({ rows, from, to, packs }: IndexRun): void {
    const into = this.#columns;
    const row = this.#row;
    for (const name of COPIED) into[name].set(rows.columns[name].subarray(from, to), row);
    const start = rows.pathStart(from);
    const moved = this.#pathEnd - (start - rows.layout.paths);
    for (let at = from; at < to; at += 1) {
      into.pathEnd[row + at - from] = (rows.columns.pathEnd[at] as number) + moved;
      this.#bytes[this.#layout.pack + row + at - from] = packs[rows.pack(at)] as number;
    }
    into.linkEnd.fill(this.#linkEnd, row, row + to - from);
    this.#copy(rows, rows.layout.kind + from, rows.layout.kind + to, this.#layout.kind + row);
    this.#copy(rows, rows.layout.flags + from, rows.layout.flags + to, this.#layout.flags + row);
    this.#copy(rows, start, rows.pathEnd(to - 1), this.#layout.paths + this.#pathEnd);
    const [first, end] = [rows.digestsBefore(from), rows.digestsBefore(to)];
    this.#copy(rows, rows.layout.digests + 32 * first, rows.layout.digests + 32 * end, this.#layout.digests + 32 * this.#digests);
    this.#row += to - from;
    this.#pathEnd += rows.pathEnd(to - 1) - start;
    this.#digests += end - first;
  }

  finish(): IndexColumns {
    return IndexColumns.written(this.#bytes, this.#layout);
  }

  #copy({ bytes }: IndexColumns, from: number, to: number, at: number): void {
    this.#bytes.set(bytes.subarray(from, to), at);
  }
}

const KIND_NUMBER = new Map<EntryKind, number>(KINDS.map((kind, number) => [kind, number]));
/** Columns of plain rows that are the same in another index. */
const COPIED = ['size', 'mtime', 'offset', 'mtimeNs', 'uid', 'gid', 'xattrs', 'headerBytes', 'mode'] as const;

/** The content digest: as `contentDigest`, but paths and digests are bytes already. */
function digestOfColumns(columns: IndexColumns): Digest {
  const facts = new FactsDigest();
  const { bytes } = columns;
  for (let row = 0; row < columns.count; row += 1) {
    if (!columns.isPlain(row)) {
      const entry = columns.entry(row);
      facts.add(entry, entry.path, entry.digest, entry.opaque === true);
      continue;
    }
    const start = columns.pathStart(row);
    const end = columns.pathEnd(row);
    const mode = columns.mode(row);
    const uid = columns.uid(row);
    const gid = columns.gid(row);
    if (!columns.isFile(row)) facts.addDirectory(NO_PREFIX, bytes, start, end, mode, uid, gid);
    else facts.addFile(NO_PREFIX, bytes, start, end, mode, uid, gid, columns.size(row), bytes, columns.digest(row));
  }
  return facts.digest();
}

const NO_PREFIX = Buffer.alloc(0);

function xattrText(xattrs: Readonly<Record<string, string>>): string {
  return JSON.stringify(
    Object.keys(xattrs)
      .sort()
      .map((name) => [name, xattrs[name]]),
  );
}
