// A folder compared with what is remembered of it, from one directory to those in it: nothing is made for what is as it was. Whoever finds
// a difference looks closely at the directory that has it.

import { type BytePath, delayOptimizing } from '../base/index.ts';
import { type DirectoryReader, Stamp, STAMP, STAMP_WORDS } from '../sys/index.ts';
import { type FilterMark, SLOT_SEARCH, type StatBlock } from './stat-block.ts';
import type { StatCache } from './stat-cache.ts';

// What a directory turned out to be.
const ALIKE = 1;
/** It, and everything below. */
const ALL_ALIKE = 2;
/** Or it could not be looked at. */
const DIFFERENT = 3;

/** How many times as long as usual a function runs meanwhile before it is optimized: only the loop over files pays for it. */
const DELAY = 7.5;

/** A folder's directories beside their memory. Each is looked at once. */
export class KnownTree {
  readonly #cache: StatCache;
  readonly #mark: FilterMark;
  readonly #reader: DirectoryReader;
  readonly #devMajor: number;
  readonly #devMinor: number;
  /** By number: what was seen (0: nothing yet), and how many things are below. */
  readonly #states: Uint8Array;
  readonly #below: Float64Array;
  /** Places and names of directories that wait for being looked into: those of one directory after those of the one that it is in. */
  readonly #waiting: number[] = [];

  /** `device`: a stamp on the one that all must be on; a directory of another may be of a filesystem whose stamps tell less. */
  constructor(cache: StatCache, mark: FilterMark, reader: DirectoryReader, device: Stamp) {
    this.#cache = cache;
    this.#mark = mark;
    this.#reader = reader;
    this.#devMajor = device.words[device.at + STAMP.device] as number;
    this.#devMinor = device.words[device.at + STAMP.device + 1] as number;
    this.#states = new Uint8Array(cache.blocks.length);
    this.#below = new Float64Array(cache.blocks.length);
  }

  /**
   * Compares a directory and what is below, once. `own`: its stamp, if that will show a change; `open` opens it. How many things are below
   * if all of them are as remembered, and nothing else is there.
   */
  compare(path: BytePath, own: Stamp | undefined, open: () => number): number | undefined {
    const index = this.#cache.indexOf(path);
    if (index < 0) return undefined;
    const block = this.#cache.blockAt(index);
    if (this.#states[index] === 0 && block !== undefined && own !== undefined && this.#isListed(block, own))
      this.#lookAtAll(index, block, open());
    return this.#states[index] === ALL_ALIKE ? this.#below[index] : undefined;
  }

  /** How many things are below a directory if all of them were seen to be as remembered. */
  countBelow(path: BytePath): number | undefined {
    const index = this.#cache.indexOf(path);
    return index >= 0 && this.#states[index] === ALL_ALIKE ? this.#below[index] : undefined;
  }

  /** What is remembered of a directory, if it was seen to be that. */
  alike(path: BytePath): StatBlock | undefined {
    const index = this.#cache.indexOf(path);
    if (index < 0) return undefined;
    return isAlike(this.#states[index] as number) ? this.#cache.blockAt(index) : undefined;
  }

  #lookAtAll(index: number, block: StatBlock, directory: number): void {
    const restore = delayOptimizing(DELAY);
    try {
      this.#look(index, block, directory);
    } finally {
      restore();
    }
  }

  /** Whether a directory with this stamp lists what is remembered, as this filter leaves it. */
  #isListed(block: StatBlock, own: Stamp): boolean {
    const device = own.at + STAMP.device;
    return (
      own.words[device] === this.#devMajor && own.words[device + 1] === this.#devMinor && block.isWhole(this.#mark) && block.isOwn(own)
    );
  }

  /** Looks at a directory that lists what it did, and at those in it. The number that the next one beside it likely has. */
  #look(index: number, block: StatBlock, directory: number): number {
    const waiting = this.#waiting;
    const first = waiting.length;
    let alike = this.#reader.areAlike(directory, block.stamps, this.#devMajor, this.#devMinor, waiting);
    sortPairs(waiting, first);
    let allAlike = alike;
    let below = block.count;
    let next = index + 1;
    const own = new Stamp(this.#cache.words, 0);
    for (let at = first; at < waiting.length; at += 2) {
      const slot = waiting[at] as number;
      own.at = block.stampsAt + slot * STAMP_WORDS;
      const child = this.#indexBelow(block, slot, own, next);
      const inside = this.#cache.blockAt(child);
      if (inside !== undefined) next = this.#lookInto(child, inside, own, directory, waiting[at + 1] as number);
      const state = inside === undefined ? DIFFERENT : (this.#states[child] as number);
      // A directory that shows only for what is in it.
      if ((block.flags(slot) & SLOT_SEARCH) !== 0 && !(isAlike(state) && inside !== undefined && inside.count > 0)) alike = false;
      if (state === ALL_ALIKE) below += this.#below[child] as number;
      else allAlike = false;
    }
    if (waiting.length > first) waiting.length = first; // even where it is that already it is slow
    this.#states[index] = !alike ? DIFFERENT : allAlike ? ALL_ALIKE : ALIKE;
    this.#below[index] = below;
    return next;
  }

  /**
   * The number of the directory at a slot of another one, whose stamp is `own`. Mostly it is `next`: one with this stamp, which has the
   * inode, and a path of this length.
   */
  #indexBelow(above: StatBlock, slot: number, own: Stamp, next: number): number {
    const likely = this.#cache.blockAt(next);
    if (likely?.isOwn(own) === true && likely.pathLength === above.pathLengthOf(slot)) return next;
    return this.#cache.indexOf(above.pathOf(slot));
  }

  /** The same of one whose name is at `name` in its directory's records. */
  #lookInto(index: number, block: StatBlock, own: Stamp, above: number, name: number): number {
    if (this.#states[index] !== 0 || !this.#isListed(block, own)) return index + 1;
    const directory = this.#reader.openAt(above, block.bytes, name);
    if (directory < 0) return index + 1; // whoever looks closely says why
    try {
      return this.#look(index, block, directory);
    } finally {
      this.#reader.close(directory);
    }
  }
}

function isAlike(state: number): boolean {
  return state === ALIKE || state === ALL_ALIKE;
}

/** Sorts pairs of numbers by the first, from `start` on: few, and mostly sorted. */
function sortPairs(pairs: number[], start: number): void {
  for (let end = start + 2; end < pairs.length; end += 2) {
    const [key, value] = [pairs[end] as number, pairs[end + 1] as number];
    let at = end;
    for (; at > start && (pairs[at - 2] as number) > key; at -= 2) {
      pairs[at] = pairs[at - 2] as number;
      pairs[at + 1] = pairs[at - 1] as number;
    }
    pairs[at] = key;
    pairs[at + 1] = value;
  }
}
