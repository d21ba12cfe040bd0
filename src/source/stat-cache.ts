// What was seen of a folder's files, remembered so that an unchanged folder is not read again: for each directory what the kernel listed,
// and stamps and digests of what is in it. One binary file for each folder, compared in place with what a walk finds; written anew by
// rename, so readers see a whole file.

import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { type BytePath, type Digest, errnoOf, isDigest } from '../base/index.ts';
import { type KnownStamps, S_IFLNK, S_IFMT, sameStamp, type Stamp, STAMP, STAMP_WORDS } from '../sys/index.ts';

/** One remembered name of a directory. */
export interface StatSlot {
  readonly name: BytePath;
  /** Its stamp: STAMP_WORDS numbers from `at` on. */
  readonly words: Uint32Array;
  readonly at: number;
  readonly digest: Digest | undefined;
  /** Target of a symlink. */
  readonly link: BytePath | undefined;
  /** SLOT_… */
  readonly flags: number;
}

/** The stamp will show a change: what is remembered with it may be believed. */
export const SLOT_STEADY = 1;
/** Its digest is remembered. */
export const SLOT_DIGEST = 2;
/** It has no extended attributes that count. */
export const SLOT_PLAIN = 4;
/** A directory that shows only because something in it is kept. */
export const SLOT_SEARCH = 8;

/** What the kernel listed, and which of it became a slot. */
export interface StatListing {
  /** Records of getdents64(2). */
  readonly records: Uint8Array;
  /** For each record but `.` and `..` the slot of its name, NO_SLOT for what was left out. */
  readonly places: readonly number[];
  /** Digest of the filter that was applied, eight bytes. */
  readonly filter: FilterMark;
  /** Slots of directories that show only because something in them is kept. */
  readonly searched?: ReadonlySet<number>;
}

/** Two words that stand for a filter. */
export type FilterMark = readonly [number, number];

export const NO_SLOT = 0xffff_ffff;

// The file: magic; u32 bytes of the selections, which follow (JSON, padded to words); then for each directory a block of words, little
// endian: HEAD numbers (the first is the block's length in words, the last are the directory's own stamp from before it was listed); stamps; ends of the names; places; then bytes: flags, digests
// of 32, the directory's path, the records, the names one after another, the links' targets with NUL between. Slots are sorted by name,
// blocks so that a directory is followed by what is below it, in the order of its slots.
const MAGIC = Buffer.from('SLWSTAT5');
const HEAD = 10 + STAMP_WORDS;
const AT = { length: 0, path: 1, count: 2, records: 3, places: 4, names: 5, links: 6, filter: 7, whole: 9, own: 10 } as const;

/** A selection's digest that holds as long as nothing below `scope` changes. */
export interface RememberedSelection {
  readonly scope: BytePath;
  readonly digest: Digest;
}

/** A stat cache file, read whole. */
export class StatCache {
  readonly bytes: Buffer;
  readonly words: Uint32Array;
  /** Where each directory's block is, in words. */
  readonly blocks: readonly number[];
  readonly selections: ReadonlyMap<string, RememberedSelection>;
  #found = -1;

