// Reads a tar as it comes, piece by piece: ustar, PAX, GNU long names, base-256 numbers, old GNU's and PAX's sparse files.
// The input is a stranger's: every length is bounded, every number checked, nothing is believed.

import type { BytePath } from '../base/index.ts';
import { decimal, paxNumber, paxTime, xattrsOf } from './pax-values.ts';
import { SparseFill } from './sparse-fill.ts';
import { TarBudget, type TarLimits } from './tar-budget.ts';
import { broken, overLimit } from './tar-faults.ts';
import { checkOwner, checkSum, deviceNumber, isZero, readNumber, readText, untilZero } from './tar-fields.ts';
import { BLOCK, padding } from './tar-header.ts';
import { KeptRecords, parsePax, type PaxRecords } from './tar-pax.ts';
import { readPaxSparse, readSparseBlock, type SparsePiece } from './tar-sparse.ts';

/** A member as the archive has it: names unchecked. */
export interface TarMember {
  /** Raw bytes of the name, as written (may be absolute, hold `..`, end in `/`). */
  readonly name: BytePath;
  readonly kind: 'file' | 'dir' | 'symlink' | 'hardlink' | 'char' | 'block' | 'fifo';
  /** 0o7777 bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes that `data` will deliver. */
  readonly size: number;
  readonly mtime: number;
  readonly mtimeNs: number;
  readonly link: BytePath;
  readonly devMajor: number;
  readonly devMinor: number;
  readonly xattrs: Readonly<Record<string, string>> | undefined;
  /** Where the member's bytes start in the uncompressed stream; undefined for a sparse file. */
  readonly offset: number | undefined;
}

/** Receives members in order. Each file's `data` calls come between its `member` and `end`. Buffers are only valid during the call. */
export interface TarSink {
  member(member: TarMember): void;
  data(bytes: Uint8Array): void;
  end(): void;
}

type State = 'header' | 'extended' | 'sparse-header' | 'sparse-map' | 'data' | 'padding' | 'over';

/** A sparse file whose map is being read. */
interface PendingSparse {
  readonly member: TarMember;
  readonly pieces: SparsePiece[];
  readonly real: number;
  stored: number;
  text: string;
}

/** Bytes of a list that an attribute counts for beside its name and value: what it costs to keep one. */
const ATTRIBUTE = 64;
/** Attributes that were put together for one member count so much more than those that are shared. */
const MERGED = 64;

/** Push parser. Call `write` for each piece and `finish` once; both throw TAR_BROKEN, TAR_LIMIT or whatever the sink throws. */
export class TarReader {
  readonly #sink: TarSink;
  readonly #budget: TarBudget;
  #state: State = 'header';
  /** Bytes of a block, or of an extended header, that came so far. */
  #held: Buffer = Buffer.alloc(BLOCK);
  #heldLength = 0;
  #wanted = BLOCK;
  /** Bytes left in the state `data` or `padding`. */
  #left = 0;
  #padding = 0;
  #position = 0;
  #zeroBlocks = 0;
  #extendedType = '';
  readonly #global = new KeptRecords();
  readonly #local = new KeptRecords();
  /** Attributes of members without their own, once they were asked for. */
  #globalXattrs: { readonly value: TarMember['xattrs'] } | undefined;
  /** A header for the next member was read, whatever was in it. */
  #hasLocal = false;
  #longName: BytePath | undefined;
  #longLink: BytePath | undefined;
  /** The member whose sparse map is being read. */
  #pending: PendingSparse | undefined;
  /** Where the bytes of the member go when it has holes. */
  #sparse: SparseFill | undefined;

  constructor(sink: TarSink, limits: Partial<TarLimits> = {}) {
    this.#sink = sink;
    this.#budget = new TarBudget(limits);
  }

  /** Whether the end marker came: what follows is ignored. */
  get over(): boolean {
    return this.#state === 'over';
  }

