// Uploads one blob: not at all when it is there, by mounting it from a sibling repository, in one piece, or in several.

import { type Digest, isSlipwayError, SlipwayError } from '../base/index.ts';
import type { Descriptor, Reference } from '../oci/index.ts';
import type { Limits } from './config.ts';
import type { Endpoint } from './endpoint.ts';
import { type About, isTransient, protocolFault } from './faults.ts';
import { headerOf, type Operation, parseLocation, type Reply, type Requester } from './requester.ts';
import { waitBefore } from './retry.ts';
import { discard, type RequestBody } from './transport.ts';

/** A blob to push. */
export interface PushBlob {
  readonly descriptor: Descriptor;
  /** Its bytes from an offset up to (not including) `end`; called again for another try. */
  open(start: number, end: number): AsyncIterable<Uint8Array>;
  /** `registry/repository` names of places that have it, so that one of the same registry is mounted from. */
  readonly mountFrom?: readonly string[];
}

/** How a blob came to be at the registry. */
export type PushOutcome = 'exists' | 'mounted' | 'uploaded';

export interface BlobWrite {
  readonly requester: Requester;
  readonly limits: Limits;
  readonly endpoint: Endpoint;
  readonly reference: Reference;
  readonly blob: PushBlob;
  /** Bytes of each piece; undefined: one piece unless the registry refuses. */
  readonly chunk?: number;
  readonly about: About;
  readonly signal: AbortSignal;
  readonly onProgress?: (current: number) => void;
}

/** What a piece has where a registry (or a proxy before it) refuses the whole. */
const SMALLER_CHUNK = 32 * 1024 * 1024;
/** A registry may take long to hash what it got before it answers. */
const UPLOAD_IDLE_MS = 300_000;

/** Without sending a byte of it: the blob is there, or could be mounted. Undefined: it must be uploaded. */
export async function reuseBlob(write: BlobWrite): Promise<PushOutcome | undefined> {
  if (await blobExists(write)) return 'exists';
  for (const name of write.blob.mountFrom ?? []) {
    if (await mounted(write, name)) return 'mounted';
  }
  return undefined;
}

/** Sends a blob that the registry does not have. Sending one that it has does no harm. */
export async function uploadBlob(write: BlobWrite): Promise<PushOutcome> {
  let chunk = write.chunk;
  for (let failures = 0; ;) {
    const upload: Upload = { session: await startUpload(write), offset: 0 };
    try {
      await (chunk === undefined ? sendWhole(write, upload) : sendPieces(write, upload, chunk));
      return 'uploaded';
    } catch (error) {
      write.signal.throwIfAborted();
      if (isSlipwayError(error, 'REGISTRY_TOO_LARGE') && chunk === undefined && write.blob.descriptor.size > SMALLER_CHUNK) {
        chunk = SMALLER_CHUNK;
        continue;
      }
      const wait = isLostSession(error, failures) ? 0 : waitBefore(error, failures);
      failures += 1;
      if (wait === undefined || failures > write.limits.retries) throw error;
      await write.limits.delay(wait, write.signal);
      if (await blobExists(write)) return 'uploaded';
    }
  }
}

/** HEAD of a blob. */
export async function blobExists(
  write: Pick<BlobWrite, 'requester' | 'endpoint' | 'reference' | 'about' | 'signal'> & {
    readonly blob: { readonly descriptor: Descriptor };
  },
): Promise<boolean> {
  const reply = await write.requester.send({
    ...common(write),
    method: 'HEAD',
    path: `blobs/${write.blob.descriptor.digest}`,
    accept: [200, 404],
    about: { ...write.about, subject: 'blob', blob: write.blob.descriptor.digest },
  });
  discard(reply);
  // The size counts: a portal answers everything with 200.
  const length = headerOf(reply.headers, 'content-length');
  return reply.status === 200 && (length === undefined || Number(length) === write.blob.descriptor.size);
}

