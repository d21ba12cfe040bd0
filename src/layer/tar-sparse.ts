// Maps of sparse files: where the stored bytes belong. Old GNU headers, and GNU's three forms in PAX records.

import { broken } from './tar-faults.ts';
import type { PaxRecords } from './tar-pax.ts';

const SPARSE_MAP = 'a sparse map that cannot be read';

/** A run of stored bytes and its place in the file. */
export interface SparsePiece {
  readonly offset: number;
  readonly length: number;
}

/** `inline`: the map was in the header. `in-data`: it stands before the bytes. */
export type PaxSparse =
  | { readonly form: 'inline'; readonly pieces: readonly SparsePiece[]; readonly real: number }
  | { readonly form: 'in-data'; readonly real: number };

/** Reads GNU's sparse records; undefined for a plain file. `stored` is the member's size in the archive. */
export function readPaxSparse(pax: PaxRecords, stored: number): PaxSparse | undefined {
  const real = pax['GNU.sparse.realsize'] ?? pax['GNU.sparse.size'];
  if (real === undefined) return undefined;
  if (pax['GNU.sparse.major'] === '1' && pax['GNU.sparse.minor'] === '0') return { form: 'in-data', real: count(real) };
  const map = pax['GNU.sparse.map'];
  if (map === undefined) return undefined;
  const numbers = map === '' ? [] : map.split(',').map(count);
  if (numbers.length % 2 !== 0) throw broken(SPARSE_MAP);
  const pieces: SparsePiece[] = [];
  let end = 0;
  let total = 0;
  for (let at = 0; at < numbers.length; at += 2) {
    const piece = { offset: numbers[at] ?? 0, length: numbers[at + 1] ?? 0 };
    if (piece.offset < end || piece.offset + piece.length > count(real)) throw broken(SPARSE_MAP);
    end = piece.offset + piece.length;
    total += piece.length;
    pieces.push(piece);
  }
  if (total !== stored) throw broken(SPARSE_MAP);
  return { form: 'inline', pieces, real: count(real) };
}

/** Reads the pairs of an old GNU header: `slots` pairs of 12-byte numbers, ended by an empty one. */
export function readSparseBlock(block: Buffer, at: number, slots: number): SparsePiece[] {
  const pieces: SparsePiece[] = [];
  for (let slot = 0; slot < slots; slot += 1) {
    const start = at + slot * 24;
    if (block[start] === 0) break;
    pieces.push({ offset: octal(block, start), length: octal(block, start + 12) });
  }
  return pieces;
}

function octal(block: Buffer, at: number): number {
  const first = block[at] ?? 0;
  if (first === 0x80) {
    const high = block.readUInt32BE(at + 4);
    const value = high * 0x1_0000_0000 + block.readUInt32BE(at + 8);
    if (block.readUInt32BE(at) !== 0x8000_0000 || !Number.isSafeInteger(value)) throw broken(SPARSE_MAP);
    return value;
  }
  const text = block.toString('latin1', at, at + 12).replace(/[\0 ]+$/, '');
  if (!/^ *[0-7]{1,12}$/.test(text)) throw broken(SPARSE_MAP);
  return Number.parseInt(text.trim(), 8);
}

function count(text: string): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw broken(SPARSE_MAP);
  return value;
}