  write(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#state === 'over') return;
      if (this.#state === 'data' || this.#state === 'padding') {
        const length = Math.min(this.#left, chunk.length - at);
        if (this.#state === 'data') this.#deliver(chunk.subarray(at, at + length));
        this.#left -= length;
        at += length;
        this.#position += length;
        if (this.#left === 0) this.#afterRun();
        continue;
      }
      const length = Math.min(this.#wanted - this.#heldLength, chunk.length - at);
      this.#held.set(chunk.subarray(at, at + length), this.#heldLength);
      this.#heldLength += length;
      at += length;
      this.#position += length;
      if (this.#heldLength === this.#wanted) {
        this.#heldLength = 0;
        this.#block();
      }
    }
  }

  /**
   * The stream has ended. A missing end marker is forgiven, and what would have filled the last block (many writers stop at the last
   * member); a missing part of a member is not.
   */
  finish(): void {
    if (this.#state === 'over') return;
    const whole = this.#state === 'header' ? this.#heldLength === 0 : this.#state === 'padding' && this.#left <= this.#padding;
    if (!whole) throw broken('it ends in the middle of a member');
    this.#end();
  }

  #end(): void {
    if (this.#longName !== undefined || this.#longLink !== undefined || this.#hasLocal) {
      throw broken('an extended header without a member after it');
    }
    this.#state = 'over';
  }

  /** A whole block, or a whole extended header, is held. */
  #block(): void {
    switch (this.#state) {
      case 'header':
        return this.#header(this.#held.subarray(0, BLOCK));
      case 'extended':
        return this.#extended(this.#held.subarray(0, this.#left));
      case 'sparse-header':
        return this.#sparseHeader(this.#held.subarray(0, BLOCK));
      case 'sparse-map':
        return this.#sparseMap(this.#held.subarray(0, BLOCK));
      default:
        throw new Error(`internal: a block in state ${this.#state}`);
    }
  }

  #header(block: Buffer): void {
    if (isZero(block)) {
      this.#zeroBlocks += 1;
      if (this.#zeroBlocks === 2) this.#end();
      return;
    }
    this.#zeroBlocks = 0;
    checkSum(block);
    const magic = block.toString('latin1', 257, 265);
    const ustar = magic.startsWith('ustar\0');
    const gnu = magic === 'ustar  \0';
    const type = String.fromCharCode(block[156] ?? 0);
    const size = readNumber(block, 124, 12, 'size');
    if (size < 0) throw broken('a negative size');
    if (type === 'x' || type === 'g' || type === 'L' || type === 'K' || type === 'X') return this.#beginExtended(type, size);
    this.#member(block, type, size, ustar, gnu);
  }

  #beginExtended(type: string, size: number): void {
    const limit = type === 'L' || type === 'K' ? this.#budget.limits.nameBytes + 1 : this.#budget.limits.headerBytes;
    if (size > limit) throw overLimit(`an extended header of ${size} bytes`, limit);
    this.#budget.takeHeader();
    this.#state = 'extended';
    this.#extendedType = type;
    this.#left = size;
    this.#wanted = size + padding(size);
    if (this.#wanted > this.#held.length) this.#held = Buffer.alloc(this.#wanted);
    if (size === 0) this.#extended(this.#held.subarray(0, 0));
  }

  #extended(bytes: Buffer): void {
    const type = this.#extendedType;
    if (type === 'L') this.#longName = untilZero(bytes.toString('latin1'));
    else if (type === 'K') this.#longLink = untilZero(bytes.toString('latin1'));
    else {
      const kept = type === 'g' ? this.#global : this.#local;
      kept.add(parsePax(bytes));
      if (kept.bytes > this.#budget.limits.headerBytes)
        throw overLimit('extended headers one after another', this.#budget.limits.headerBytes);
      if (type === 'g') this.#globalXattrs = undefined;
      else this.#hasLocal = true;
    }
    this.#left = 0;
    this.#expect('header', BLOCK);
  }

  #member(block: Buffer, type: string, headerSize: number, ustar: boolean, gnu: boolean): void {
    this.#budget.takeHeader();
    this.#budget.takeMember();
    const pax: PaxRecords = { ...this.#global.known, ...this.#local.known };
    for (const key of ['path', 'linkpath', 'size', 'uid', 'gid', 'mtime']) if (pax[key] === '') delete pax[key];
    const prefix = ustar ? readText(block, 345, 155) : '';
    const plainName = readText(block, 0, 100);
    const name = pax['GNU.sparse.name'] ?? pax['path'] ?? this.#longName ?? (prefix === '' ? plainName : `${prefix}/${plainName}`);
    const link = pax['linkpath'] ?? this.#longLink ?? readText(block, 157, 100);
    if (name.length > this.#budget.limits.nameBytes || link.length > this.#budget.limits.nameBytes) {
      throw overLimit(`a name of ${Math.max(name.length, link.length)} bytes`, this.#budget.limits.nameBytes);
    }
    if (name.includes('\0') || link.includes('\0')) throw broken('a NUL byte in a name');
    const kind = kindOf(type, name);
    const stored = kind === 'file' || kind === undefined ? paxNumber(pax, 'size', headerSize) : 0;
    const [mtime, mtimeNs] = pax['mtime'] === undefined ? [readNumber(block, 136, 12, 'mtime'), 0] : paxTime(pax['mtime']);
    const xattrs = this.#xattrs();
    this.#local.clear();
    this.#hasLocal = false;
    this.#longName = undefined;
    this.#longLink = undefined;
    if (kind === undefined) {
      // Unknown types (POSIX: treat as files) that carry labels or volume headers: their bytes are passed over.
      this.#budget.takeBytes(stored);
      this.#budget.takeListBytes(name.length);
      this.#skip(stored);
      return;
    }
    const member: TarMember = {
      name,
      kind,
      mode: readNumber(block, 100, 8, 'mode') & 0o7777,
      uid: checkOwner(paxNumber(pax, 'uid', readNumber(block, 108, 8, 'uid'))),
      gid: checkOwner(paxNumber(pax, 'gid', readNumber(block, 116, 8, 'gid'))),
      size: stored,
      mtime,
      mtimeNs,
      link: kind === 'symlink' || kind === 'hardlink' ? link : '',
      devMajor: kind === 'char' || kind === 'block' ? deviceNumber(block, 329) : 0,
      devMinor: kind === 'char' || kind === 'block' ? deviceNumber(block, 337) : 0,
      xattrs,
      offset: this.#position,
    };
    if (type === 'S' && gnu) return this.#beginOldSparse(block, member, stored);
    const map = kind === 'file' ? readPaxSparse(pax, stored) : undefined;
    if (map?.form === 'inline') return this.#begin({ ...member, size: map.real, offset: undefined }, stored, map.pieces, map.real);
    if (map?.form === 'in-data') {
      this.#pending = { member, pieces: [], real: map.real, stored, text: '' };
      return this.#expect('sparse-map', BLOCK);
    }
    // Old archives, and hard links that carry a size: only files have bytes.
    this.#begin(member, stored, undefined, stored);
  }

  #begin(member: TarMember, stored: number, pieces: readonly SparsePiece[] | undefined, real: number): void {
    this.#budget.takeBytes(real);
    this.#budget.takeListBytes(listBytes(member));
    this.#padding = padding(stored);
    this.#sink.member(member);
    this.#sparse = pieces === undefined ? undefined : new SparseFill(pieces, real, (bytes) => this.#sink.data(bytes));
    if (stored > 0) {
      this.#state = 'data';
      this.#left = stored;
      return;
    }
    this.#endMember();
    this.#expect('header', BLOCK);
  }

  #skip(stored: number): void {
    this.#padding = padding(stored);
    this.#left = stored + this.#padding;
    if (this.#left === 0) this.#expect('header', BLOCK);
    else this.#state = 'padding';
  }

  #deliver(bytes: Uint8Array): void {
    if (this.#sparse === undefined) this.#sink.data(bytes);
    else this.#sparse.write(bytes);
  }

  #afterRun(): void {
    if (this.#state === 'data') {
      this.#endMember();
      if (this.#padding > 0) {
        this.#state = 'padding';
        this.#left = this.#padding;
        return;
      }
    }
    this.#expect('header', BLOCK);
  }

  #endMember(): void {
    this.#sparse?.end();
    this.#sparse = undefined;
    this.#sink.end();
  }

  #beginOldSparse(block: Buffer, member: TarMember, stored: number): void {
    const real = readNumber(block, 483, 12, 'real size');
    const pieces = readSparseBlock(block, 386, 4);
    this.#pending = { member, pieces, real, stored, text: '' };
    if (block[482] === 1) this.#expect('sparse-header', BLOCK);
    else this.#beginPending();
  }

