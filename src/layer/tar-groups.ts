// Cuts a tar into groups of members, about 1 MiB each, by a rule that looks only at the members near the cut: a change moves no cut
// but its own, so groups that compress independently can be taken over from an earlier blob. The same tar always gives the same groups.

import { createHash } from 'node:crypto';
import type { Entry } from './entry.ts';
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
}

/** Where files' bytes come from. Also asked for other entries that have `headerBytes`. */
export interface EntryBytes {
  open(entry: Entry): FileBytes;
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
    if (!hasTarForm(entry)) continue;
    if ((count++ & 1023) === 0) options.check?.();
    const late = options.clampMtime !== undefined && entry.mtime > options.clampMtime;
    assembler.add(late ? { ...entry, mtime: options.clampMtime, headerBytes: 0 } : entry, bytes);
  }
  return assembler.finish();
}

/** FNV-1a, 32 bits. */
function hashPath(path: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < path.length; at += 1) hash = Math.imul(hash ^ path.charCodeAt(at), 0x01000193);
  // FNV's high bits are weak on short inputs: mix once.
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return (hash ^ (hash >>> 12)) >>> 0;
}

/** The member being written: `start` is where it began in the tar. */
interface Member {
  readonly facts: string;
  readonly start: number;
}

class Assembler {
  readonly #sink: GroupSink;
  #buffer: Buffer | undefined;
  #length = 0;
  #total = 0;
  /** What decides the group's bytes, hashed for its key: facts of its members in place of the bytes themselves. */
  #facts: string[] = [];
  /** Bytes of one file (a pack) that are wanted next and follow one another: read at once. */
  #run: { readonly fd: number; readonly from: number; length: number; readonly at: number } | undefined;
  #member: Member | undefined;

  constructor(sink: GroupSink) {
    this.#sink = sink;
  }

  add(entry: Entry, bytes: EntryBytes): void {
    const size = tarDataSize(entry);
    const inPack = entry.headerBytes !== undefined && entry.headerBytes > 0 && entry.offset !== undefined;
    const header = inPack ? undefined : encodeTarHeader(entry);
    const whole = (header?.length ?? entry.headerBytes ?? 0) + size + padding(size);
    if (this.#cutsBefore(entry, whole)) this.#flush();
    const facts = factsOf(entry);
    this.#member = { facts, start: this.#total };
    this.#facts.push(facts);
    if (size === 0 && header !== undefined) {
      this.#put(header);
      return;
    }
    using file = bytes.open(entry);
    if (header === undefined && this.#extendRun(file, entry.headerBytes ?? 0, whole)) return;
    this.#put(header ?? encodeTarHeader(entry));
    this.#putFile(file, size);
    this.#putZeros(padding(size));
  }

  finish(): number {
    if (this.#length + TAR_END.length > MAX_GROUP) this.#flush();
    this.#facts.push('end');
    this.#put(TAR_END);
    this.#flush();
    return this.#total;
  }

  /** A large member starts a group; else a cut comes with a chance as large as the member is, so that groups have the wanted size. */
  #cutsBefore(entry: Entry, whole: number): boolean {
    if (this.#length === 0) return false;
    if (this.#length + Math.min(whole, MAX_GROUP) > MAX_GROUP) return true;
    return this.#length >= MIN_GROUP && hashPath(entry.path) < (whole / TARGET_GROUP) * 0x1_0000_0000;
  }

  #put(bytes: Uint8Array): void {
    this.#endRun();
    let rest = bytes;
    while (rest.length > 0) {
      const room = this.#room();
      const part = rest.length <= room ? rest : rest.subarray(0, room);
      (this.#buffer as Buffer).set(part, this.#length);
      this.#advance(part.length);
      rest = rest.subarray(part.length);
    }
  }

  #putZeros(count: number): void {
    if (count === 0) return;
    const length = Math.min(count, this.#room());
    (this.#buffer as Buffer).fill(0, this.#length, this.#length + length);
    this.#advance(length);
    this.#putZeros(count - length);
  }

  #putFile(file: FileBytes, size: number): void {
    for (let at = 0; at < size;) {
      const length = Math.min(size - at, this.#room());
      const got = readFully(file.fd, this.#buffer as Buffer, this.#length, length, file.offset + at);
      if (got !== length) throw new Error('internal: a file of the store is shorter than its index says');
      at += length;
      this.#advance(length);
    }
  }

  /** Notes that header, data and padding stand in the file as they are wanted. False: they do not fit into the group. */
  #extendRun(file: FileBytes, header: number, whole: number): boolean {
    if (whole > this.#room()) return false;
    const from = file.offset - header;
    if (this.#run === undefined || this.#run.fd !== file.fd || this.#run.from + this.#run.length !== from) {
      this.#endRun();
      this.#run = { fd: file.fd, from, length: 0, at: this.#length };
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
    const got = readFully(run.fd, this.#buffer as Buffer, run.at, run.length, run.from);
    if (got !== run.length) throw new Error('internal: a pack of the store is shorter than its index says');
  }

  /** How much the group can take; starts a new one when it is full. */
  #room(): number {
    if (this.#length === MAX_GROUP) {
      this.#flush();
      // A later part of one member: which one, and from where.
      const { facts, start } = this.#member as Member;
      this.#facts.push(`from ${this.#total - start} of`, facts);
    }
    this.#buffer ??= this.#sink.begin();
    return MAX_GROUP - this.#length;
  }

  #advance(count: number): void {
    this.#length += count;
    this.#total += count;
  }

  #flush(): void {
    if (this.#length === 0) return;
    this.#endRun();
    const key = createHash('sha256')
      .update(`group.v1\n${this.#facts.join('\n')}`, 'latin1')
      .digest();
    this.#sink.end(this.#length, key);
    this.#buffer = undefined;
    this.#length = 0;
    this.#facts = [];
  }
}

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
