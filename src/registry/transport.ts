// One HTTP exchange: connection reuse, TLS, proxies, silence. No retries, no redirects, no credentials: those are decided above.

import type { Agent, ClientRequest, IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, RequestOptions } from 'node:http';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import type { RegistryConfig, RegistrySettings } from './config.ts';
import { isTransient } from './faults.ts';
import { bare, proxyFor } from './proxy.ts';
import { type HostTls, TlsStore } from './tls.ts';

/** Bytes of a request; `open` may be called again for another try. */
export interface RequestBody {
  readonly size: number;
  open(): AsyncIterable<Uint8Array>;
}

export interface WireRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
  readonly signal: AbortSignal;
  /** Milliseconds of silence that are borne. */
  readonly idleMs: number;
  /** TLS settings of the host; plain http ignores them. */
  readonly settings: RegistrySettings;
}

/** The head of an answer, with its body unread. Whoever has it reads it, or calls `discard`. */
export interface WireAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: IncomingMessage;
  /** False for answers to HEAD: their Content-Length is about what they do not send. */
  readonly hasBody: boolean;
}

/** Larger bodies are not sent twice on a guess. */
const SMALL_BODY = 64 * 1024;

/** A connection that said nothing for too long. */
class SilentConnection extends Error {
  readonly code = 'REGISTRY_SILENT';
}

/** Connections to all hosts of one client. */
export class Transport {
  readonly #config: RegistryConfig;
  readonly #tls: TlsStore;
  readonly #agents = new Map<string, Agent>();

  constructor(config: RegistryConfig) {
    this.#config = config;
    this.#tls = new TlsStore(config);
  }

  /** Sends, and resolves when the head of the answer is there. Rejects with the network's error, or `signal.reason`. */
  async send(request: WireRequest): Promise<WireAnswer> {
    request.signal.throwIfAborted();
    const { url } = request;
    const proxy = proxyFor(url, this.#config.proxies);
    const secure = url.protocol === 'https:';
    const tls = secure ? await this.#tls.hostTls(url.host, request.settings) : undefined;
    const options: RequestOptions = {
      method: request.method,
      agent: await this.#agentFor(url, proxy, tls),
      headers: this.#headersOf(request, proxy),
      timeout: request.idleMs,
      ...(proxy === undefined || secure
        ? { host: bare(url.hostname), port: portOf(url), path: `${url.pathname}${url.search}` }
        : { host: bare(proxy.hostname), port: portOf(proxy), path: url.href }),
    };
    const protocol = (secure ? url : (proxy ?? url)).protocol;
    const module = protocol === 'https:' ? await import('node:https') : await import('node:http');
    for (let tries = 1; ; tries += 1) {
      const outgoing = module.request(options);
      try {
        return await exchange(outgoing, request);
      } catch (error) {
        // A kept connection that the server had just closed: nothing was answered, so a new one is no second try.
        const stale = outgoing.reusedSocket && isTransient(error) && (request.body?.size ?? 0) <= SMALL_BODY;
        if (!stale || tries > 4 || request.signal.aborted) throw error;
      }
    }
  }

  /** Ends idle connections; those in use end with their answers. */
  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  #headersOf({ url, headers, body }: WireRequest, proxy: URL | undefined): OutgoingHttpHeaders {
    return {
      Host: url.host,
      'User-Agent': this.#config.userAgent ?? 'slipway',
      // Without this a server may compress on the way, and sizes and ranges would not be the blob's.
      'Accept-Encoding': 'identity',
      ...headers,
      ...(body === undefined ? {} : { 'Content-Length': String(body.size) }),
      ...(proxy !== undefined && url.protocol === 'http:' ? proxyAuthorization(proxy) : {}),
    };
  }

  async #agentFor(url: URL, proxy: URL | undefined, tls: HostTls | undefined): Promise<Agent> {
    const key = `${url.protocol}//${url.host} ${proxy?.href ?? ''} ${tls?.verify === false ? 'insecure' : ''}`;
    const known = this.#agents.get(key);
    if (known !== undefined) return known;
    const agent = await makeAgent(proxy, tls);
    const raced = this.#agents.get(key);
    if (raced !== undefined) return raced;
    this.#agents.set(key, agent);
    return agent;
  }
}

