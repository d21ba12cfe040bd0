// Texts in files, searched in bounded pieces.

import type { RangeReader } from './tree-files.ts';

const PIECE = 1 << 20;
const LIMIT = 256 << 20;
/** Longest text that is found over the edge of two pieces. */
const OVERLAP = 512;

/** Which of the texts (latin1) a file has; at most its first 256 MiB are looked at. */
export function textsIn(read: RangeReader, size: number, texts: readonly string[]): ReadonlySet<string> {
  const found = new Set<string>();
  for (const { data } of pieces(read, size)) {
    for (const text of texts) if (!found.has(text) && data.includes(text, 0, 'latin1')) found.add(text);
    if (found.size === texts.length) break;
  }
  return found;
}

/** Offset of the first occurrence of some bytes; -1: not there. */
export function offsetOf(read: RangeReader, size: number, bytes: Buffer): number {
  for (const { offset, data } of pieces(read, size)) {
    const at = data.indexOf(bytes);
    if (at >= 0) return offset + at;
  }
  return -1;
}

/** Names of libraries written in a program, each between NULs: what it may open at run time. At most `limit`. */
export function libraryNames(read: RangeReader, size: number, limit = 200): readonly string[] {
  const names = new Set<string>();
  for (const { data } of pieces(read, size)) {
    for (const [, name] of data.toString('latin1').matchAll(/\0(lib[\w.+-]{1,64}\.so(?:\.\d{1,4}){0,3})(?=\0)/g)) {
      names.add(name as string);
      if (names.size >= limit) return [...names];
    }
  }
  return [...names];
}

/** Each piece is gone when the next one is asked for: new memory for each made the engine collect garbage, 13 ms after a small build. */
function* pieces(read: RangeReader, size: number): Generator<{ readonly offset: number; readonly data: Buffer }> {
  const memory = Buffer.allocUnsafe(Math.min(size, PIECE + OVERLAP));
  for (let offset = 0; offset < Math.min(size, LIMIT); offset += PIECE) {
    const data = read(offset, memory.length, memory);
    if (data.length === 0) return;
    yield { offset, data };
  }
}
