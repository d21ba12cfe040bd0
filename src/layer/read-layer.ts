// A layer's blob as it streams by: verified, unpacked or only indexed, and kept or recompressed on the way. One pass.

import { createHash } from 'node:crypto';
import { type DiffID, type Digest, sha256Digest, SlipwayError } from '../base/index.ts';
import { decompress } from './decompress.ts';
import { InlineHash, openSideHash, type SideHash } from './side-hash.ts';
import type { GroupSink } from './tar-groups.ts';
import { MAX_GROUP } from './tar-groups.ts';
import type { TarLimits } from './tar-budget.ts';
import { TarReader } from './tar-reader.ts';
import { tarBound, unpackBound } from './unpack-bound.ts';
import { LayerUnpacker, type Unpacked, type UnpackOptions } from './unpack.ts';

/** Bytes from which on a blob is large. */
const LARGE = 4 << 20;

export interface ReadLayerOptions extends UnpackOptions {
  /** Bytes and digest that the blob must have. */
  readonly expected: { readonly digest: Digest; readonly size: number };
  /** The bytes end well only if they have that digest: whoever brings them looks. */
  readonly verified?: boolean;
  /** Digest that the tar must have, when it is known. */
  readonly diffID?: DiffID;
  readonly limits?: Partial<TarLimits>;
  /** Takes the blob's bytes as they come (to store them); they are verified only at the end. */
  readonly keep?: (bytes: Uint8Array) => void;
  readonly signal?: AbortSignal;
}

/**
 * Reads a blob to its end. Throws BLOB_DIGEST_MISMATCH, BLOB_SIZE_MISMATCH or LAYER_DIFF_ID_MISMATCH when it is not what was promised:
 * then nothing that was unpacked may be used.
 */
export async function readLayer(
  bytes: AsyncIterable<Uint8Array>,
  options: ReadLayerOptions,
): Promise<Unpacked & { readonly diffID: DiffID }> {
  const unpacker = new LayerUnpacker(options);
  const reader = new TarReader(unpacker, { bytes: boundOf(options), ...options.limits });
  const tarHash = openTarHash(options);
  const blob = verifiedBytes(bytes, options);
  try {
    for await (const piece of contentOf(blob, options)) {
      tarHash.update(piece);
      reader.write(piece);
      await tarHash.room();
    }
    reader.finish();
    const diffID = checkDiffID(await tarHash.digest(), options.diffID);
    return { ...unpacker.finish(), diffID };
  } finally {
    unpacker.close();
  }
}

/** Feeds a blob's tar into a sink in groups of a fixed size: recompression, which keeps every byte of the tar. */
export async function regroupLayer(
  bytes: AsyncIterable<Uint8Array>,
  sink: GroupSink,
  options: Omit<ReadLayerOptions, 'folder'>,
): Promise<void> {
  const blob = verifiedBytes(bytes, options);
  const tarHash = openTarHash(options);
  let buffer: Buffer | undefined;
  let length = 0;
  const flush = (): void => {
    if (buffer === undefined) return;
    const group = buffer.subarray(0, length);
    sink.end(length, createHash('sha256').update('bytes\0').update(group).digest());
    buffer = undefined;
    length = 0;
  };
  for await (const piece of contentOf(blob, options)) {
    tarHash.update(piece);
    for (let at = 0; at < piece.length;) {
      buffer ??= sink.begin();
      const part = Math.min(MAX_GROUP - length, piece.length - at);
      buffer.set(piece.subarray(at, at + part), length);
      length += part;
      at += part;
      if (length === MAX_GROUP) flush();
    }
    await tarHash.room();
  }
  flush();
  checkDiffID(await tarHash.digest(), options.diffID);
}

/** The tar in a blob. What stands behind the compressed data is read too: it belongs to the blob, and only its end verifies it. */
async function* contentOf(
  blob: AsyncGenerator<Uint8Array, void, void>,
  options: Omit<ReadLayerOptions, 'folder'>,
): AsyncGenerator<Uint8Array, void, void> {
  // Without `return`: decompressors stop reading where the compressed data ends.
  const kept = { [Symbol.asyncIterator]: () => ({ next: () => blob.next() }) };
  try {
    yield* decompress(kept, { maxBytes: tarBound(boundOf(options)), large: isLarge(options), ...signalOf(options) });
    for await (const _ of blob);
  } finally {
    await blob.return();
  }
}

function isLarge({ expected }: Pick<ReadLayerOptions, 'expected'>): boolean {
  return expected.size > LARGE;
}

/** Of a large layer the tar is hashed while its files are. */
function openTarHash(options: Pick<ReadLayerOptions, 'expected'>): SideHash {
  return isLarge(options) ? openSideHash() : new InlineHash();
}

function boundOf({ limits, expected, folder }: ReadLayerOptions): number {
  return limits?.bytes ?? unpackBound(expected.size, folder);
}

async function* verifiedBytes(bytes: AsyncIterable<Uint8Array>, options: ReadLayerOptions): AsyncGenerator<Uint8Array, void, void> {
  const { expected, verified, keep, signal } = options;
  const hash = verified === true ? undefined : createHash(expected.digest.startsWith('sha512:') ? 'sha512' : 'sha256');
  let size = 0;
  for await (const piece of bytes) {
    signal?.throwIfAborted();
    size += piece.length;
    if (size > expected.size) throw sizeMismatch(expected, `more than ${expected.size}`);
    hash?.update(piece);
    keep?.(piece);
    yield piece;
  }
  if (size !== expected.size) throw sizeMismatch(expected, String(size));
  if (hash === undefined) return;
  const got = `${expected.digest.slice(0, 6)}:${hash.digest('hex')}`;
  if (got !== expected.digest) {
    throw new SlipwayError('BLOB_DIGEST_MISMATCH', `layer blob is damaged: expected ${expected.digest}, got ${got}`, {
      facts: { expected: expected.digest, actual: got },
    });
  }
}

function checkDiffID(hex: string, expected: DiffID | undefined): DiffID {
  const diffID = sha256Digest(hex) as DiffID;
  if (expected !== undefined && diffID !== expected) {
    throw new SlipwayError(
      'LAYER_DIFF_ID_MISMATCH',
      `layer does not unpack to what the image config says: expected ${expected}, got ${diffID}`,
      {
        facts: { expected, actual: diffID },
      },
    );
  }
  return diffID;
}

function sizeMismatch(expected: ReadLayerOptions['expected'], got: string): SlipwayError {
  return new SlipwayError('BLOB_SIZE_MISMATCH', `layer blob ${expected.digest} has ${got} bytes, expected ${expected.size}`);
}

function signalOf(options: { readonly signal?: AbortSignal }): { readonly signal?: AbortSignal } {
  return options.signal === undefined ? {} : { signal: options.signal };
}
