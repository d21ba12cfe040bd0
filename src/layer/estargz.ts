// eStargz: a gzip layer in which each file's bytes start a gzip member of their own, with a table of contents at the end, so that a
// snapshotter can fetch single files (containerd stargz-snapshotter: docs/estargz.md). Every gzip reader still reads it.

import { Buffer } from 'node:buffer';
import { type Digest, fromBytePath } from '../base/index.ts';
import type { BlobBlock } from './block-map.ts';
import type { Entry } from './entry.ts';
import { readFully, sha256Of } from './sha256.ts';
import { type AssembleOptions, type EntryBytes, type GroupSink, MAX_GROUP } from './tar-groups.ts';
import { encodeTarHeader, hasTarForm, padding, TAR_END } from './tar-header.ts';
import { opaqueName, whiteoutName } from './whiteout.ts';

const TOC_NAME = 'stargz.index.json';
const PLAIN: Entry = { path: '', kind: 'file', mode: 0o444, uid: 0, gid: 0, size: 0, mtime: 0, mtimeNs: 0 };
const TYPES: Readonly<Partial<Record<Entry['kind'], string>>> = {
  file: 'reg',
  whiteout: 'reg',
  dir: 'dir',
  symlink: 'symlink',
  hardlink: 'hardlink',
  char: 'char',
  block: 'block',
  fifo: 'fifo',
};

/** Seconds since the epoch at the ends of what RFC 3339 can say; a tar can say more. */
const YEAR_0 = -62_167_219_200;
const YEAR_10000 = 253_402_300_800;

/** A sink that tells, when all groups were compressed, where each block stands. */
export interface PlacingSink extends GroupSink {
  settle(): readonly BlobBlock[];
  /** Appends bytes to the blob that are no group. */
  append(bytes: Uint8Array): void;
}

/** Digest of the table of contents: an annotation of the layer's descriptor. */
export interface EstargzTable {
  readonly tocDigest: Digest;
}

/** One file, or a later part of one, of the table. `group`: which group has its bytes. */
interface TocEntry {
  readonly facts: Record<string, unknown>;
  readonly group?: number;
}

/**
 * Writes a layer in this form. Behind the end of the archive the table is one more, so the DiffID is another than the plain tar's, but who
 * unpacks the layer sees no file of ours (as BuildKit does it).
 */
export function assembleEstargz(
  entries: Iterable<Entry>,
  bytes: EntryBytes,
  sink: PlacingSink,
  options: AssembleOptions = {},
): EstargzTable {
  const writer = new GroupedWriter(sink);
  const toc: TocEntry[] = [];
  let count = 0;
  const addFile = (entry: Entry, file: { readonly fd: number; readonly offset: number }): void => {
    writer.put(encodeTarHeader(entry));
    for (let at = 0; at < entry.size; at += MAX_GROUP) {
      const length = Math.min(MAX_GROUP, entry.size - at);
      const digest = writer.chunk(file, at, length);
      const chunk = entry.size > MAX_GROUP ? { chunkOffset: at, chunkSize: length } : {};
      const facts = at === 0 ? tocFacts(entry) : { name: tocName(entry), type: 'chunk' };
      toc.push({ facts: { ...facts, ...chunk, chunkDigest: digest }, group: writer.groups - 1 });
    }
    writer.put(Buffer.alloc(padding(entry.size)));
    if (entry.size === 0) toc.push({ facts: tocFacts(entry) });
  };
  for (const original of entries) {
    if (!hasTarForm(original)) continue;
    if ((count++ & 1023) === 0) options.check?.();
    const { clampMtime } = options;
    const entry = clampMtime !== undefined && original.mtime > clampMtime ? { ...original, mtime: clampMtime } : original;
    if (entry.kind === 'file' && entry.size > 0) {
      using file = bytes.open(entry);
      addFile(entry, file);
      continue;
    }
    writer.put(encodeTarHeader(entry));
    toc.push({ facts: tocFacts(entry) });
    if (entry.opaque === true) toc.push({ facts: { name: fromBytePath(opaqueName(entry.path)), type: 'reg' } });
  }
  return finish(writer, sink, toc);
}

