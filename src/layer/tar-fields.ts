// The fields of a header block, as any writer of archives may have left them. What is no such field throws `TAR_BROKEN`.

import { broken } from './tar-faults.ts';
import { BLOCK } from './tar-header.ts';

/** Holds a header to its checksum. */
export function checkSum(block: Buffer): void {
  const stated = readNumber(block, 148, 8, 'checksum');
  let unsigned = 0;
  let signed = 0;
  for (let at = 0; at < BLOCK; at += 1) {
    const byte = at >= 148 && at < 156 ? 0x20 : (block[at] ?? 0);
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  // Some old writers summed signed bytes.
  if (stated !== unsigned && stated !== signed) throw broken('a header whose checksum does not match');
}

/** Octal text, or base 256 when the top bit is set (GNU). */
export function readNumber(block: Buffer, at: number, length: number, what: string): number {
  const first = block[at] ?? 0;
  if ((first & 0x80) !== 0) {
    let value = (first & 0x40) !== 0 ? -1n : 0n;
    value = (value << 6n) | BigInt(first & 0x3f);
    for (let index = at + 1; index < at + length; index += 1) value = (value << 8n) | BigInt(block[index] ?? 0);
    if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < BigInt(Number.MIN_SAFE_INTEGER)) throw broken(`a ${what} out of range`);
    return Number(value);
  }
  const digits = /^[ \0]*([0-7]*)[ \0]*/.exec(block.toString('latin1', at, at + length));
  if (digits === null || digits[0].length !== length) throw broken(`a ${what} that is no number`);
  return digits[1] === undefined || digits[1] === '' ? 0 : Number.parseInt(digits[1], 8);
}

/** Major or minor number of a device. */
export function deviceNumber(block: Buffer, at: number): number {
  const value = readNumber(block, at, 8, 'device number');
  if (value < 0 || value > 0xffff_ffff) throw broken('a device number out of range');
  return value;
}

/** An owner as the kernel takes it. */
export function checkOwner(id: number): number {
  if (id < 0 || id > 0xffff_fffe) throw broken(`owner ${id}`);
  return id;
}

/** Text up to its end or the first zero byte. */
export function readText(block: Buffer, at: number, length: number): string {
  return untilZero(block.toString('latin1', at, at + length));
}

export function untilZero(value: string): string {
  const end = value.indexOf('\0');
  return end < 0 ? value : value.slice(0, end);
}

/** Whether a block is one of those that end an archive. */
export function isZero(block: Buffer): boolean {
  for (let at = 0; at < BLOCK; at += 1) if (block[at] !== 0) return false;
  return true;
}
