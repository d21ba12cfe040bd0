// One directory in a stat cache file: what the kernel listed, and stamps and digests of what is in it, compared in place with what is there.

import type { BytePath, Digest } from '../base/index.ts';
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

// A block is words, little endian: HEAD numbers (the first is the block's length in words, the last are the directory's own stamp from before
// it was listed); stamps; ends of the names; places; then bytes: flags, digests of 32, the directory's path, the records, the names one after
// another, the links' targets with NUL between. Slots are sorted by name.
const HEAD = 10 + STAMP_WORDS;
const AT = { length: 0, path: 1, count: 2, records: 3, places: 4, names: 5, links: 6, filter: 7, whole: 9, own: 10 } as const;

/** What is remembered of one directory. Nothing is decoded before it is asked for. */
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

/** Where blocks are from word `from` on. A damaged file costs re-reading, nothing else. */
export function findBlocks(words: Uint32Array, from: number): readonly number[] {
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

/** The path of the directory that a block is of. */
export function blockPath(bytes: Buffer, words: Uint32Array, at: number): BytePath {
  const start = pathStart(words, at);
  return bytes.toString('latin1', start, start + field(words, at, AT.path));
}

/** Orders a block's path and `path` as blocks are: a slash is before all that a name may have. */
export function compareBlockPath(bytes: Buffer, words: Uint32Array, block: number, path: BytePath): number {
  const start = pathStart(words, block);
  const length = field(words, block, AT.path);
  const shorter = Math.min(length, path.length);
  for (let at = 0; at < shorter; at += 1) {
    const a = bytes[start + at] as number;
    const b = path.charCodeAt(at);
    if (a !== b) return a === SLASH ? -1 : b === SLASH ? 1 : a - b;
  }
  return length - path.length;
}

const SLASH = 47;
