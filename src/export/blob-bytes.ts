// The bytes of a layer blob: a file of the store, or a stream from where the base image lives.

import { closeSync, fstatSync, openSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { digestAlgorithm, type JobContext, SlipwayError } from '../base/index.ts';
import { fileBlob, type PushBlob } from '../registry/index.ts';
import type { LayerBlob } from '../snapshot/index.ts';

/** Opens the blob's file for the time of `work`. Throws `BLOB_TRUNCATED` when it has another size than it should. */
export async function withBlobFile<T>(blob: LayerBlob, work: (fd: number) => Promise<T>): Promise<T> {
  if (blob.path === undefined) throw new Error('internal: a remote blob has no file');
  const fd = openSync(blob.path, 'r');
  try {
    const { size } = fstatSync(fd);
    if (size !== blob.descriptor.size) throw damaged(blob, `${size} of ${blob.descriptor.size} bytes`);
    return await work(fd);
  } finally {
    closeSync(fd);
  }
}

/** Streams a remote blob; ends normally only when size and digest are right. */
export async function* blobStream({ descriptor, remote }: LayerBlob, job: JobContext): AsyncGenerator<Uint8Array, void> {
  if (remote === undefined) throw new Error(`internal: nobody has ${descriptor.digest}`);
  const hash = createHash(digestAlgorithm(descriptor.digest));
  let size = 0;
  for await (const chunk of await remote.open(job)) {
    size += chunk.length;
    if (size > descriptor.size) throw remoteDamaged(descriptor.digest);
    hash.update(chunk);
    yield chunk;
  }
  const actual = `${digestAlgorithm(descriptor.digest)}:${hash.digest('hex')}`;
  if (size !== descriptor.size || actual !== descriptor.digest) throw remoteDamaged(descriptor.digest);
}

/** The blob as a push wants it; where it came from is where it may be mounted from. */
export function pushBlob(blob: LayerBlob, job: JobContext): PushBlob {
  const mountFrom = blob.remote?.repository === undefined ? undefined : [blob.remote.repository];
  if (blob.path !== undefined) return fileBlob(blob.descriptor, blob.path, mountFrom);
  return {
    descriptor: blob.descriptor,
    open: (start, end) => rangeOf(blobStream(blob, job), start, end),
    ...(mountFrom === undefined ? {} : { mountFrom }),
  };
}

async function* rangeOf(stream: AsyncIterable<Uint8Array>, start: number, end: number): AsyncGenerator<Uint8Array, void> {
  let at = 0;
  for await (const chunk of stream) {
    const from = Math.max(0, start - at);
    const to = Math.min(chunk.length, end - at);
    if (from < to) yield chunk.subarray(from, to);
    at += chunk.length;
    // Reading on to the end is what verifies the digest; a piece before the end goes unverified until the last one.
    if (at >= end && end !== at) return;
  }
}

function damaged(blob: LayerBlob, found: string): SlipwayError {
  return new SlipwayError('BLOB_TRUNCATED', `${blob.descriptor.digest} in the store has ${found}`, {
    hint: 'run `slipway store check --repair`',
  });
}

function remoteDamaged(digest: string): SlipwayError {
  return new SlipwayError('BLOB_DIGEST_MISMATCH', `a layer of the base image is not what its manifest says: ${digest}`, {
    hint: 'the registry, or something before it, changes or damages what it serves',
  });
}
