// Where things are in an index file: columns of fixed width, then tables of text. 50,000 entries open in about 20 ms.

import { createHash } from 'node:crypto';
import type { EntryKind } from './entry.ts';

// Layout, little endian:
//   0 magic `SLWLIDX1`; 8 u32 count; 12 u32 digests; 16 u32 bytes of paths; 20 of links; 24 of xattrs; 28 u32 zero;
//  32 content digest; 64 sha256 over everything else (bytes 0…64 and 96…); 96 columns, in the order of `layoutOf`.
export const MAGIC = Buffer.from('SLWLIDX1');
export const HEADER = 96;
export const KINDS: readonly EntryKind[] = ['file', 'dir', 'symlink', 'hardlink', 'char', 'block', 'fifo', 'socket', 'whiteout'];
export const FLAG = { opaque: 1, digest: 2, link: 4, packed: 8 } as const;

/** Positions of columns and tables, bytes. */
export interface Layout {
  readonly size: number;
  readonly mtime: number;
  readonly offset: number;
  readonly mtimeNs: number;
  readonly uid: number;
  readonly gid: number;
  readonly pathEnd: number;
  readonly linkEnd: number;
  readonly xattrs: number;
  readonly headerBytes: number;
  readonly mode: number;
  readonly kind: number;
  readonly flags: number;
  readonly pack: number;
  readonly digests: number;
  readonly paths: number;
  readonly links: number;
  readonly xattrTable: number;
  readonly end: number;
}

export function layoutOf(count: number, digests: number, paths: number, links: number, xattrs: number): Layout {
  let at = HEADER;
  const column = (width: number): number => {
    const start = at;
    at += width * count;
    return start;
  };
  const size = column(8);
  const mtime = column(8);
  const offset = column(8);
  const mtimeNs = column(4);
  const uid = column(4);
  const gid = column(4);
  const pathEnd = column(4);
  const linkEnd = column(4);
  const xattrColumn = column(4);
  const headerBytes = column(4);
  const mode = column(2);
  const kind = column(1);
  const flags = column(1);
  const pack = column(1);
  const digestTable = at;
  const pathTable = digestTable + digests * 32;
  const linkTable = pathTable + paths;
  const xattrTable = linkTable + links;
  return {
    size,
    mtime,
    offset,
    mtimeNs,
    uid,
    gid,
    pathEnd,
    linkEnd,
    xattrs: xattrColumn,
    headerBytes,
    mode,
    kind,
    flags,
    pack,
    digests: digestTable,
    paths: pathTable,
    links: linkTable,
    xattrTable,
    end: xattrTable + xattrs,
  };
}

/** The wide columns as numbers, in place. */
export interface Columns {
  readonly size: Float64Array;
  readonly mtime: Float64Array;
  readonly offset: Float64Array;
  readonly mtimeNs: Uint32Array;
  readonly uid: Uint32Array;
  readonly gid: Uint32Array;
  readonly pathEnd: Uint32Array;
  readonly linkEnd: Uint32Array;
  readonly xattrs: Uint32Array;
  readonly headerBytes: Uint32Array;
  readonly mode: Uint16Array;
}

/** `bytes` must begin at a multiple of eight in its memory. */
export function columnsOf(bytes: Buffer, layout: Layout, count: number): Columns {
  const f64 = (at: number): Float64Array => new Float64Array(bytes.buffer, bytes.byteOffset + at, count);
  const u32 = (at: number): Uint32Array => new Uint32Array(bytes.buffer, bytes.byteOffset + at, count);
  return {
    size: f64(layout.size),
    mtime: f64(layout.mtime),
    offset: f64(layout.offset),
    mtimeNs: u32(layout.mtimeNs),
    uid: u32(layout.uid),
    gid: u32(layout.gid),
    pathEnd: u32(layout.pathEnd),
    linkEnd: u32(layout.linkEnd),
    xattrs: u32(layout.xattrs),
    headerBytes: u32(layout.headerBytes),
    mode: new Uint16Array(bytes.buffer, bytes.byteOffset + layout.mode, count),
  };
}

/** What stands at 64. */
export function checksum(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes.subarray(0, 64)).update(bytes.subarray(HEADER)).digest();
}
