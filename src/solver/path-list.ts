// The paths behind a digest as bytes: lists of large folders are written from columns and compared without becoming objects.

import { type BytePath, fromBytePath, putBytes, putHex, putNumber, toBytePath } from '../base/index.ts';
import type { ListedPath } from './types.ts';

// A list: u32 number of files (all but directories), then items: `<kind><path>NUL<mode>[ <owner>]NUL=<content>NUL LF`, the kind as one
// letter, the mode decimal. No field has a NUL, and only the last NUL of an item has a newline behind it: items are found from both ends.
const HEAD = 4;
const KINDS = { file: 'f', dir: 'd', symlink: 'l', other: 'o' } as const;
const KIND_OF = new Map<string, ListedPath['kind']>(Object.entries(KINDS).map(([kind, letter]) => [letter, kind as ListedPath['kind']]));
const FILE = KINDS.file.charCodeAt(0);
const DIRECTORY = KINDS.dir.charCodeAt(0);
const END = Buffer.from('\0\n');
const EQUALS = 61;
const SHA256 = Buffer.from('sha256:');
/** An item without its path and its content is not longer, but for its owner. */
const ITEM = 128;
const FIRST = 1 << 16;
/** What is compared at once. */
const CHUNK = 4096;

/** A list that was written. */
export type PathList = Buffer;

/** Two lists by path, without most of what is the same in both. */
export interface ListComparison {
  readonly before: ReadonlyMap<string, ListedPath>;
  readonly now: ReadonlyMap<string, ListedPath>;
  /** How many files were left out of either. */
  readonly same: number;
}

/** Writes a list item by item. */
export class PathListWriter {
  #bytes = Buffer.allocUnsafe(FIRST);
  #length = HEAD;
  #files = 0;

  add(path: BytePath, { kind, content, mode, owner }: Omit<ListedPath, 'path'>): void {
    if (kind !== 'dir') this.#files += 1;
    // Paths are bytes already, the content is text. A unit of UTF-16 has three bytes at most.
    const head = `${KINDS[kind]}${path}\0${mode}${owner === undefined ? '' : ` ${owner}`}\0=`;
    this.#makeRoom(head.length + 3 * content.length + END.length);
    let at = this.#length;
    at += this.#bytes.write(head, at, 'latin1');
    at += this.#bytes.write(content, at);
    this.#length = putBytes(this.#bytes, at, END, 0, END.length);
  }

  /** Adds a file: its path is `prefix` and the bytes of `from` up to `end`, its sha256 stands at `digestAt` of `digests`. */
  addFile(prefix: Buffer, from: Buffer, start: number, end: number, mode: number, digests: Uint8Array, digestAt: number): void {
    this.#files += 1;
    let at = this.#begin(FILE, prefix, from, start, end, mode);
    at = putBytes(this.#bytes, at, SHA256, 0, SHA256.length);
    at = putHex(this.#bytes, at, digests, digestAt);
    this.#length = putBytes(this.#bytes, at, END, 0, END.length);
  }

  addDirectory(prefix: Buffer, from: Buffer, start: number, end: number, mode: number): void {
    const at = this.#begin(DIRECTORY, prefix, from, start, end, mode);
    this.#length = putBytes(this.#bytes, at, END, 0, END.length);
  }

  /** Adds all that is in another list. */
  append(list: PathList): void {
    this.#files += list.readUInt32LE(0);
    this.#put(list.subarray(HEAD));
  }

  finish(): PathList {
    this.#bytes.writeUInt32LE(this.#files, 0);
    return this.#bytes.subarray(0, this.#length);
  }

  /** Up to the content. */
  #begin(kind: number, prefix: Buffer, from: Buffer, start: number, end: number, mode: number): number {
    this.#makeRoom(prefix.length + end - start + ITEM);
    const bytes = this.#bytes;
    let at = this.#length;
    bytes[at++] = kind;
    at = putBytes(bytes, at, prefix, 0, prefix.length);
    at = putBytes(bytes, at, from, start, end);
    bytes[at++] = 0;
    at = putNumber(bytes, at, mode);
    bytes[at++] = 0;
    bytes[at++] = EQUALS;
    return at;
  }

  #put(bytes: Buffer): void {
    this.#makeRoom(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #makeRoom(length: number): void {
    if (this.#length + length <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + length));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** A list of items that are at hand. */
export function pathListOf(items: Iterable<ListedPath>): PathList {
  const writer = new PathListWriter();
  for (const item of items) writer.add(toBytePath(item.path), item);
  return writer.finish();
}

/** The items of a list by path. Throws a plain Error for what is no list. */
export function readPathList(list: PathList): ReadonlyMap<string, ListedPath> {
  return readItems(list, HEAD, list.length);
}

/** Takes two lists apart only where they differ: mostly a few of very many items do. Throws a plain Error for what is no list. */
export function comparePathLists(before: PathList, now: PathList): ListComparison {
  const start = itemsAlike(before, now);
  const end = itemsAlikeAtEnd(before.subarray(start), now.subarray(start));
  const differing = readItems(now, start, now.length - end);
  let same = now.readUInt32LE(0);
  for (const { kind } of differing.values()) if (kind !== 'dir') same -= 1;
  return { before: readItems(before, start, before.length - end), now: differing, same };
}

/** Where the first item is that differs. */
function itemsAlike(a: PathList, b: PathList): number {
  const length = Math.min(a.length, b.length);
  let at = HEAD;
  while (at + CHUNK <= length && a.compare(b, at, at + CHUNK, at, at + CHUNK) === 0) at += CHUNK;
  while (at < length && a[at] === b[at]) at += 1;
  const end = at < HEAD + END.length ? -1 : a.lastIndexOf(END, at - END.length);
  return end < HEAD ? HEAD : end + END.length;
}

/** Bytes of the items that both end with, but perhaps for the first one of them. */
function itemsAlikeAtEnd(a: Buffer, b: Buffer): number {
  const length = Math.min(a.length, b.length);
  let back = 0;
  while (back + CHUNK <= length && sameAtEnd(a, b, back + CHUNK, back)) back += CHUNK;
  while (back < length && a[a.length - back - 1] === b[b.length - back - 1]) back += 1;
  const end = a.indexOf(END, a.length - back);
  return end < 0 ? 0 : a.length - end - END.length;
}

/** Whether two buffers have the same bytes from `from` up to `to` before their ends. */
function sameAtEnd(a: Buffer, b: Buffer, from: number, to: number): boolean {
  return a.compare(b, b.length - from, b.length - to, a.length - from, a.length - to) === 0;
}

function readItems(list: PathList, start: number, end: number): ReadonlyMap<string, ListedPath> {
  const items = new Map<string, ListedPath>();
  for (let at = start; at < end;) {
    const to = list.indexOf(END, at);
    if (to < 0 || to >= end) throw new Error('internal: not a list of paths');
    const item = readItem(list.toString('latin1', at, to));
    items.set(item.path, item);
    at = to + END.length;
  }
  return items;
}

function readItem(text: string): ListedPath {
  const [path = '', about = '', content] = text.split('\0');
  const kind = KIND_OF.get(path.slice(0, 1));
  if (kind === undefined || content === undefined) throw new Error('internal: not an item of a list of paths');
  const [mode, owner] = about.split(' ');
  return {
    path: fromBytePath(path.slice(1)),
    kind,
    content: fromBytePath(content.slice(1)),
    mode: Number(mode),
    ...(owner === undefined ? {} : { owner }),
  };
}
