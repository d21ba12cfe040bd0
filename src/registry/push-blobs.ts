// Blobs to push, from wherever they are.

import { digestOf } from '../base/index.ts';
import type { Descriptor } from '../oci/index.ts';
import type { PushBlob } from './blob-writer.ts';

/** A blob made of bytes at hand. */
export function bytesBlob(mediaType: string, bytes: Uint8Array): PushBlob {
  return {
    descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length },
    async *open(start, end) {
      yield bytes.subarray(start, end);
    },
  };
}

/** A blob in a file. */
export function fileBlob(descriptor: Descriptor, path: string, mountFrom?: readonly string[]): PushBlob {
  return {
    descriptor,
    async *open(start, end) {
      if (end === start) return;
      const { createReadStream } = await import('node:fs');
      yield* createReadStream(path, { start, end: end - 1, highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>;
    },
    ...(mountFrom === undefined ? {} : { mountFrom }),
  };
}

/** Each blob once, however often it is named. */
export function distinct(blobs: readonly PushBlob[]): readonly PushBlob[] {
  return [...new Map(blobs.map((blob) => [blob.descriptor.digest, blob])).values()];
}