/** Reads a body to its end and forgets it, so that the connection can be used again; a long one is cut off. */
export function discard(answer: WireAnswer): void {
  answer.body.on('error', () => {});
  if (answer.hasBody && Number(answer.headers['content-length'] ?? 0) > 64 * 1024) answer.body.destroy();
  else answer.body.resume();
}

/** A body's bytes, at most `limit`; undefined when there are more. */
export async function readBody(answer: WireAnswer, limit: number, signal: AbortSignal): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limit) return undefined;
      chunks.push(chunk);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
  return Buffer.concat(chunks, size);
}

/** A body made of bytes at hand. */
export function bytesBody(bytes: Uint8Array): RequestBody {
  return { size: bytes.length, open: () => Readable.from([bytes]) };
}

function exchange(outgoing: ClientRequest, request: WireRequest): Promise<WireAnswer> {
  const { signal, body } = request;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => void outgoing.destroy(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    const settle = (): void => signal.removeEventListener('abort', onAbort);
    signal.addEventListener('abort', onAbort, { once: true });
    outgoing.on('timeout', () => outgoing.destroy(new SilentConnection(`no byte for ${Math.round(request.idleMs / 1000)} seconds`)));
    outgoing.on('error', (error) => {
      settle();
      reject(signal.aborted ? (signal.reason as Error) : error);
    });
    const source = body === undefined ? undefined : Readable.from(body.open(), { objectMode: false });
    outgoing.on('response', (incoming) => {
      // The answer's end takes the abort listener off; until then aborting cuts the body too.
      incoming.on('close', settle);
      if (source !== undefined && !outgoing.writableEnded) {
        // Refused before everything was sent: the rest is not, and the connection is of no more use.
        source.destroy();
        incoming.on('end', () => outgoing.destroy());
      }
      resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: incoming, hasBody: request.method !== 'HEAD' });
    });
    if (source === undefined) {
      outgoing.end();
      return;
    }
    // What it reads from would stay open for as long as the process.
    outgoing.once('close', () => source.destroy());
    source.on('error', (error) => outgoing.destroy(error)).pipe(outgoing);
  });
}

type Connector = (options: RequestOptions, done: (error: Error | null, socket?: Socket) => void) => Socket | undefined;

async function makeAgent(proxy: URL | undefined, tls: HostTls | undefined): Promise<Agent> {
  const keep = { keepAlive: true, maxSockets: 64, maxFreeSockets: 16 };
  const http = await import('node:http');
  if (tls === undefined && proxy?.protocol !== 'https:') return new http.Agent(keep);
  const https = await import('node:https');
  if (tls === undefined) return new https.Agent(keep);
  const agent = new https.Agent({ ...keep, secureContext: tls.context, rejectUnauthorized: tls.verify });
  if (proxy === undefined) return agent;
  const { connect } = await import('node:tls');
  const tunnel: Connector = (options, done) => {
    openTunnel(proxy, `${String(options.host)}:${String(options.port)}`).then(
      (socket) => done(null, connect({ ...(options as object), socket, secureContext: tls.context, rejectUnauthorized: tls.verify })),
      done,
    );
    return undefined;
  };
  return Object.assign(agent, { createConnection: tunnel });
}

/** A connection through a proxy by CONNECT (RFC 9110, 9.3.6). */
async function openTunnel(proxy: URL, target: string): Promise<Socket> {
  const module = proxy.protocol === 'https:' ? await import('node:https') : await import('node:http');
  return await new Promise((resolve, reject) => {
    const request = module.request({
      method: 'CONNECT',
      host: bare(proxy.hostname),
      port: portOf(proxy),
      path: target,
      headers: { Host: target, ...proxyAuthorization(proxy) },
      agent: false,
      timeout: 30_000,
    });
    request.on('timeout', () => request.destroy(new SilentConnection('the proxy does not answer')));
    request.on('error', reject);
    request.on('connect', (answer, socket) => {
      if (answer.statusCode === 200) return resolve(socket);
      socket.destroy();
      reject(new Error(`the proxy ${proxy.host} answered ${String(answer.statusCode)}`));
    });
    request.end();
  });
}

function proxyAuthorization(proxy: URL): Record<string, string> {
  if (proxy.username === '') return {};
  const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { 'Proxy-Authorization': `Basic ${Buffer.from(pair).toString('base64')}` };
}

function portOf(url: URL): number {
  return url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
}
