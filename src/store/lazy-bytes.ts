// The bytes of a file as something that is read, or not: who gets them may find that nobody wants them.

import { createReadStream } from 'node:fs';

const PIECE_BYTES = 1 << 18;

/** A file's bytes from `start` up to, not including, `end`. The file is opened when they are asked for, and closed whatever becomes of it. */
export async function* fileBytes(path: string, start = 0, end = Infinity): AsyncGenerator<Uint8Array> {
  if (end > start) yield* createReadStream(path, { start, end: end - 1, highWaterMark: PIECE_BYTES }) as AsyncIterable<Buffer>;
}
