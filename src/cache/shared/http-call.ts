// One HTTP request on node:http, with a time limit for silence and a few tries for what may pass.

import { type IncomingMessage, request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, type JobContext, SlipwayError } from '../../base/index.ts';
import { gather } from './transport.ts';

/** A request. `body` is opened anew for each try. */
export interface HttpCall {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: { readonly length: number; open(): AsyncIterable<Uint8Array> };
  /** Statuses that are answers; others are failures. */
  readonly accept: readonly number[];
  /** `read the cache from Amazon S3`: completes "cannot …". */
  readonly action: string;
}

/** Bytes at hand as a body. */
export function bodyOf(bytes: Uint8Array): NonNullable<HttpCall['body']> {
  return {
    length: bytes.length,
    async *open() {
      yield bytes;
    },
  };
}

/** An answer whose body must be read or dropped. */
export interface HttpReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: AsyncIterable<Uint8Array>;
}

const TRIES = 4;
const FIRST_WAIT_MS = 250;
const SILENCE_MS = 60_000;
const ERROR_BODY = 4096;

/** Sends a request; statuses 429 and 5xx and broken connections are tried again. Throws `CACHE_UNREACHABLE`, `CACHE_REFUSED`. */
export async function callHttp(call: HttpCall, job: JobContext): Promise<HttpReply> {
  for (let attempt = 1; ; attempt += 1) {
    job.signal.throwIfAborted();
    const last = attempt === TRIES;
    try {
      const reply = await send(call, job.signal);
      const status = reply.statusCode ?? 0;
      if (call.accept.includes(status)) return { status, headers: reply.headers, body: reply };
      const text = (await gather(reply, ERROR_BODY))?.toString('utf8') ?? '';
      if (last || (status !== 429 && status < 500)) throw refused(call, status, text);
    } catch (error) {
      job.signal.throwIfAborted();
      if (error instanceof SlipwayError) throw error;
      if (last || errnoOf(error) === 'ENOTFOUND' || errnoOf(error) === 'ECONNREFUSED') throw unreachable(call, error);
    }
    await sleep(FIRST_WAIT_MS * 2 ** (attempt - 1), undefined, { signal: job.signal }).catch(() => {});
  }
}

/** The body as bytes, at most `limit`. Throws `CACHE_TOO_LARGE`. */
export async function readBody(reply: HttpReply, limit: number, action: string): Promise<Buffer> {
  const bytes = await gather(reply.body, limit);
  if (bytes === undefined) throw new SlipwayError('CACHE_TOO_LARGE', `cannot ${action}: the answer has more than ${limit} bytes`);
  return bytes;
}

/** Reads a body to its end and forgets it, so that its connection can be used again. */
export async function drop(reply: HttpReply): Promise<void> {
  for await (const _chunk of reply.body);
}

function send(call: HttpCall, signal: AbortSignal): Promise<IncomingMessage> {
  const { url, method, body } = call;
  const headers = { ...call.headers, ...(body === undefined ? {} : { 'content-length': String(body.length) }) };
  const options: RequestOptions = { method, headers, signal, timeout: SILENCE_MS };
  return new Promise((resolve, reject) => {
    const outgoing = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, options, resolve);
    outgoing.on('timeout', () => outgoing.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })));
    outgoing.on('error', reject);
    if (body === undefined) outgoing.end();
    else void pump(body.open(), outgoing).catch((error: unknown) => outgoing.destroy(error as Error));
  });
}

async function pump(bytes: AsyncIterable<Uint8Array>, outgoing: ReturnType<typeof httpRequest>): Promise<void> {
  for await (const chunk of bytes) {
    if (outgoing.destroyed) return;
    if (!outgoing.write(chunk)) await new Promise<void>((resolve) => void outgoing.once('drain', resolve).once('close', resolve));
  }
  outgoing.end();
}

function unreachable({ url, action }: HttpCall, error: unknown): SlipwayError {
  const reason = error instanceof Error ? error.message : String(error);
  return new SlipwayError('CACHE_UNREACHABLE', `cannot ${action}: ${url.host} cannot be reached: ${reason}`, {
    facts: { host: url.host },
    cause: error,
  });
}

/** Never shows the query: signed addresses are secrets. */
function refused({ url, action, method }: HttpCall, status: number, text: string): SlipwayError {
  const said = /<Message>([^<]*)<\/Message>/.exec(text)?.[1] ?? /"(?:msg|message|error)"\s*:\s*"([^"]*)"/.exec(text)?.[1];
  const hint = status === 401 || status === 403 ? 'check the credentials and what they may do' : undefined;
  return new SlipwayError(
    'CACHE_REFUSED',
    `cannot ${action}: ${url.host} answered ${status} to ${method}${said === undefined ? '' : `: ${said}`}`,
    {
      facts: { host: url.host, status },
      ...(hint === undefined ? {} : { hint }),
    },
  );
}
