// Cuts a tar into groups of members, about 1 MiB each, by a rule that looks only at the members near the cut: a change moves no cut
// but its own, so groups that compress independently can be taken over from an earlier blob. The same tar always gives the same groups.

import { createHash } from 'node:crypto';
import type { Entry } from './entry.ts';
import { putBytes, putHex, putNumber } from '../base/index.ts';
import type { IndexColumns } from './index-columns.ts';
import { readFully } from './sha256.ts';
import { encodeTarHeader, hasTarForm, padding, TAR_END, tarDataSize } from './tar-header.ts';
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
  /** The group is `length` bytes of an open file; `begin` was not called for it. False: the sink has to see them in its buffer. */
  endUnread?(length: number, key: Buffer, fd: number, from: number): boolean;
}

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

/** The member being written: `start` is where it began in the tar. */
interface Member {
  /** Where its facts are among the group's, and a copy once it is more than that group. */
  readonly from: number;
  facts: Buffer | undefined;
  readonly start: number;
}

class Assembler {
  readonly #sink: GroupSink;
  #buffer: Buffer | undefined;
  #length = 0;
  #total = 0;
  /** What decides the group's bytes, hashed for its key: facts of its members in place of the bytes themselves. */
  readonly #facts = new GroupFacts();
  /** Bytes of one file (a pack) that are wanted next and follow one another: read at once. */
  #run: { readonly fd: number; readonly from: number; length: number; readonly at: number } | undefined;
  #member: Member | undefined;

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
    const from = this.#facts.addRow(columns, row);
    if (this.#extendRun(fd, columns.offset(row) - header, whole)) return;
    // It is larger than a group.
    this.#member = { from, facts: undefined, start: this.#total };
    this.#putFile(fd, columns.offset(row) - header, whole);
  }

  #add(entry: Entry, bytes: EntryBytes): void {
    const size = tarDataSize(entry);
    const inPack = entry.headerBytes !== undefined && entry.headerBytes > 0 && entry.offset !== undefined;
    const header = inPack ? undefined : encodeTarHeader(entry);
    const whole = (header?.length ?? entry.headerBytes ?? 0) + size + padding(size);
    const path = Buffer.from(entry.path, 'latin1');
    if (this.#cutsBefore(path, 0, path.length, whole)) this.#flush();
    const from = this.#facts.add(factsOf(entry));
    this.#member = { from, facts: undefined, start: this.#total };
    if (size === 0 && header !== undefined) {
      this.#put(header);
      return;
    }
    using file = bytes.open(entry);
    if (header === undefined && this.#extendRun(file.fd, file.offset - (entry.headerBytes ?? 0), whole)) return;
    this.#put(header ?? encodeTarHeader(entry));
    this.#putFile(file.fd, file.offset, size);
    this.#putZeros(padding(size));
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
    this.#endRun();
    let rest = bytes;
    while (rest.length > 0) {
      const room = this.#room();
      const part = rest.length <= room ? rest : rest.subarray(0, room);
      this.#memory().set(part, this.#length);
      this.#advance(part.length);
      rest = rest.subarray(part.length);
    }
  }

  #putZeros(count: number): void {
    if (count === 0) return;
    const length = Math.min(count, this.#room());
    this.#memory().fill(0, this.#length, this.#length + length);
    this.#advance(length);
    this.#putZeros(count - length);
  }

  #putFile(fd: number, offset: number, size: number): void {
    this.#endRun();
    for (let at = 0; at < size;) {
      const length = Math.min(size - at, this.#room());
      const got = readFully(fd, this.#memory(), this.#length, length, offset + at);
      if (got !== length) throw new Error('internal: a file of the store is shorter than its index says');
      at += length;
      this.#advance(length);
    }
  }

  /** Notes that header, data and padding stand in the file as they are wanted. False: they do not fit into the group. */
  #extendRun(fd: number, from: number, whole: number): boolean {
    if (whole > this.#room()) return false;
    if (this.#run === undefined || this.#run.fd !== fd || this.#run.from + this.#run.length !== from) {
      this.#endRun();
      this.#run = { fd, from, length: 0, at: this.#length };
    }
    this.#run.length += whole;
    this.#length += whole;
    this.#total += whole;
    return true;
  }

  #endRun(): void {
    const run = this.#run;
    if (run === undefined) return;
    this.#run = undefined;
    const got = readFully(run.fd, this.#memory(), run.at, run.length, run.from);
    if (got !== run.length) throw new Error('internal: a pack of the store is shorter than its index says');
  }

  /** How much the group can take; starts a new one when it is full. */
  #room(): number {
    if (this.#length === MAX_GROUP) {
      // A later part of one member: which one, and from where.
      const member = this.#member as Member;
      const facts = (member.facts ??= this.#facts.since(member.from));
      this.#flush();
      this.#facts.add(`from ${this.#total - member.start} of`);
      this.#facts.addBytes(facts);
    }
    return MAX_GROUP - this.#length;
  }

  /** The group's buffer, asked for when something is put into it. */
  #memory(): Buffer {
    return (this.#buffer ??= this.#sink.begin());
  }

  #advance(count: number): void {
    this.#length += count;
    this.#total += count;
  }

  #flush(): void {
    if (this.#length === 0) return;
    const key = this.#facts.take();
    const run = this.#run;
    // One run is the whole group: perhaps nobody has to see it in memory.
    const unread = run?.at === 0 && this.#buffer === undefined && this.#sink.endUnread?.(this.#length, key, run.fd, run.from) === true;
    if (unread) this.#run = undefined;
    else {
      this.#endRun();
      this.#sink.end(this.#length, key);
    }
    this.#buffer = undefined;
    this.#length = 0;
  }
}

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
