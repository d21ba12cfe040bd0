// Packets of a file synchronisation (fsutil's `Packet` and `Stat`), by hand: a context of 100,000 files is 100,000 of them.
// Paths and link names stay bytes (BytePath): names need not be UTF-8.

import type { BytePath } from '../../base/index.ts';
import { RpcError } from '../wire/rpc-error.ts';

export const PACKET = { stat: 0, request: 1, data: 2, fin: 3, error: 4 } as const;

/** One packet. `stat` is the raw Stat message; undefined in a stat packet ends the list. */
export interface Packet {
  readonly type: number;
  readonly stat?: Buffer;
  readonly id: number;
  readonly data?: Buffer;
}

/** What a Stat says. */
export interface Stat {
  readonly path: BytePath;
  /** Go's os.FileMode bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Nanoseconds since the epoch. */
  readonly modTime: bigint;
  /** Target of a symlink; for a file: the earlier path whose inode it shares. */
  readonly linkname: BytePath;
  readonly devmajor: number;
  readonly devminor: number;
  readonly xattrs: readonly { readonly name: string; readonly value: Buffer }[];
}

/** Go's os.FileMode bits beside the permissions. */
export const GO_MODE = {
  dir: 0x80000000,
  symlink: 0x08000000,
  device: 0x04000000,
  pipe: 0x02000000,
  socket: 0x01000000,
  setuid: 0x00800000,
  setgid: 0x00400000,
  charDevice: 0x00200000,
  sticky: 0x00100000,
} as const;

/** Permission bits of a Go mode, with setuid, setgid and sticky where Unix has them (0o7777). */
export function permissions(mode: number): number {
  return (
    (mode & 0o777) | (mode & GO_MODE.setuid ? 0o4000 : 0) | (mode & GO_MODE.setgid ? 0o2000 : 0) | (mode & GO_MODE.sticky ? 0o1000 : 0)
  );
}

/** Unix permission bits (0o7777) as Go's, without the type. */
export function goPermissions(mode: number): number {
  return (
    (mode & 0o777) | (mode & 0o4000 ? GO_MODE.setuid : 0) | (mode & 0o2000 ? GO_MODE.setgid : 0) | (mode & 0o1000 ? GO_MODE.sticky : 0)
  );
}

/** Kind of file that a Go mode says. */
export function kindOfMode(mode: number): 'file' | 'dir' | 'symlink' | 'char' | 'block' | 'fifo' | 'socket' {
  const bits = mode >>> 0;
  if (bits & GO_MODE.dir) return 'dir';
  if (bits & GO_MODE.symlink) return 'symlink';
  if (bits & GO_MODE.device) return bits & GO_MODE.charDevice ? 'char' : 'block';
  if (bits & GO_MODE.pipe) return 'fifo';
  if (bits & GO_MODE.socket) return 'socket';
  return 'file';
}

function malformed(what: string): RpcError {
  return new RpcError('invalidArgument', `malformed packet: ${what}`);
}

/** Reads fields of a protobuf message: varints and byte strings; other wire types are skipped. */
class Fields {
  readonly #bytes: Buffer;
  #at = 0;
  field = 0;
  wire = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  next(): boolean {
    if (this.#at >= this.#bytes.length) return false;
    const tag = this.varint();
    this.field = tag >>> 3;
    this.wire = tag & 7;
    return true;
  }

  varint(): number {
    let value = 0;
    let factor = 1;
    for (let count = 0; count < 10; count += 1) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw malformed('it ends inside a number');
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
    throw malformed('a number is too long');
  }

  /** 64 bits, two's complement. */
  bigint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw malformed('it ends inside a number');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, value);
    }
    throw malformed('a number is too long');
  }

  bytes(): Buffer {
    const length = this.varint();
    const end = this.#at + length;
    if (end > this.#bytes.length) throw malformed('it ends inside a field');
    const value = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return value;
  }

  skip(): void {
    if (this.wire === 0) this.varint();
    else if (this.wire === 2) this.bytes();
    else if (this.wire === 1) this.#at += 8;
    else if (this.wire === 5) this.#at += 4;
    else throw malformed(`wire type ${this.wire}`);
  }
}

