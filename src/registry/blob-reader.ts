// Streams a blob: verified while it passes, taken up again by range where a connection broke off, from any endpoint that has it.

import { createHash } from 'node:crypto';
import { digestAlgorithm, isSlipwayError, SlipwayError } from '../base/index.ts';
import type { Descriptor, Reference } from '../oci/index.ts';
import type { Limits } from './config.ts';
import type { Endpoint } from './endpoint.ts';
import { type About, isTransient, protocolFault, unreachable } from './faults.ts';
import { headerOf, type Reply, type Requester } from './requester.ts';
import { waitBefore } from './retry.ts';

export interface BlobRead {
  readonly requester: Requester;
  readonly limits: Limits;
  /** Where to ask, best first; opened when its turn comes. */
  readonly endpoints: readonly (() => Promise<Endpoint>)[];
  readonly reference: Reference;
  readonly descriptor: Descriptor;
  readonly about: About;
  readonly signal: AbortSignal;
  /** Bytes so far. */
  readonly onProgress?: (current: number) => void;
}

/** So much must have come through for the tries to be counted anew. */
const PROGRESS_BYTES = 1024 * 1024;

/**
 * The blob's bytes. Ends normally only when size and digest are right; else throws `BLOB_UNKNOWN`, `BLOB_TRUNCATED`,
 * `BLOB_SIZE_MISMATCH`, `BLOB_DIGEST_MISMATCH` or what the network did.
 */
export async function* readBlob(read: BlobRead): AsyncGenerator<Uint8Array, void> {
  const { descriptor, about, signal } = read;
  const hash = createHash(digestAlgorithm(descriptor.digest));
  const state = { offset: 0, failures: 0, lastFailure: 0, place: 0, ranges: true };
  for (;;) {
    let reply: Reply | undefined;
    try {
      reply = await openAt(read, state.place, state.ranges ? state.offset : 0);
      for await (const chunk of bodyFrom(reply, state.offset, about)) {
        state.offset += chunk.length;
        if (state.offset > descriptor.size) throw sizeMismatch(descriptor, `at least ${state.offset}`, about);
        hash.update(chunk);
        read.onProgress?.(state.offset);
        yield chunk;
      }
      if (state.offset < descriptor.size) throw truncated(descriptor, state.offset, about);
      break;
    } catch (error) {
      signal.throwIfAborted();
      // All of it came, and only the end of the answer did not: there is no range behind the last byte to ask for.
      if (state.offset === descriptor.size && isTransient(error)) break;
      await recover(read, state, reply, error);
    } finally {
      reply?.body.destroy();
    }
  }
  const actual = `${digestAlgorithm(descriptor.digest)}:${hash.digest('hex')}`;
  if (actual === descriptor.digest) return;
  throw new SlipwayError(
    'BLOB_DIGEST_MISMATCH',
    `cannot ${about.action}: a layer is not what was asked for: expected ${descriptor.digest}, got ${actual}`,
    {
      hint: 'the registry, or something before it, changes or damages what it serves',
      facts: { expected: descriptor.digest, actual, registry: about.registry },
    },
  );
}

/** Decides how it goes on after a failure: the same place again, the next place, or not at all. */
async function recover(
  { limits, endpoints, signal, about, descriptor }: BlobRead,
  state: { offset: number; failures: number; lastFailure: number; place: number; ranges: boolean },
  reply: Reply | undefined,
  error: unknown,
): Promise<void> {
  const broken = reply !== undefined && (isTransient(error) || isSlipwayError(error, 'BLOB_TRUNCATED'));
  if (!broken && !isSlipwayError(error)) throw error;
  // Some that serve blobs, or stand before, take no range that begins in the middle: all of it, then.
  if (isSlipwayError(error) && error.facts['status'] === 416 && state.ranges) {
    state.ranges = false;
    return;
  }
  if (broken && state.offset - state.lastFailure >= PROGRESS_BYTES) state.failures = 0;
  if (broken) state.failures += 1;
  state.lastFailure = state.offset;
  if (broken && state.failures <= limits.retries) {
    await limits.delay(waitBefore(Object.assign(new Error(), { code: 'ECONNRESET' }), state.failures - 1) ?? 0, signal);
    return;
  }
  if (state.place + 1 < endpoints.length) {
    // What has come so far stays: the content is named by its digest, wherever the rest comes from.
    state.place += 1;
    state.failures = 0;
    state.ranges = true;
    return;
  }
  throw isSlipwayError(error) || reply === undefined ? error : unreachable(error, reply.url, { ...about, blob: descriptor.digest });
}

async function openAt(
  { requester, endpoints, reference, descriptor, about, signal }: BlobRead,
  place: number,
  offset: number,
): Promise<Reply> {
  const endpoint = await endpoints[place]?.();
  if (endpoint === undefined) throw new Error('internal: a blob without endpoints');
  const reply = await requester.send({
    method: 'GET',
    endpoint,
    repository: reference.repository,
    actions: 'pull',
    path: `blobs/${descriptor.digest}`,
    headers: offset === 0 ? {} : { Range: `bytes=${offset}-` },
    accept: offset === 0 ? [200] : [200, 206],
    about: { ...about, subject: 'blob', blob: descriptor.digest },
    signal,
  });
  const length = headerOf(reply.headers, 'content-length');
  const expected = reply.status === 206 ? descriptor.size - offset : descriptor.size;
  if (length !== undefined && Number(length) > expected) {
    reply.body.destroy();
    throw sizeMismatch(descriptor, reply.status === 206 ? String(offset + Number(length)) : length, about);
  }
  return reply;
}

/** The bytes from `offset` on, whether or not the server knows ranges. */
async function* bodyFrom(reply: Reply, offset: number, about: About): AsyncGenerator<Buffer, void> {
  if (reply.status === 206) {
    const start = /^bytes (\d+)-/.exec(headerOf(reply.headers, 'content-range') ?? '')?.[1];
    if (Number(start ?? NaN) !== offset) throw protocolFault('sends another range than was asked for', reply.url, about);
  }
  let skip = reply.status === 206 ? 0 : offset;
  for await (const chunk of reply.body as AsyncIterable<Buffer>) {
    if (skip >= chunk.length) skip -= chunk.length;
    else {
      yield skip === 0 ? chunk : chunk.subarray(skip);
      skip = 0;
    }
  }
}

function truncated(descriptor: Descriptor, got: number, about: About): SlipwayError {
  return new SlipwayError('BLOB_TRUNCATED', `cannot ${about.action}: ${descriptor.digest} ends after ${got} of ${descriptor.size} bytes`, {
    hint: 'the registry has a damaged copy; push the image again',
    facts: { digest: descriptor.digest, expected: descriptor.size, actual: got, registry: about.registry },
  });
}

function sizeMismatch(descriptor: Descriptor, got: string, about: About): SlipwayError {
  return new SlipwayError(
    'BLOB_SIZE_MISMATCH',
    `cannot ${about.action}: ${descriptor.digest} should have ${descriptor.size} bytes but has ${got}`,
    {
      hint: 'the registry, or something before it, changes or damages what it serves',
      facts: { digest: descriptor.digest, expected: descriptor.size, registry: about.registry },
    },
  );
}
