// Zip archives (jars): their directory, and the start of a member. Bounded, for hostile ones.

import { inflateRawSync } from 'node:zlib';
import type { RangeReader } from './tree-files.ts';

/** A member of a zip archive. */
export interface ZipMember {
  readonly name: string;
  /** Of its local header. */
  readonly offset: number;
  readonly compressed: number;
  readonly method: number;
}

/** Members by the central directory; none for what is no zip. At most `limit`. */
export function zipMembers(read: RangeReader, size: number, limit: number): readonly ZipMember[] {
  const tail = read(Math.max(0, size - 65_557), 65_557);
  const end = tail.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  if (end < 0 || tail.length < end + 22) return [];
  const directory = read(tail.readUInt32LE(end + 16), Math.min(tail.readUInt32LE(end + 12), 16 << 20));
  const members: ZipMember[] = [];
  for (let at = 0; at + 46 <= directory.length && members.length < limit;) {
    if (directory.readUInt32LE(at) !== 0x02014b50) break;
    const length = directory.readUInt16LE(at + 28);
    members.push({
      name: directory.toString('utf8', at + 46, at + 46 + length),
      method: directory.readUInt16LE(at + 10),
      compressed: directory.readUInt32LE(at + 20),
      offset: directory.readUInt32LE(at + 42),
    });
    at += 46 + length + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  return members;
}

/** Bytes of one member that is a small text, at most 256 KiB. */
export function zipData(read: RangeReader, { offset, compressed, method }: ZipMember): Buffer | undefined {
  const head = read(offset, 30);
  if (head.length < 30 || head.readUInt32LE(0) !== 0x04034b50) return undefined;
  const data = read(offset + 30 + head.readUInt16LE(26) + head.readUInt16LE(28), Math.min(compressed, 256 << 10));
  return method === 8 ? inflateStart(data, 256 << 10) : data;
}

/** Inflated bytes, at most `limit`, also of a cut stream; undefined: it is none. */
export function inflateStart(data: Buffer, limit = 4 << 20): Buffer | undefined {
  try {
    return inflateRawSync(data, { maxOutputLength: limit, finishFlush: 2 });
  } catch {
    return undefined;
  }
}