  constructor(file: Uint8Array) {
    const bytes = file.byteOffset % 4 === 0 ? Buffer.from(file.buffer, file.byteOffset, file.length) : aligned(file);
    this.bytes = bytes;
    this.words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
    const start = MAGIC.length + 4;
    const valid = bytes.length >= start && bytes.subarray(0, MAGIC.length).equals(MAGIC);
    const selectionsEnd = valid ? start + bytes.readUInt32LE(MAGIC.length) : 0;
    if (!valid || selectionsEnd > bytes.length || selectionsEnd % 4 !== 0) {
      this.selections = new Map();
      this.blocks = [];
      return;
    }
    this.selections = readSelections(bytes.toString('utf8', start, selectionsEnd));
    this.blocks = findBlocks(this.words, selectionsEnd / 4);
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
  *directories(): Generator<BytePath> {
    for (const at of this.blocks) {
      const start = pathStart(this.words, at);
      yield this.bytes.toString('latin1', start, start + field(this.words, at, AT.path));
    }
  }

  /** What is remembered of a directory. */
  block(directory: BytePath): StatBlock | undefined {
    const index = this.indexOf(directory);
    return index < 0 ? undefined : this.blockAt(index);
  }

  /** What is remembered of the directory that has this number; undefined: there is none, or it is damaged. */
  blockAt(index: number): StatBlock | undefined {
    const at = this.blocks[index];
    if (at === undefined) return undefined;
    const block = new StatBlock(this.bytes, this.words, at);
    return block.isDamaged ? undefined : block;
  }

  /** The directory's number: where it is among `blocks`; -1: it is not remembered. */
  indexOf(directory: BytePath): number {
    const { blocks, bytes, words } = this;
    const order = (index: number): number => {
      const at = blocks[index] as number;
      return comparePath(bytes, pathStart(words, at), field(words, at, AT.path), directory);
    };
    // Most are asked for one after another.
    if (this.#found + 1 < blocks.length && order(this.#found + 1) === 0) return (this.#found += 1);
    let low = 0;
    let high = blocks.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const found = order(middle);
      if (found === 0) return (this.#found = middle);
      if (found < 0) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  /** How many names there are at most: whether this is a large folder. */
  get size(): number {
    return Math.floor(this.bytes.length / (STAMP_WORDS * 4));
  }
}

/** Where blocks are from word `from` on. A damaged file costs re-reading, nothing else. */
function findBlocks(words: Uint32Array, from: number): readonly number[] {
  const blocks: number[] = [];
  const last = words.length - HEAD;
  for (let at = from; at <= last;) {
    const length = words[at] as number;
    if (length < HEAD) break;
    blocks.push(at);
    at += length;
  }
  return blocks;
}

function field(words: Uint32Array, at: number, number: number): number {
  return words[at + number] as number;
}

/** Where a block's path begins, in bytes. */
function pathStart(words: Uint32Array, at: number): number {
  const count = field(words, at, AT.count);
  return (at + HEAD + count * (STAMP_WORDS + 1) + field(words, at, AT.places)) * 4 + count * 33;
}

/** Orders the path at [start, start + length) and `path` as blocks are: a slash is before all that a name may have. */
function comparePath(bytes: Buffer, start: number, length: number, path: BytePath): number {
  const shorter = Math.min(length, path.length);
  for (let at = 0; at < shorter; at += 1) {
    const a = bytes[start + at] as number;
    const b = path.charCodeAt(at);
    if (a !== b) return a === SLASH ? -1 : b === SLASH ? 1 : a - b;
  }
  return length - path.length;
}

const SLASH = 47;

/** Sorts directories as blocks are. */
export function sortDirectories(paths: Iterable<BytePath>): BytePath[] {
  const sorted = [...paths].map((path) => path.replaceAll('/', '\0')).sort();
  return sorted.map((path) => path.replaceAll('\0', '/'));
}

/** One directory in a cache file. Nothing is decoded before it is asked for. */
export class StatBlock {
  /** How many slots it has. */
  readonly count: number;
  /** The digests of slots, 32 bytes each, from here on in `bytes`. */
  readonly digests: number;
  readonly bytes: Buffer;
  readonly #words: Uint32Array;
  readonly #at: number;
  readonly #layout: BlockLayout;
  #next = 0;
  #links: Map<number, BytePath> | undefined;

  constructor(bytes: Buffer, words: Uint32Array, at: number) {
    this.bytes = bytes;
    this.#words = words;
    this.#at = at;
    this.#layout = layoutOf(words, at);
    this.count = words[at + AT.count] as number;
    this.digests = this.#layout.digests;
  }

  /** The block as it stands in the file, to be carried over. */
  get encoded(): Buffer {
    return this.bytes.subarray(this.#at * 4, (this.#at + (this.#words[this.#at] as number)) * 4);
  }

  /** Whether all that was there is remembered as this filter left it. */
  isWhole(filter: FilterMark): boolean {
    return (
      this.#words[this.#at + AT.whole] === 1 &&
      this.#words[this.#at + AT.filter] === filter[0] &&
      this.#words[this.#at + AT.filter + 1] === filter[1]
    );
  }

  /** Whether the kernel listed the same. */
  lists(records: Buffer): boolean {
    const { records: from, names: to } = this.#layout;
    return to - from === records.length && records.compare(this.bytes, from, to) === 0;
  }

  /** Whether the directory's own stamp is the one that it had before it was listed: then it lists the same. */
  isOwn({ words, at }: Stamp): boolean {
    return sameStamp(this.#words, this.#at + AT.own, words, at);
  }

  /** The block with another stamp of the directory itself. */
  withOwn({ words, at }: Stamp): Buffer {
    const bytes = Buffer.from(this.encoded);
    for (let word = 0; word < STAMP_WORDS; word += 1) bytes.writeUInt32LE(words[at + word] as number, (AT.own + word) * 4);
    return bytes;
  }

  /** What the kernel listed. */
  get records(): Buffer {
    return this.bytes.subarray(this.#layout.records, this.#layout.names);
  }

  /** The stamps, for being compared with what is there. */
  get stamps(): KnownStamps {
    const { places, stamps, records, names } = this.#layout;
    return { bytes: this.bytes, records, recordsEnd: names, words: this.#words, places, stamps, count: this.count };
  }

  /** It says of itself more than there is. */
  get isDamaged(): boolean {
    return this.#layout.end > Math.min((this.#at + (this.#words[this.#at] as number)) * 4, this.bytes.length);
  }

  /** How long the path of its directory is. */
  get pathLength(): number {
    return this.#words[this.#at + AT.path] as number;
  }

  /** How long the path of a slot is. */
  pathLengthOf(slot: number): number {
    const { pathLength } = this;
    return (pathLength === 0 ? 0 : pathLength + 1) + this.nameEnd(slot) - this.nameStart(slot);
  }

  /** The path of a slot. */
  pathOf(slot: number): BytePath {
    const { path, records } = this.#layout;
    return path === records ? this.name(slot) : `${this.bytes.toString('latin1', path, records)}/${this.name(slot)}`;
  }

  /** Where its stamps are among the file's words. */
  get stampsAt(): number {
    return this.#layout.stamps;
  }

  /** For each record of the listing its slot. */
  get places(): readonly number[] {
    const { places } = this.#layout;
    return [...this.#words.subarray(places, places + (this.#words[this.#at + AT.places] as number))];
  }

  /** Directories that show only because something in them is kept. */
  searched(): readonly number[] {
    const { flags } = this.#layout;
    const slots: number[] = [];
    for (let slot = 0; slot < this.count; slot += 1) if (((this.bytes[flags + slot] as number) & SLOT_SEARCH) !== 0) slots.push(slot);
    return slots;
  }

  /** Whether the slot's stamp is this one. */
  isStamp(slot: number, words: Uint32Array, at: number): boolean {
    return sameStamp(this.#words, this.#layout.stamps + slot * STAMP_WORDS, words, at);
  }

  name(slot: number): BytePath {
    const { names, nameEnds } = this.#layout;
    const start = slot === 0 ? 0 : (this.#words[nameEnds + slot - 1] as number);
    return this.bytes.toString('latin1', names + start, names + (this.#words[nameEnds + slot] as number));
  }

  /** Position of a name in `bytes`: [start, end). */
  nameStart(slot: number): number {
    return this.#layout.names + (slot === 0 ? 0 : (this.#words[this.#layout.nameEnds + slot - 1] as number));
  }

  nameEnd(slot: number): number {
    return this.#layout.names + (this.#words[this.#layout.nameEnds + slot] as number);
  }

  flags(slot: number): number {
    return this.bytes[this.#layout.flags + slot] as number;
  }

  digest(slot: number): Digest | undefined {
    if ((this.flags(slot) & SLOT_DIGEST) === 0) return undefined;
    const at = this.#layout.digests + slot * 32;
    return `sha256:${this.bytes.toString('hex', at, at + 32)}` as Digest;
  }

  /** Target of a symlink. */
  link(slot: number): BytePath | undefined {
    if (this.#links === undefined) {
      const targets = this.bytes.toString('latin1', this.#layout.links, this.#layout.end).split('\0');
      this.#links = new Map();
      for (let other = 0; other < this.count; other += 1) {
        if ((this.mode(other) & S_IFMT) === S_IFLNK) this.#links.set(other, targets[this.#links.size] ?? '');
      }
    }
    return this.#links.get(slot);
  }

  /** Type and permission bits that are remembered. */
  mode(slot: number): number {
    return this.#words[this.#layout.stamps + slot * STAMP_WORDS + STAMP.mode] as number;
  }

  /** Steps to a name, which is not before those asked for so far, as in a join of two sorted lists; -1: it is not remembered. */
  seek(name: BytePath): number {
    for (; this.#next < this.count; this.#next += 1) {
      const candidate = this.name(this.#next);
      if (candidate === name) return this.#next;
      if (candidate > name) return -1;
    }
    return -1;
  }

  /** All slots, for being written anew with others. */
  *slots(): Generator<StatSlot> {
    for (let slot = 0; slot < this.count; slot += 1) {
      const at = this.#layout.stamps + slot * STAMP_WORDS;
      yield {
        name: this.name(slot),
        words: this.#words,
        at,
        digest: this.digest(slot),
        link: this.link(slot),
        flags: this.flags(slot),
      };
    }
  }
}

/** Positions in a block: of words up to `places`, of bytes from `flags` on. */
interface BlockLayout {
  readonly stamps: number;
  readonly nameEnds: number;
  readonly places: number;
  readonly flags: number;
  readonly digests: number;
  readonly path: number;
  readonly records: number;
  readonly names: number;
  readonly links: number;
  readonly end: number;
}

function layoutOf(words: Uint32Array, at: number): BlockLayout {
  const field = (number: number): number => words[at + number] as number;
  const count = field(AT.count);
  const stamps = at + HEAD;
  const nameEnds = stamps + count * STAMP_WORDS;
  const places = nameEnds + count;
  const flags = (places + field(AT.places)) * 4;
  const digests = flags + count;
  const path = digests + count * 32;
  const records = path + field(AT.path);
  const names = records + field(AT.records);
  const links = names + field(AT.names);
  return { stamps, nameEnds, places, flags, digests, path, records, names, links, end: links + field(AT.links) };
}

/**
 * Encodes a directory (names sorted). `listing`: all that the filter kept is there and steady, so that the next walk need not look closer;
 * `own`: what stat said of the directory before.
 */
export function encodeStatBlock(directory: BytePath, slots: readonly StatSlot[], listing?: StatListing, own?: Stamp): Buffer {
  const names = slots.map(({ name }) => name).join('');
  const links = slots.flatMap(({ link }) => link ?? []).join('\0');
  const head = new Uint32Array(HEAD);
  head[AT.path] = directory.length;
  head[AT.count] = slots.length;
  head[AT.records] = listing?.records.length ?? 0;
  head[AT.places] = listing?.places.length ?? 0;
  head[AT.names] = names.length;
  head[AT.links] = links.length;
  head.set(listing?.filter ?? [0, 0], AT.filter);
  head[AT.whole] = listing === undefined ? 0 : 1;
  if (own !== undefined) head.set(own.words.subarray(own.at, own.at + STAMP_WORDS), AT.own);
  const layout = layoutOf(head, 0);
  const length = (layout.end + 3) >>> 2;
  head[AT.length] = length;
  const words = new Uint32Array(length);
  const bytes = Buffer.from(words.buffer);
  words.set(head);
  words.set(listing?.places ?? [], layout.places);
  let nameEnd = 0;
  for (const [slot, { name, words: from, at, digest, flags }] of slots.entries()) {
    words.set(from.subarray(at, at + STAMP_WORDS), layout.stamps + slot * STAMP_WORDS);
    words[layout.nameEnds + slot] = nameEnd += name.length;
    bytes[layout.flags + slot] = flags & (digest === undefined ? ~SLOT_DIGEST : 0xff);
    if (digest !== undefined) bytes.write(digest.slice(7), layout.digests + slot * 32, 'hex');
  }
  bytes.write(directory, layout.path, 'latin1');
  if (listing !== undefined) bytes.set(listing.records, layout.records);
  bytes.write(names, layout.names, 'latin1');
  bytes.write(links, layout.links, 'latin1');
  return bytes;
}

/** Writes a cache file from blocks (in the order of `sortDirectories`). The last writer wins; a lost one costs re-reading. */
export function writeStatCache(file: string, blocks: readonly Buffer[], selections: ReadonlyMap<string, RememberedSelection>): void {
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.${(nextTemporary += 1)}`;
  const text = Buffer.from(JSON.stringify([...selections].map(([key, { scope, digest }]) => [key, scope, digest])));
  const length = Buffer.alloc(4);
  length.writeUInt32LE((text.length + 3) & ~3);
  const fd = openSync(temporary, 'wx', 0o600);
  try {
    try {
      const whole = Buffer.concat([MAGIC, length, text, Buffer.alloc(-text.length & 3, ' '), ...blocks]);
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

function readSelections(text: string): ReadonlyMap<string, RememberedSelection> {
  const selections = new Map<string, RememberedSelection>();
  try {
    for (const item of JSON.parse(text) as readonly (readonly unknown[])[]) {
      const [key, scope, digest] = item;
      if (typeof key !== 'string' || typeof scope !== 'string' || typeof digest !== 'string' || !isDigest(digest)) continue;
      selections.set(key, { scope, digest });
    }
  } catch {
    // Damaged: only a memory.
  }
  return selections;
}

function aligned(file: Uint8Array): Buffer {
  const copy = Buffer.from(new ArrayBuffer(file.length));
  copy.set(file);
  return copy;
}

/** The kernel's clock ticks at most this far apart. */
const TICK_NS = 20_000_000;
/** Filesystems that keep whole (or even) seconds only. */
const COARSE_NS = 2_000_000_000;

/**
 * Whether a file could change after `seenAt` (milliseconds since the epoch) without a new stamp: its last change is too near. Such a
 * stamp is not remembered (git's "racily clean").
 */
export function isRacy(changed: { readonly ctime: number; readonly ctimeNs: number }, seenAt: number): boolean {
  const margin = changed.ctimeNs === 0 ? COARSE_NS : TICK_NS;
  return seenAt * 1e6 - (changed.ctime * 1e9 + changed.ctimeNs) < margin;
}
