// What was seen of a folder's files, remembered so that an unchanged folder is not read again: for each directory what the kernel listed,
// and stamps and digests of what is in it. One binary file for each folder, compared in place with what a walk finds; written anew by
// rename, so readers see a whole file.

import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { type BytePath, type Digest, errnoOf, isDigest } from '../base/index.ts';
import { STAMP_WORDS } from '../sys/index.ts';
import { blockPath, compareBlockPath, findBlocks, StatBlock } from './stat-block.ts';

// The file: magic; u32 bytes of the selections, which follow (JSON, padded to words); then a block for each directory, which is followed by
// what is below it, in the order of its slots.
const MAGIC = Buffer.from('SLWSTAT5');

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
    for (const at of this.blocks) yield blockPath(this.bytes, this.words, at);
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
    const order = (index: number): number => compareBlockPath(bytes, words, blocks[index] as number, directory);
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

/** Sorts directories as blocks are. */
export function sortDirectories(paths: Iterable<BytePath>): BytePath[] {
  const sorted = [...paths].map((path) => path.replaceAll('/', '\0')).sort();
  return sorted.map((path) => path.replaceAll('\0', '/'));
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
