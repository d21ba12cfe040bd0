// One file by http or https: conditional requests, redirects, digests. The exchange itself is handed in, so that proxies and
// certificates are those of the whole program.

import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { dirname } from 'node:path';
import * as querystring from 'node:querystring';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { type Digest, errnoOf, type JobContext, sha256Digest, SlipwayError } from '../base/index.ts';

/** Sends one request. Redirects and retries are not its business. */
export interface HttpExchange {
  send(request: {
    readonly method: 'GET' | 'HEAD';
    readonly url: URL;
    readonly headers: Readonly<Record<string, string>>;
    readonly signal: AbortSignal;
    /** Milliseconds of silence that are borne. */
    readonly idleMs: number;
  }): Promise<{
    readonly status: number;
    readonly headers: IncomingHttpHeaders;
    readonly body: AsyncIterable<Uint8Array> & { destroy(): unknown };
  }>;
}

/** What a server said about a file that we have. */
export interface HttpRecord {
  readonly etag?: string;
  /** As the server wrote it. */
  readonly lastModified?: string;
  readonly digest: Digest;
  readonly size: number;
}

export interface HttpRequest {
  readonly url: string;
  /** `Authorization` among them is not sent to other hosts. */
  readonly headers: Readonly<Record<string, string>>;
  /** A file that need not come again if it is still the same. */
  readonly known?: HttpRecord;
  /** `algorithm:hex` that the bytes must have. */
  readonly checksum?: string;
  /** Path of the file to make; it must not exist. */
  readonly into: string;
  /** Most bytes that are taken; default: nearly all that the disk has room for. */
  readonly maxBytes?: number;
  readonly onBytes?: (current: number, total: number | undefined) => void;
}

/** `bytes` false: what is known is still right, and nothing was written. */
export interface HttpOutcome {
  readonly record: HttpRecord;
  readonly bytes: boolean;
}

type Answer = Awaited<ReturnType<HttpExchange['send']>>;

const MAX_REDIRECTS = 10;
const MAX_TRIES = 4;
const IDLE_MS = 60_000;

/** Fetches a file. Throws `HTTP_STATUS`, `HTTP_UNREACHABLE`, `HTTP_CHECKSUM`, `HTTP_REDIRECT`. */
export async function fetchFile(exchange: HttpExchange, request: HttpRequest, job: JobContext): Promise<HttpOutcome> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await fetchOnce(exchange, request, job);
    } catch (error) {
      rmSync(request.into, { force: true });
      job.signal.throwIfAborted();
      if (error instanceof SlipwayError && !(error.code === 'HTTP_STATUS' && isTransientStatus(error.facts['status']))) throw error;
      if (tries < MAX_TRIES) {
        await pause(250 * 2 ** tries, job.signal);
        continue;
      }
      if (error instanceof SlipwayError) throw error;
      throw new SlipwayError('HTTP_UNREACHABLE', `failed to fetch ${shownUrl(request.url)}: ${(error as Error).message}`, {
        hint: unreachableHint(errnoOf(error), new URL(request.url).host),
        cause: error,
      });
    }
  }
}

function unreachableHint(code: string | undefined, host: string): string {
  if (code === 'ENOTFOUND') return `there is no host ${host}: check its spelling`;
  if (code === 'ECONNREFUSED') return `does a server run at ${host}?`;
  return 'check the address and the network';
}

async function fetchOnce(exchange: HttpExchange, request: HttpRequest, job: JobContext): Promise<HttpOutcome> {
  const { known } = request;
  const conditions: Record<string, string> = {};
  if (known?.etag !== undefined) conditions['If-None-Match'] = known.etag;
  else if (known?.lastModified !== undefined) conditions['If-Modified-Since'] = known.lastModified;
  if (known?.etag !== undefined) {
    // A question first: a server that sends the file all the same would be cut off in the middle.
    const head = await follow(exchange, request, conditions, job, 'HEAD');
    head.body.destroy();
    if (isSame(known, head.status, head.headers)) return { record: known, bytes: false };
  }
  const answer = await follow(exchange, request, conditions, job);
  try {
    if (known !== undefined && isSame(known, answer.status, answer.headers)) return { record: known, bytes: false };
    if (answer.status < 200 || answer.status >= 300) {
      throw new SlipwayError('HTTP_STATUS', `failed to fetch ${shownUrl(request.url)}: invalid response status ${answer.status}`, {
        facts: { url: shownUrl(request.url), status: answer.status },
        ...(answer.status === 401 || answer.status === 403
          ? { hint: `give a secret: --secret id=HTTP_AUTH_TOKEN_${new URL(request.url).hostname}` }
          : {}),
      });
    }
    const { body, total } = decoded(answer);
    const { digest, size } = await save(body, request, total, job);
    const etag = answer.headers.etag;
    const lastModified = answer.headers['last-modified'];
    return {
      record: { digest, size, ...(etag === undefined ? {} : { etag }), ...(lastModified === undefined ? {} : { lastModified }) },
      bytes: true,
    };
  } finally {
    answer.body.destroy();
  }
}

/** The file itself and, where it is known, its length. A server may compress what was asked for as it is: the file is what comes out. */
function decoded({ headers, body }: Answer): { body: AsyncIterable<Uint8Array>; total: number | undefined } {
  if (headers['content-encoding']?.toLowerCase() === 'gzip') {
    // An error of either end comes out at the iterator's end.
    return { body: pipeline(Readable.from(body, { objectMode: false }), createGunzip(), () => {}), total: undefined };
  }
  const total = Number(headers['content-length'] ?? Number.NaN);
  return { body, total: Number.isFinite(total) ? total : undefined };
}

