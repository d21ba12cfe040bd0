// Cuts a tar into groups of members, about 1 MiB each, by a rule that looks only at the members near the cut: a change moves no cut
// but its own, so groups that compress independently can be taken over from an earlier blob. The same tar always gives the same groups.

import { createHash } from 'node:crypto';
import type { Entry } from './entry.ts';
import { putBytes, putHex, putNumber } from '../base/index.ts';
import type { IndexColumns } from './index-columns.ts';
import { readFully } from './sha256.ts';
import { BLOCK, encodeTarHeader, hasTarForm, padding, TAR_END, tarDataSize } from './tar-header.ts';
import type { FileBytes } from './tree.ts';

/** Largest group: what a GroupSink's buffer holds. */
export const MAX_GROUP = 2 << 20;
const TARGET_GROUP = 1 << 20;
const MIN_GROUP = 64 << 10;

/** Takes groups in order. */
export interface GroupSink {
  /** An empty buffer of MAX_GROUP bytes for the next group. */
  begin(): Buffer;
  /** The buffer's first `length` bytes are a group. Equal keys mean equal bytes. */
  end(length: number, key: Buffer): void;
  /** The group is what `pieces` are, `length` bytes; `begin` was not called for it. False: the sink has to see them in its buffer. */
  endUnread?(length: number, key: Buffer, pieces: readonly TarPiece[]): boolean;
}

/** Bytes of a tar: at hand, or in a file that stays open until the tar is finished. */
export type TarPiece = Uint8Array | { readonly fd: number; readonly from: number; length: number };

/** Where files' bytes come from. Also asked for other entries that have `headerBytes`. */
export interface EntryBytes {
  open(entry: Entry): FileBytes;
  /** The open file of a pack, good until this is disposed; undefined when the bytes are in no packs. */
  pack?(number: number): number | undefined;
}

export interface AssembleOptions {
  /** Lower newer mtimes to this, seconds since the epoch. */
  readonly clampMtime?: number;
  /** Called now and then; throws to give up. */
  readonly check?: () => void;
}

/** Writes the tar of an index in our normal form into `sink`, group by group. Returns its size. */
export function assembleTar(entries: Iterable<Entry>, bytes: EntryBytes, sink: GroupSink, options: AssembleOptions = {}): number {
  const assembler = new Assembler(sink);
  let count = 0;
  for (const entry of entries) {
    if ((count++ & 1023) === 0) options.check?.();
    assembler.addClamped(entry, bytes, options.clampMtime);
  }
  return assembler.finish();
}

/** The same from an index file's columns: of what stands in packs nothing is made. */
export function assembleTarOf(columns: IndexColumns, bytes: EntryBytes, sink: GroupSink, options: AssembleOptions = {}): number {
  const assembler = new Assembler(sink);
  for (let row = 0; row < columns.count; row += 1) {
    if ((row & 1023) === 0) options.check?.();
    const keepsTime = options.clampMtime === undefined || columns.mtime(row) <= options.clampMtime;
    if (keepsTime && columns.isPlain(row) && columns.isPacked(row) && columns.headerBytes(row) > 0) {
      const fd = bytes.pack?.(columns.pack(row));
      if (fd !== undefined) {
        assembler.addRow(columns, row, fd);
        continue;
      }
    }
    assembler.addClamped(columns.entry(row), bytes, options.clampMtime);
  }
  return assembler.finish();
}

/** FNV-1a, 32 bits, of the path that ends `bytes`. */
function hashPath(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at += 1) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  // FNV's high bits are weak on short inputs: mix once.
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return (hash ^ (hash >>> 12)) >>> 0;
}

class Assembler {
  readonly #sink: GroupSink;
  #buffer: Buffer | undefined;
  #length = 0;
  #total = 0;
  /** What decides the group's bytes, hashed for its key: facts of its members in place of the bytes themselves. */
  readonly #facts = new GroupFacts();
  /** What is not in the buffer yet, from `#read` on. Nothing is read before somebody has to see it: mostly nobody has. */
  #pieces: TarPiece[] = [];
  #read = 0;
  /** The member being written: where it began in the tar, where its facts are among the group's, and a copy once it is more than that group. */
  #memberStart = 0;
  #memberFrom = 0;
  #memberFacts: Buffer | undefined;

  constructor(sink: GroupSink) {
    this.#sink = sink;
  }