  #sparseHeader(block: Buffer): void {
    const pending = this.#pending as PendingSparse;
    pending.pieces.push(...readSparseBlock(block, 0, 21));
    if (pending.pieces.length > 100_000) throw overLimit('a sparse file in too many pieces', 100_000);
    if (block[504] !== 1) this.#beginPending();
  }

  /** PAX sparse 1.0: a decimal list before the data, padded to whole blocks. */
  #sparseMap(block: Buffer): void {
    const pending = this.#pending as PendingSparse;
    pending.text += block.toString('latin1');
    pending.stored -= BLOCK;
    if (pending.stored < 0) throw broken('a sparse map longer than its file');
    if (pending.text.length > this.#budget.limits.headerBytes) throw overLimit('a sparse map', this.#budget.limits.headerBytes);
    const lines = pending.text.split('\n');
    const count = lines.length > 1 ? Number(lines[0]) : undefined;
    if (count !== undefined && !(Number.isInteger(count) && count >= 0 && count <= 100_000)) throw broken('a sparse map without count');
    if (count === undefined || lines.length < 2 + 2 * count) return;
    for (let at = 0; at < count; at += 1) {
      pending.pieces.push({ offset: decimal(lines[1 + 2 * at]), length: decimal(lines[2 + 2 * at]) });
    }
    this.#beginPending();
  }

  #beginPending(): void {
    const { member, pieces, real, stored } = this.#pending as PendingSparse;
    this.#pending = undefined;
    let end = 0;
    let total = 0;
    for (const piece of pieces) {
      if (piece.offset < end || piece.offset + piece.length > real) throw broken('a sparse map out of order or out of range');
      end = piece.offset + piece.length;
      total += piece.length;
    }
    if (total !== stored || real < 0) throw broken('a sparse map that does not match its data');
    this.#begin({ ...member, size: real, offset: undefined }, stored, pieces, real);
  }

  #expect(state: State, wanted: number): void {
    this.#state = state;
    this.#wanted = wanted;
    this.#heldLength = 0;
  }

  /** Attributes of the member. Those of all members are read once, unless a member adds its own: that is counted for the work it is. */
  #xattrs(): TarMember['xattrs'] {
    if (this.#local.attributeBytes === 0) return (this.#globalXattrs ??= { value: xattrsOf(this.#global.attributes) }).value;
    this.#budget.takeListBytes(MERGED * this.#global.attributeBytes);
    return xattrsOf({ ...this.#global.attributes, ...this.#local.attributes });
  }
}

function listBytes({ name, link, xattrs }: TarMember): number {
  let bytes = name.length + link.length;
  for (const key in xattrs) bytes += ATTRIBUTE + key.length + (xattrs[key] ?? '').length;
  return bytes;
}

/** `undefined`: a type whose bytes are passed over. */
function kindOf(type: string, name: BytePath): TarMember['kind'] | undefined {
  switch (type) {
    case '0':
    case '\0':
    case '7':
    case 'S':
      // Archives older than ustar mark directories by the slash alone.
      return name.endsWith('/') ? 'dir' : 'file';
    case '1':
      return 'hardlink';
    case '2':
      return 'symlink';
    case '3':
      return 'char';
    case '4':
      return 'block';
    case '5':
      return 'dir';
    case '6':
      return 'fifo';
    default:
      return undefined;
  }
}