/** Whether the registry does not know an upload any more, or cannot go on with it: the blob is sent anew. Other bytes than it wants: once. */
function isLostSession(error: unknown, failures: number): boolean {
  if (!isSlipwayError(error)) return false;
  const { status, registryCode } = error.facts;
  return (
    status === 404 ||
    status === 416 ||
    (status === 400 && failures === 0 && /^(BLOB_UPLOAD_|RANGE_|DIGEST_|SIZE_)/.test(String(registryCode)))
  );
}

interface Upload {
  session: URL;
  /** Bytes that the registry has of it. */
  offset: number;
}

/** Cross-repository mount. A registry that does not have it there opens an upload instead; that one is left to expire. */
async function mounted(write: BlobWrite, name: string): Promise<boolean> {
  const slash = name.indexOf('/');
  const repository = name.slice(slash + 1);
  if (name.slice(0, slash) !== write.reference.registry || repository === write.reference.repository) return false;
  try {
    const reply = await write.requester.send({
      ...common(write),
      method: 'POST',
      path: `blobs/uploads/?mount=${encodeURIComponent(write.blob.descriptor.digest)}&from=${encodeURIComponent(repository)}`,
      scopes: [`repository:${repository}:pull`],
      accept: [201, 202],
      retries: 1,
    });
    discard(reply);
    return reply.status === 201;
  } catch (error) {
    // No right to read there, no mounting at all, or trouble with it: uploading still works, and says what is wrong if it does not.
    if (isSlipwayError(error) && typeof error.facts['status'] === 'number') return false;
    throw error;
  }
}

async function startUpload(write: BlobWrite): Promise<URL> {
  const reply = await write.requester.send({ ...common(write), method: 'POST', path: 'blobs/uploads/', accept: [202] });
  discard(reply);
  return sessionOf(reply, write);
}

/** POST, then one PUT with everything. After a broken connection the rest goes in pieces, from where the registry got to. */
async function sendWhole(write: BlobWrite, upload: Upload): Promise<void> {
  const { blob, signal, limits } = write;
  try {
    await finish(write, upload, pieceOf(write, 0, blob.descriptor.size));
  } catch (error) {
    signal.throwIfAborted();
    const cut = isSlipwayError(error, 'REGISTRY_UNREACHABLE') && isTransient(error.cause);
    if (!cut || limits.retries === 0) throw error;
    await limits.delay(waitBefore(error, 0) ?? 0, signal);
    if (await blobExists(write)) return;
    upload.offset = await uploadedSoFar(write, upload, error);
    if (upload.offset === 0) throw error;
    await sendPieces(write, upload, SMALLER_CHUNK);
  }
}

/** PATCH for each piece, then an empty PUT. */
async function sendPieces(write: BlobWrite, upload: Upload, chunk: number): Promise<void> {
  const { blob, signal, limits } = write;
  const { size } = blob.descriptor;
  for (let failures = 0; upload.offset < size;) {
    const end = Math.min(size, upload.offset + chunk);
    try {
      const reply = await write.requester.send({
        ...common(write),
        method: 'PATCH',
        path: upload.session,
        headers: { 'Content-Type': 'application/octet-stream', 'Content-Range': `${upload.offset}-${end - 1}` },
        body: pieceOf(write, upload.offset, end),
        accept: [202, 204, 201],
        retries: 0,
        idleMs: UPLOAD_IDLE_MS,
      });
      discard(reply);
      upload.session = sessionOf(reply, write);
      upload.offset = end;
      failures = 0;
    } catch (error) {
      signal.throwIfAborted();
      const wait = isSlipwayError(error) && error.facts['status'] === 416 ? 0 : waitBefore(error, failures);
      failures += 1;
      if (wait === undefined || failures > limits.retries) throw error;
      await limits.delay(wait, signal);
      upload.offset = await uploadedSoFar(write, upload, error);
    }
  }
  await finish(write, upload, undefined);
}

