// What stands around the data of a gzip member (RFC 1952): its header and its trailer.

import { streamBroken } from './stream-broken.ts';

/** Bytes behind a member's data: checksum and length of what it unpacks to. */
export const TRAILER = 8;
/** Longest header that is taken: names and comments may be of any length. */
export const MAX_HEADER = 1 << 20;
const FLAG = { checksum: 2, extra: 4, name: 8, comment: 16 } as const;

/**
 * Length of the header at the start; undefined: there is not all of it yet. Throws STREAM_BROKEN when it is none.
 */
export function headerLength(bytes: Buffer): number | undefined {
  if (bytes.length < 10) return undefined;
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b || bytes[2] !== 8) throw streamBroken('gzip', new Error('incorrect header check'));
  const flags = bytes[3] ?? 0;
  if ((flags & 0xe0) !== 0) throw streamBroken('gzip', new Error('unknown header flags set'));
  let at = 10;
  if ((flags & FLAG.extra) !== 0) {
    if (bytes.length < at + 2) return undefined;
    at += 2 + bytes.readUInt16LE(at);
  }
  for (const text of [FLAG.name, FLAG.comment]) {
    if ((flags & text) === 0) continue;
    const end = bytes.indexOf(0, at);
    if (end < 0) return undefined;
    at = end + 1;
  }
  if ((flags & FLAG.checksum) !== 0) at += 2;
  return bytes.length < at ? undefined : at;
}

/** Throws STREAM_BROKEN unless the trailer at the start is that of data with this checksum and length. */
export function checkTrailer(bytes: Buffer, checksum: number, length: number): void {
  if (bytes.readUInt32LE(0) !== checksum) throw streamBroken('gzip', new Error('incorrect data check'));
  if (bytes.readUInt32LE(4) !== length % 0x1_0000_0000) throw streamBroken('gzip', new Error('incorrect length check'));
}