/** 304, or a server that ignores conditions but sends the same strong tag. */
function isSame(known: HttpRecord, status: number, headers: IncomingHttpHeaders): boolean {
  if (status === 304) return true;
  return status === 200 && known.etag !== undefined && !known.etag.startsWith('W/') && headers.etag === known.etag;
}

async function follow(
  exchange: HttpExchange,
  request: HttpRequest,
  conditions: Readonly<Record<string, string>>,
  job: JobContext,
  method: 'GET' | 'HEAD' = 'GET',
): Promise<Answer> {
  let url = parseHttpUrl(request.url);
  let headers = request.headers;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
    const sent = { ...basicOf(url), ...headers, ...conditions };
    const answer = await exchange.send({ method, url, headers: sent, signal: job.signal, idleMs: IDLE_MS });
    const { location } = answer.headers;
    if (![301, 302, 303, 307, 308].includes(answer.status) || location === undefined) return answer;
    answer.body.destroy();
    const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
    if (next?.protocol !== 'http:' && next?.protocol !== 'https:') {
      const where = next === undefined ? 'an address that cannot be read' : `${next.protocol}//`;
      throw new SlipwayError('HTTP_REDIRECT', `${shownUrl(request.url)} leads to ${where}, which is not followed`);
    }
    // Credentials stay with the host they were given for, and never go from https to http.
    if (next.host !== url.host || next.protocol !== url.protocol) headers = withoutCredentials(headers);
    url = next;
  }
  throw new SlipwayError('HTTP_REDIRECT', `${shownUrl(request.url)} leads on and on (more than ${MAX_REDIRECTS} redirects)`);
}

/** What an address with `user:password@` asks for. */
function basicOf({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  return {
    Authorization: `Basic ${Buffer.from(`${querystring.unescape(username)}:${querystring.unescape(password)}`).toString('base64')}`,
  };
}

/** An address to fetch from. Throws `HTTP_ADDRESS` for one that is neither http nor https. */
export function parseHttpUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  throw new SlipwayError('HTTP_ADDRESS', `${JSON.stringify(text)} is no address that a file can be fetched from`, {
    hint: 'write https://host/path; git repositories end in .git',
  });
}

function withoutCredentials(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !/^(authorization|cookie)$/i.test(name)));
}

/** A server may send for ever: the disk is not filled to its end. */
function roomFor(path: string): number {
  const { bavail, bsize } = statfsSync(dirname(path));
  return Math.floor(bavail * bsize * 0.95);
}

function tooLarge(request: HttpRequest, most: number): SlipwayError {
  return new SlipwayError('HTTP_TOO_LARGE', `${shownUrl(request.url)} sends more than the ${most} bytes that there is room for`, {
    hint: 'check what is at that address; `slipway prune` makes room, or name a store on a larger disk by --root',
    facts: { url: shownUrl(request.url), limit: most },
  });
}

async function save(
  body: AsyncIterable<Uint8Array>,
  request: HttpRequest,
  total: number | undefined,
  job: JobContext,
): Promise<{ digest: Digest; size: number }> {
  const hash = createHash('sha256');
  const check = request.checksum === undefined ? undefined : checksumHash(request.checksum);
  const most = request.maxBytes ?? roomFor(request.into);
  if ((total ?? 0) > most) throw tooLarge(request, most);
  const fd = openSync(request.into, 'wx', 0o600);
  let size = 0;
  try {
    for await (const chunk of body) {
      job.signal.throwIfAborted();
      if (size + chunk.length > most) throw tooLarge(request, most);
      for (let at = 0; at < chunk.length;) at += writeSync(fd, chunk, at);
      hash.update(chunk);
      check?.hash.update(chunk);
      size += chunk.length;
      request.onBytes?.(size, total);
    }
  } finally {
    closeSync(fd);
  }
  if (total !== undefined && size !== total) throw new Error(`expected ${total} bytes, got ${size}`);
  if (check !== undefined) {
    const got = `${check.algorithm}:${check.hash.digest('hex')}`;
    if (got !== request.checksum) {
      throw new SlipwayError(
        'HTTP_CHECKSUM',
        `digest mismatch for ${shownUrl(request.url)}: ${got} (expected: ${request.checksum ?? ''})`,
        {
          facts: { url: shownUrl(request.url), expected: request.checksum, got },
          hint: 'the file at that address is another one now; if that is right, write its new checksum',
        },
      );
    }
  }
  return { digest: sha256Digest(hash.digest('hex')), size };
}

function checksumHash(checksum: string): { algorithm: string; hash: Hash } {
  const algorithm = checksum.slice(0, checksum.indexOf(':'));
  if (!['sha256', 'sha384', 'sha512'].includes(algorithm)) {
    throw new SlipwayError('HTTP_CHECKSUM', `unsupported digest algorithm ${JSON.stringify(algorithm)}`, {
      hint: 'use sha256, sha384 or sha512',
    });
  }
  return { algorithm, hash: createHash(algorithm) };
}

function isTransientStatus(status: unknown): boolean {
  return typeof status === 'number' && (status === 429 || status >= 500);
}

/** An address without user, password and query: those may be secret. */
export function shownUrl(text: string): string {
  try {
    const url = new URL(text);
    const auth = url.username === '' && url.password === '' ? '' : 'xxxxx@';
    return `${url.protocol}//${auth}${url.host}${url.pathname}${url.search === '' ? '' : '?…'}`;
  } catch {
    return text; // no URL: `git@host:path`
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', stop, { once: true });
  });
}