/** Reads a packet. Throws InvalidArgument for what is none. */
export function decodePacket(message: Buffer): Packet {
  const fields = new Fields(message);
  let type = 0;
  let id = 0;
  let stat: Buffer | undefined;
  let data: Buffer | undefined;
  while (fields.next()) {
    if (fields.field === 1 && fields.wire === 0) type = fields.varint();
    else if (fields.field === 2 && fields.wire === 2) stat = fields.bytes();
    else if (fields.field === 3 && fields.wire === 0) id = fields.varint();
    else if (fields.field === 4 && fields.wire === 2) data = fields.bytes();
    else fields.skip();
  }
  return { type, id, ...(stat && { stat }), ...(data && { data }) };
}

/** Reads a Stat. Throws InvalidArgument for what is none. */
export function decodeStat(message: Buffer): Stat {
  const fields = new Fields(message);
  let path = '';
  let mode = 0;
  let uid = 0;
  let gid = 0;
  let size = 0;
  let modTime = 0n;
  let linkname = '';
  let devmajor = 0;
  let devminor = 0;
  const xattrs: { name: string; value: Buffer }[] = [];
  while (fields.next()) {
    if (fields.wire === 2) {
      if (fields.field === 1) path = fields.bytes().toString('latin1');
      else if (fields.field === 7) linkname = fields.bytes().toString('latin1');
      else if (fields.field === 10) xattrs.push(decodeXattr(fields.bytes()));
      else fields.skip();
    } else if (fields.wire === 0) {
      if (fields.field === 2) mode = fields.varint();
      else if (fields.field === 3) uid = fields.varint();
      else if (fields.field === 4) gid = fields.varint();
      else if (fields.field === 5) size = fields.varint();
      else if (fields.field === 6) modTime = fields.bigint();
      else if (fields.field === 8) devmajor = fields.varint();
      else if (fields.field === 9) devminor = fields.varint();
      else fields.skip();
    } else fields.skip();
  }
  if (!Number.isSafeInteger(size)) throw malformed(`size ${size}`);
  return { path, mode, uid, gid, size, modTime, linkname, devmajor, devminor, xattrs };
}

function decodeXattr(message: Buffer): { name: string; value: Buffer } {
  const fields = new Fields(message);
  let name = '';
  let value: Buffer = Buffer.alloc(0);
  while (fields.next()) {
    if (fields.field === 1 && fields.wire === 2) name = fields.bytes().toString();
    else if (fields.field === 2 && fields.wire === 2) value = fields.bytes();
    else fields.skip();
  }
  return { name, value };
}

/** Writes fields of a protobuf message. */
class Writer {
  readonly #parts: Buffer[] = [];

  number(field: number, value: number | bigint): this {
    if (value === 0 || value === 0n) return this;
    this.#parts.push(varint((field << 3) | 0), varint(value));
    return this;
  }

  bytes(field: number, value: Buffer): this {
    if (value.length === 0) return this;
    return this.always(field, value);
  }

  always(field: number, value: Buffer): this {
    this.#parts.push(varint((field << 3) | 2), varint(value.length), value);
    return this;
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

function varint(value: number | bigint): Buffer {
  const bytes: number[] = [];
  if (typeof value === 'bigint') {
    let rest = BigInt.asUintN(64, value);
    for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
    bytes.push(Number(rest));
  } else {
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
    bytes.push(rest);
  }
  return Buffer.from(bytes);
}

/** Writes a packet. */
export function encodePacket(packet: Packet): Buffer {
  const writer = new Writer().number(1, packet.type);
  if (packet.stat !== undefined) writer.always(2, packet.stat);
  writer.number(3, packet.id);
  if (packet.data !== undefined) writer.bytes(4, packet.data);
  return writer.finish();
}

/** Writes a Stat. */
export function encodeStat(stat: Stat): Buffer {
  const writer = new Writer()
    .bytes(1, Buffer.from(stat.path, 'latin1'))
    .number(2, stat.mode >>> 0)
    .number(3, stat.uid)
    .number(4, stat.gid)
    .number(5, stat.size)
    .number(6, stat.modTime)
    .bytes(7, Buffer.from(stat.linkname, 'latin1'))
    .number(8, stat.devmajor)
    .number(9, stat.devminor);
  for (const { name, value } of stat.xattrs) writer.always(10, new Writer().bytes(1, Buffer.from(name)).bytes(2, value).finish());
  return writer.finish();
}
