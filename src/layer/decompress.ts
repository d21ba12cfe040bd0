// Streams out of gzip, zstd, bzip2 and xz, told apart by their first bytes, with a bound on what comes out.

import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { SlipwayError } from '../base/index.ts';
import { gunzipOfIsal, hasIsalGunzip } from './gunzip-isal.ts';
import { gunzipOfZlib } from './gunzip-zlib.ts';
import { streamBroken } from './stream-broken.ts';
import { unzstd } from './unzstd.ts';

/** Compressions that we can undo. `none` is anything else. */
export type StreamFormat = 'none' | 'gzip' | 'zstd' | 'bzip2' | 'xz';

const MAGICS: readonly (readonly [StreamFormat, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['bzip2', [0x42, 0x5a, 0x68]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
];
/** So many bytes tell. */
export const MAGIC_BYTES = 6;

/** What the first bytes say (skippable zstd frames count as zstd). */
export function detectFormat(head: Uint8Array): StreamFormat {
  if (head.length >= 4 && (head[0] ?? 0) >> 4 === 5 && head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18) return 'zstd';
  return MAGICS.find(([, magic]) => magic.every((byte, at) => head[at] === byte))?.[0] ?? 'none';
}

export interface DecompressOptions {
  /** More than this comes out: `STREAM_TOO_LARGE`. */
  readonly maxBytes: number;
  readonly signal?: AbortSignal;
  /** There is so much that a faster library is worth being loaded. */
  readonly large?: boolean;
  /** What stands behind gzip data is ignored: so does Docker with archives that are added, and not with layers. */
  readonly ignoreRest?: boolean;
}

/** The stream's content. Throws STREAM_BROKEN for damaged data, DECOMPRESSOR_MISSING when a format needs a program that is not there. */
export async function* decompress(bytes: AsyncIterable<Uint8Array>, options: DecompressOptions): AsyncGenerator<Uint8Array, void, void> {
  const source = bytes[Symbol.asyncIterator]();
  try {
    const head: Uint8Array[] = [];
    let length = 0;
    while (length < MAGIC_BYTES) {
      const next = await source.next();
      if (next.done === true) break;
      head.push(next.value);
      length += next.value.length;
    }
    const all = rest(head, source);
    const format = detectFormat(Buffer.concat(head).subarray(0, MAGIC_BYTES));
    let total = 0;
    for await (const piece of contentOf(format, all, options)) {
      total += piece.length;
      if (total > options.maxBytes) {
        throw new SlipwayError('STREAM_TOO_LARGE', `compressed data unpacks to more than ${options.maxBytes} bytes`, {
          facts: { limit: options.maxBytes },
        });
      }
      yield piece;
    }
  } finally {
    await source.return?.();
  }
}

async function* rest(head: readonly Uint8Array[], source: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  yield* head;
  for (let next = await source.next(); next.done !== true; next = await source.next()) yield next.value;
}

function contentOf(
  format: StreamFormat,
  bytes: AsyncGenerator<Uint8Array, void, void>,
  { signal, large, ignoreRest }: DecompressOptions,
): AsyncIterable<Uint8Array> {
  switch (format) {
    case 'none':
      return bytes;
    case 'gzip':
      if (large === true && hasIsalGunzip()) return gunzipOfIsal(bytes);
      return ignoreRest === true ? gunzipOfZlib(bytes) : gunzip(bytes);
    case 'zstd':
      return unzstd(bytes);
    case 'bzip2':
      return throughProgram('bzip2', ['-dc'], bytes, signal);
    case 'xz':
      // Its own bound: a header may ask for gigabytes of memory.
      return throughProgram('xz', ['-dc', '--memlimit-decompress=512MiB', '-T1'], bytes, signal);
  }
}

async function* gunzip(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const input = Readable.from(bytes, { objectMode: false, highWaterMark: 1 << 20 });
  const gunzipped = createGunzip({ chunkSize: 1 << 20 });
  // A failing source ends the reader with its own error; a failing reader stops the source.
  input.once('error', (error) => gunzipped.destroy(error));
  input.pipe(gunzipped);
  try {
    for await (const piece of gunzipped) yield piece as Buffer;
  } catch (error) {
    throw error instanceof Error && 'code' in error && String(error.code).startsWith('Z_') ? streamBroken('gzip', error) : error;
  } finally {
    input.destroy();
    gunzipped.destroy();
  }
}

async function* throughProgram(
  program: string,
  args: readonly string[],
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], ...(signal === undefined ? {} : { signal }) });
  const ended = new Promise<{ readonly code: number | null; readonly error?: Error }>((resolve) => {
    child.once('error', (error) => resolve({ code: null, error }));
    child.once('close', (code) => resolve({ code }));
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-1000)));
  const input = Readable.from(bytes, { objectMode: false });
  let sourceError: Error | undefined;
  input.once('error', (error) => {
    sourceError = error;
    child.kill('SIGKILL');
  });
  // EPIPE: it stopped reading; its exit code says why.
  child.stdin.on('error', () => {});
  input.pipe(child.stdin);
  try {
    for await (const piece of child.stdout) yield piece as Buffer;
    const { code, error } = await ended;
    if (sourceError !== undefined) throw sourceError;
    signal?.throwIfAborted();
    if (error !== undefined) {
      throw new SlipwayError('DECOMPRESSOR_MISSING', `${program} data needs the program ${program}, which cannot be started`, {
        cause: error,
        hint: `install ${program === 'xz' ? 'xz-utils' : program}, or compress with gzip or zstd`,
      });
    }
    // Its first line: bzip2 goes on with advice of its own.
    if (code !== 0) throw streamBroken(program, new Error(said.trim().split('\n', 1)[0]?.replace(/;$/, '')));
  } finally {
    input.destroy();
    if (child.exitCode === null) child.kill('SIGKILL');
  }
}