  addClamped(entry: Entry, bytes: EntryBytes, clampMtime: number | undefined): void {
    if (!hasTarForm(entry)) return;
    const late = clampMtime !== undefined && entry.mtime > clampMtime;
    this.#add(late ? { ...entry, mtime: clampMtime, headerBytes: 0 } : entry, bytes);
  }

  /** A member that stands in a pack with its header and is plain. */
  addRow(columns: IndexColumns, row: number, fd: number): void {
    const header = columns.headerBytes(row);
    const size = columns.size(row);
    const whole = header + size + padding(size);
    const start = columns.pathStart(row);
    const end = columns.pathEnd(row);
    if (this.#cutsBefore(columns.bytes, start, end, whole)) this.#flush();
    this.#beginMember(this.#facts.addRow(columns, row));
    this.#putRun(fd, columns.offset(row) - header, whole);
  }

  #add(entry: Entry, bytes: EntryBytes): void {
    const size = tarDataSize(entry);
    const inPack = entry.headerBytes !== undefined && entry.headerBytes > 0 && entry.offset !== undefined;
    const header = inPack ? undefined : encodeTarHeader(entry);
    const whole = (header?.length ?? entry.headerBytes ?? 0) + size + padding(size);
    const path = Buffer.from(entry.path, 'latin1');
    if (this.#cutsBefore(path, 0, path.length, whole)) this.#flush();
    this.#beginMember(this.#facts.add(factsOf(entry)));
    const pack = entry.offset === undefined ? undefined : bytes.pack?.(entry.pack ?? 0);
    if (header === undefined && pack !== undefined) return this.#putRun(pack, (entry.offset ?? 0) - (entry.headerBytes ?? 0), whole);
    this.#put(header ?? encodeTarHeader(entry));
    if (size > 0) this.#putData(entry, pack, bytes);
    this.#put(ZEROS.subarray(0, padding(size)));
  }

  #beginMember(factsFrom: number): void {
    this.#memberStart = this.#total;
    this.#memberFrom = factsFrom;
    this.#memberFacts = undefined;
  }

  finish(): number {
    if (this.#length + TAR_END.length > MAX_GROUP) this.#flush();
    this.#facts.add('end');
    this.#put(TAR_END);
    this.#flush();
    return this.#total;
  }

  /** A large member starts a group; else a cut comes with a chance as large as the member is, so that groups have the wanted size. */
  #cutsBefore(path: Uint8Array, start: number, end: number, whole: number): boolean {
    if (this.#length === 0) return false;
    if (this.#length + Math.min(whole, MAX_GROUP) > MAX_GROUP) return true;
    return this.#length >= MIN_GROUP && hashPath(path, start, end) < (whole / TARGET_GROUP) * 0x1_0000_0000;
  }

  #put(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + Math.min(bytes.length - at, this.#room()));
      this.#pieces.push(part);
      this.#advance(part.length);
      at += part.length;
    }
  }

  /** Bytes of a file that stays open. */
  #putRun(fd: number, from: number, length: number): void {
    for (let at = 0; at < length;) {
      const part = Math.min(length - at, this.#room());
      const last = this.#pieces.at(-1);
      // They follow what is wanted before them: read at once.
      if (last !== undefined && 'fd' in last && last.fd === fd && last.from + last.length === from + at) last.length += part;
      else this.#pieces.push({ fd, from: from + at, length: part });
      this.#advance(part);
      at += part;
    }
  }

  #putData(entry: Entry, pack: number | undefined, bytes: EntryBytes): void {
    if (pack !== undefined) return this.#putRun(pack, entry.offset ?? 0, entry.size);
    using file = bytes.open(entry);
    for (let at = 0; at < entry.size;) {
      const part = Math.min(entry.size - at, this.#room());
      this.#pieces.push({ fd: file.fd, from: file.offset + at, length: part });
      this.#advance(part);
      // The file is closed next.
      this.#readPieces();
      at += part;
    }
  }