/** The closing PUT, with the rest of the bytes or without. */
async function finish(write: BlobWrite, upload: Upload, body: RequestBody | undefined): Promise<void> {
  const { digest } = write.blob.descriptor;
  const url = new URL(upload.session);
  url.searchParams.set('digest', digest);
  const reply = await write.requester.send({
    ...common(write),
    method: 'PUT',
    path: url,
    headers: { 'Content-Type': 'application/octet-stream' },
    body: body ?? { size: 0, open: () => emptyBody() },
    accept: [201, 204],
    retries: 0,
    idleMs: UPLOAD_IDLE_MS,
  });
  discard(reply);
  checkStored(reply, digest, write.about);
}

/** GET of an upload's state: `Range: 0-<last byte>`. A registry that does not tell it: `failure`, after which the blob is sent anew. */
async function uploadedSoFar(write: BlobWrite, upload: Upload, failure: unknown): Promise<number> {
  let reply: Reply;
  try {
    reply = await write.requester.send({ ...common(write), method: 'GET', path: upload.session, accept: [204, 200] });
  } catch (error) {
    if (isSlipwayError(error) && typeof error.facts['status'] === 'number' && error.facts['status'] < 500) throw failure;
    throw error;
  }
  discard(reply);
  if (reply.headers.location !== undefined) upload.session = sessionOf(reply, write);
  const last = /^(?:bytes=)?0-(\d+)$/.exec(headerOf(reply.headers, 'range') ?? '')?.[1];
  if (last === undefined) return 0;
  // An upload without a byte is `0-0` to some; starting anew is right for it as well.
  const next = Number(last) === 0 ? 0 : Number(last) + 1;
  if (next > write.blob.descriptor.size) throw protocolFault('has more of an upload than was sent', reply.url, write.about);
  return next;
}

function sessionOf(reply: Reply, { endpoint, about }: BlobWrite): URL {
  const location = reply.headers.location;
  if (location === undefined) throw protocolFault('opens an upload without saying where', reply.url, about);
  const url = parseLocation(location, reply.url, about);
  // Registries behind a TLS proxy often do not know that they are: the same host by http is meant to be by https.
  if (
    endpoint.url.protocol === 'https:' &&
    url.protocol === 'http:' &&
    url.hostname === endpoint.url.hostname &&
    url.port === endpoint.url.port
  ) {
    url.protocol = 'https:';
  }
  return url;
}

function pieceOf({ blob, onProgress }: BlobWrite, start: number, end: number): RequestBody {
  return {
    size: end - start,
    async *open() {
      let sent = start;
      for await (const chunk of blob.open(start, end)) {
        sent += chunk.length;
        yield chunk;
        onProgress?.(sent);
      }
      if (sent !== end) {
        throw new SlipwayError('BLOB_TRUNCATED', `${blob.descriptor.digest} should have ${end} bytes here but has ${sent}`, {
          hint: 'the store is damaged; build again with --no-cache',
        });
      }
    },
  };
}

async function* emptyBody(): AsyncGenerator<Uint8Array, void> {
  // Nothing to send.
}

function checkStored(reply: Reply, digest: Digest, about: About): void {
  const stored = headerOf(reply.headers, 'docker-content-digest');
  if (stored === undefined || stored === digest || !stored.startsWith('sha256:') || !digest.startsWith('sha256:')) return;
  throw protocolFault(`says that it stored ${stored} instead of ${digest}`, reply.url, about);
}

function common({
  endpoint,
  reference,
  blob,
  about,
  signal,
}: Pick<BlobWrite, 'endpoint' | 'reference' | 'about' | 'signal'> & { readonly blob: { readonly descriptor: Descriptor } }): Pick<
  Operation,
  'endpoint' | 'repository' | 'actions' | 'about' | 'signal'
> {
  const ofBlob: About = { ...about, subject: 'upload', blob: blob.descriptor.digest };
  return { endpoint, repository: reference.repository, actions: 'pull,push', about: ofBlob, signal };
}
