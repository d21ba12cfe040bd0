// What stat says of a file, in sixteen numbers: many of them lie in one array, where they are compared without becoming objects.

import type { BigIntStats } from 'node:fs';
import { deviceMajor, deviceMinor } from './node.ts';

/** Words of 32 bits that one stamp takes. */
export const STAMP_WORDS = 16;

/** Where a stamp's numbers are; the high half of wide ones is the next word. */
export const STAMP = {
  ino: 0,
  size: 2,
  modified: 4,
  modifiedNs: 6,
  changed: 7,
  changedNs: 9,
  mode: 10,
  links: 11,
  device: 12,
  special: 14,
} as const;

const HIGH = 0x1_0000_0000;

/** A stamp in an array: reading it makes nothing. `at` may be moved. */
export class Stamp {
  readonly words: Uint32Array;
  at: number;

  constructor(words: Uint32Array, at: number) {
    this.words = words;
    this.at = at;
  }

  /** Type and permission bits. */
  get mode(): number {
    return this.#word(STAMP.mode);
  }

  get links(): number {
    return this.#word(STAMP.links);
  }

  /** Exact up to 2^53. */
  get ino(): number {
    return this.#wide(STAMP.ino);
  }

  get size(): number {
    return this.#wide(STAMP.size);
  }

  /** Seconds since the epoch. */
  get modified(): number {
    return this.#signed(STAMP.modified);
  }

  get modifiedNs(): number {
    return this.#word(STAMP.modifiedNs);
  }

  get changed(): number {
    return this.#signed(STAMP.changed);
  }

  get changedNs(): number {
    return this.#word(STAMP.changedNs);
  }

  /** Device and inode, exact. */
  get identity(): string {
    const { ino, device } = STAMP;
    return `${this.#word(device)}:${this.#word(device + 1)}:${this.#word(ino + 1)}:${this.#word(ino)}`;
  }

  isOnDeviceOf(other: Stamp): boolean {
    const { device } = STAMP;
    return this.#word(device) === other.#word(device) && this.#word(device + 1) === other.#word(device + 1);
  }

  /** Of a device node. */
  get devMajor(): number {
    return this.#word(STAMP.special);
  }

  get devMinor(): number {
    return this.#word(STAMP.special + 1);
  }

  #word(field: number): number {
    return this.words[this.at + field] as number;
  }

  #wide(field: number): number {
    return this.#word(field + 1) * HIGH + this.#word(field);
  }

  #signed(field: number): number {
    return (this.#word(field + 1) | 0) * HIGH + this.#word(field);
  }
}

/** Whether two stamps are equal; of which device the file is does not count: numbers of devices change when a machine starts anew. */
export function sameStamp(a: Uint32Array, aAt: number, b: Uint32Array, bAt: number): boolean {
  for (let word = 0; word < STAMP.device; word += 1) if (a[aAt + word] !== b[bAt + word]) return false;
  return a[aAt + STAMP.special] === b[bAt + STAMP.special] && a[aAt + STAMP.special + 1] === b[bAt + STAMP.special + 1];
}

/** Writes what node:fs says as a stamp. */
export function fillStamp(stat: BigIntStats, words: Uint32Array, at: number): void {
  const wide = (field: number, value: bigint): void => {
    const bits = BigInt.asUintN(64, value);
    words[at + field] = Number(bits & 0xffff_ffffn);
    words[at + field + 1] = Number(bits >> 32n);
  };
  const time = (field: number, nanoseconds: bigint): void => {
    // Rounded down, also before the epoch.
    const rest = ((nanoseconds % NANO) + NANO) % NANO;
    wide(field, (nanoseconds - rest) / NANO);
    words[at + field + 2] = Number(rest);
  };
  wide(STAMP.ino, stat.ino);
  wide(STAMP.size, stat.size);
  time(STAMP.modified, stat.mtimeNs);
  time(STAMP.changed, stat.ctimeNs);
  words[at + STAMP.mode] = Number(stat.mode);
  words[at + STAMP.links] = Number(stat.nlink);
  for (const [field, device] of [
    [STAMP.device, Number(stat.dev)],
    [STAMP.special, Number(stat.rdev)],
  ] as const) {
    words[at + field] = deviceMajor(device);
    words[at + field + 1] = deviceMinor(device);
  }
}

const NANO = 1_000_000_000n;