  /** Reads what is wanted into the group's buffer. */
  #readPieces(): void {
    const buffer = (this.#buffer ??= this.#sink.begin());
    for (const piece of this.#pieces) {
      if (piece instanceof Uint8Array) buffer.set(piece, this.#read);
      else readPiece(piece, buffer, this.#read);
      this.#read += piece.length;
    }
    this.#pieces = [];
  }

  /** How much the group can take; starts a new one when it is full. */
  #room(): number {
    if (this.#length === MAX_GROUP) {
      // A later part of one member: which one, and from where.
      const facts = (this.#memberFacts ??= this.#facts.since(this.#memberFrom));
      this.#flush();
      this.#facts.add(`from ${this.#total - this.#memberStart} of`);
      this.#facts.addBytes(facts);
    }
    return MAX_GROUP - this.#length;
  }

  #advance(count: number): void {
    this.#length += count;
    this.#total += count;
  }

  #flush(): void {
    if (this.#length === 0) return;
    const key = this.#facts.take();
    const unread = this.#buffer === undefined && this.#sink.endUnread?.(this.#length, key, this.#pieces) === true;
    if (!unread) {
      this.#readPieces();
      this.#sink.end(this.#length, key);
    }
    this.#pieces = [];
    this.#buffer = undefined;
    this.#read = this.#length = 0;
  }
}

/** Reads a piece of a file into memory. */
export function readPiece({ fd, from, length }: Exclude<TarPiece, Uint8Array>, into: Uint8Array, at: number): void {
  if (readFully(fd, into, at, length, from) !== length) throw new Error('internal: a file of the store is shorter than its index says');
}

const ZEROS = Buffer.alloc(BLOCK);
const KINDS = { file: Buffer.from('file\0'), dir: Buffer.from('dir\0') } as const;
const DIGEST = Buffer.from('sha256:');

/** The facts of a group's members, one a line, as bytes: what its key is the digest of. */
class GroupFacts {
  #bytes = Buffer.allocUnsafe(1 << 16);
  #length = 0;

  /** Position where the line starts. */
  add(text: string): number {
    const at = this.#begin(text.length);
    this.#length += this.#bytes.write(text, at, 'latin1');
    return at;
  }

  addBytes(line: Uint8Array): void {
    const at = this.#begin(line.length);
    this.#bytes.set(line, at);
    this.#length += line.length;
  }

  /** As `factsOf` of a plain file or directory. */
  addRow(columns: IndexColumns, row: number): number {
    const start = columns.pathStart(row);
    const end = columns.pathEnd(row);
    const from = this.#begin(end - start + ROW);
    const bytes = this.#bytes;
    const isFile = columns.isFile(row);
    let at = putBytes(bytes, from, isFile ? KINDS.file : KINDS.dir, 0, isFile ? 5 : 4);
    at = putBytes(bytes, at, columns.bytes, start, end);
    bytes[at++] = 0;
    at = putNumber(bytes, at, columns.mode(row));
    bytes[at++] = 0;
    at = putNumber(bytes, at, columns.uid(row));
    bytes[at++] = 0;
    at = putNumber(bytes, at, columns.gid(row));
    bytes[at++] = 0;
    at = putNumber(bytes, at, columns.mtime(row));
    bytes[at++] = 0;
    const size = columns.size(row);
    if (isFile) at = putNumber(bytes, at, size);
    if (isFile && size > 0) {
      bytes[at++] = 0;
      at = putBytes(bytes, at, DIGEST, 0, DIGEST.length);
      at = putHex(bytes, at, columns.bytes, columns.digest(row));
    }
    this.#length = at;
    return from;
  }

  /** A copy of what was added from there on. */
  since(from: number): Buffer {
    return Buffer.from(this.#bytes.subarray(from, this.#length));
  }

  /** The key of all that was added; nothing is left. */
  take(): Buffer {
    const key = createHash('sha256').update('group.v1\n').update(this.#bytes.subarray(0, this.#length)).digest();
    this.#length = 0;
    return key;
  }

  /** Makes room for a line and ends the one before. */
  #begin(length: number): number {
    if (this.#length + length + 1 > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + length + 1));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    if (this.#length > 0) this.#bytes[this.#length++] = 10;
    return this.#length;
  }
}

/** A row without its path is not longer. */
const ROW = 256;

/** Everything that a member's bytes in the tar follow from. Paths and links have no NUL; xattr values are counted. */
function factsOf(entry: Entry): string {
  const { kind, path, mode, uid, gid, size, mtime } = entry;
  let facts = `${kind}\0${path}\0${mode}\0${uid}\0${gid}\0${mtime}\0`;
  if (kind === 'file') facts += size === 0 ? '0' : `${size}\0${entry.digest ?? ''}`;
  else if (entry.link !== undefined) facts += entry.link;
  else if (entry.devMajor !== undefined) facts += `${entry.devMajor}\0${entry.devMinor ?? 0}`;
  else if (entry.opaque === true) facts += 'opaque';
  if (entry.xattrs === undefined) return facts;
  for (const name of Object.keys(entry.xattrs).sort()) {
    const value = entry.xattrs[name] ?? '';
    facts += `\0${name}\0${value.length}\0${value}`;
  }
  return facts;
}