function finish(writer: GroupedWriter, sink: PlacingSink, toc: readonly TocEntry[]): EstargzTable {
  writer.put(TAR_END);
  writer.flush();
  const blocks = sink.settle();
  const placed = toc.map(({ facts, group }) => (group === undefined ? facts : { ...facts, offset: blocks[group]?.offset }));
  const table = Buffer.from(JSON.stringify({ version: 1, entries: placed }));
  const last = blocks.at(-1);
  const tocOffset = last === undefined ? 0 : last.offset + last.length;
  writer.put(encodeTarHeader({ ...PLAIN, path: TOC_NAME, size: table.length }));
  writer.put(table);
  writer.put(Buffer.alloc(padding(table.length)));
  writer.put(TAR_END);
  writer.flush();
  sink.settle();
  sink.append(footer(tocOffset));
  return { tocDigest: sha256Of(table) };
}

/** An empty gzip member whose header says where the table starts. */
function footer(tocOffset: number): Buffer {
  const place = Buffer.from(`${tocOffset.toString(16).padStart(16, '0')}STARGZ`);
  const head = Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, place.length + 4, 0, 0x53, 0x47, place.length, 0]);
  return Buffer.concat([head, place, Buffer.from([1, 0, 0, 0xff, 0xff]), Buffer.alloc(8)]);
}

function tocName(entry: Entry): string {
  if (entry.kind === 'whiteout') return fromBytePath(whiteoutName(entry.path));
  return fromBytePath(entry.kind === 'dir' ? `${entry.path}/` : entry.path);
}

function tocFacts(entry: Entry): Record<string, unknown> {
  const { kind, size, link, uid, gid, mtime, xattrs } = entry;
  return {
    name: tocName(entry),
    type: TYPES[kind],
    ...(size > 0 ? { size } : {}),
    ...(mtime === 0 || mtime < YEAR_0 || mtime >= YEAR_10000
      ? {}
      : { modtime: new Date(mtime * 1000).toISOString().replace('.000Z', 'Z') }),
    ...(link === undefined ? {} : { linkName: fromBytePath(link) }),
    mode: entry.mode,
    ...(uid === 0 ? {} : { uid }),
    ...(gid === 0 ? {} : { gid }),
    ...(kind === 'char' || kind === 'block' ? { devMajor: entry.devMajor ?? 0, devMinor: entry.devMinor ?? 0 } : {}),
    ...(xattrs === undefined || kind === 'hardlink' ? {} : { xattrs: base64Of(xattrs) }),
    ...(size > 0 && entry.digest !== undefined ? { digest: entry.digest } : {}),
  };
}

function base64Of(xattrs: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(xattrs).map(([name, value]) => [name, Buffer.from(value, 'latin1').toString('base64')]));
}

/** Gathers headers and padding into groups; a chunk of a file is always a group of its own. */
class GroupedWriter {
  readonly #sink: GroupSink;
  #buffer: Buffer | undefined;
  #length = 0;
  /** How many groups were ended. */
  groups = 0;

  constructor(sink: GroupSink) {
    this.#sink = sink;
  }

  put(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      this.#buffer ??= this.#sink.begin();
      const length = Math.min(MAX_GROUP - this.#length, bytes.length - at);
      this.#buffer.set(bytes.subarray(at, at + length), this.#length);
      this.#length += length;
      at += length;
      if (this.#length === MAX_GROUP) this.flush();
    }
  }

  /** Returns the chunk's digest. */
  chunk(file: { readonly fd: number; readonly offset: number }, at: number, length: number): Digest {
    this.flush();
    const buffer = (this.#buffer = this.#sink.begin());
    if (readFully(file.fd, buffer, 0, length, file.offset + at) !== length) throw new Error('internal: a file of the store is too short');
    this.#length = length;
    const digest = sha256Of(buffer.subarray(0, length));
    this.flush();
    return digest;
  }

  flush(): void {
    if (this.#buffer === undefined || this.#length === 0) return;
    const key = Buffer.from(sha256Of(this.#buffer.subarray(0, this.#length)).slice(7), 'hex');
    this.#sink.end(this.#length, key);
    this.#buffer = undefined;
    this.#length = 0;
    this.groups += 1;
  }
}
