// A request to an endpoint as the distribution protocol wants it: authorisation, redirects, tries. Bodies are left to the caller.

import type { IncomingHttpHeaders } from 'node:http';
import { errnoOf, SlipwayError } from '../base/index.ts';
import type { Authorizer, AuthTarget } from './authorizer.ts';
import type { Limits, RegistrySettings } from './config.ts';
import { type About, mayPass, protocolFault, readRefusal, refused, unreachable } from './faults.ts';
import type { Endpoint } from './endpoint.ts';
import { readAnswer } from './read-answer.ts';
import { withRetries } from './retry.ts';
import { discard, readBody, type RequestBody, type Transport, type WireAnswer, type WireRequest } from './transport.ts';

/** One request. */
export interface Operation {
  readonly method: WireRequest['method'];
  readonly endpoint: Endpoint;
  /** Repository as references name it; '' for the registry as a whole. */
  readonly repository: string;
  /** What it needs to be allowed: `pull`, or `pull,push`. */
  readonly actions: 'pull' | 'pull,push';
  /** More scopes: the repository a blob is mounted from. */
  readonly scopes?: readonly string[];
  /** Below the repository (`manifests/latest`), or an address that the registry gave. */
  readonly path: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
  /** Statuses that are answers; all others are failures. */
  readonly accept: readonly number[];
  readonly about: About;
  readonly signal: AbortSignal;
  /** Tries after the first; default: the client's. */
  readonly retries?: number;
  readonly idleMs?: number;
}

/** An accepted answer; its body must be read or discarded. */
export interface Reply extends WireAnswer {
  /** Where it came from in the end. */
  readonly url: URL;
}

const LONGEST_ERROR = 64 * 1024;
const MOST_REDIRECTS = 10;
/** A fresh answer to a challenge may itself be challenged once more: with another scope. */
const MOST_CHALLENGES = 3;
/** Another host that a registry sends us to may be a single one of many: it is asked anew which one. */
const REDIRECT_TRIES = 2;
/** A registry that answered before, and refuses connections now, is started anew: as often as its trouble is borne otherwise. */
const RESTART_TRIES = 10;

/** One for a client. What it throws has a code of docs/errors.md and names the registry. */
export class Requester {
  readonly #transport: Transport;
  readonly #authorizer: Authorizer;
  readonly #limits: Limits;
  readonly #settings: (host: string) => RegistrySettings;
  readonly #answered = new Set<string>();

  constructor(transport: Transport, authorizer: Authorizer, limits: Limits, settings: (host: string) => RegistrySettings) {
    this.#transport = transport;
    this.#authorizer = authorizer;
    this.#limits = limits;
    this.#settings = settings;
  }

  /** Sends until there is an accepted answer. Throws what `faults.ts` makes of a failure. */
  async send(operation: Operation): Promise<Reply> {
    const limits = operation.retries === undefined ? this.#limits : { ...this.#limits, retries: operation.retries };
    return await withRetries(limits, operation.signal, () => this.#authorized(operation));
  }

  /**
   * The same with the answer's body, read whole: one that breaks off is asked for again. An answer that is no 200 has none. Throws
   * `REGISTRY_PROTOCOL` for a body of more than `limit` bytes.
   */
  async read(operation: Operation, limit: number): Promise<{ readonly reply: Reply; readonly bytes: Buffer }> {
    const { about, signal } = operation;
    return await withRetries(this.#limits, signal, async () => {
      const reply = await this.#authorized(operation);
      if (reply.status === 200) return { reply, bytes: await readAnswer(reply, { url: reply.url, limit, about, signal }) };
      discard(reply);
      return { reply, bytes: Buffer.alloc(0) };
    });
  }

  async #authorized(operation: Operation): Promise<Reply> {
    const { endpoint, about, signal } = operation;
    const name = fullName(operation);
    const scopes = name === '' ? [] : [`repository:${name}:${operation.actions}`, ...(operation.scopes ?? [])];
    const target: AuthTarget = { endpoint, repository: operation.repository, scopes, about, signal };
    const url = operation.path instanceof URL ? operation.path : addressOf(operation, name);
    // An address on another host got its permission in its own query; our login is not for it.
    const trusted = sameOrigin(url, endpoint.url);
    let header = trusted ? await this.#authorizer.header(target) : undefined;
    for (let challenges = 0; ; challenges += 1) {
      const reply = await this.#followed(operation, url, header);
      if (operation.accept.includes(reply.status)) return reply;
      const refusal = await this.#refusalOf(reply, signal);
      if (reply.status === 401 && trusted && sameOrigin(reply.url, url) && challenges < MOST_CHALLENGES) {
        const next = await this.#authorizer.retry(target, reply.headers['www-authenticate'], header);
        if (next !== undefined) {
          header = next;
          continue;
        }
      }
      const note = reply.status === 401 ? await this.#authorizer.note(target) : undefined;
      const failure = refused(refusal, reply.url, note === undefined ? about : { ...about, credentialNote: note });
      throw reply.url.href === url.href ? failure : mayPass(failure, REDIRECT_TRIES);
    }
  }

  /** Follows redirects. The Authorization header goes to the first origin only. */
  async #followed(operation: Operation, first: URL, header: string | undefined): Promise<Reply> {
    const { about, signal } = operation;
    let url = first;
    for (let hops = 0; hops <= MOST_REDIRECTS; hops += 1) {
      const answer = await this.#exchange(operation, url, sameOrigin(url, first) ? header : undefined);
      const location = answer.headers.location;
      const follows = isRedirect(answer.status, operation.method) && location !== undefined && !operation.accept.includes(answer.status);
      if (!follows) return { ...answer, url };
      discard(answer);
      signal.throwIfAborted();
      const next = parseLocation(location, url, about);
      if (url.protocol === 'https:' && next.protocol === 'http:' && about.subject !== 'blob') {
        throw new SlipwayError('REGISTRY_REDIRECT_REFUSED', `cannot ${about.action}: ${url.host} sends us to unprotected ${next.origin}`, {
          hint: 'only blobs, whose digests are known before, may come over plain http',
          facts: { registry: about.registry, host: url.host, target: next.origin },
        });
      }
      url = next;
    }
    throw protocolFault(`redirects more than ${MOST_REDIRECTS} times`, first, about);
  }

  async #exchange(operation: Operation, url: URL, header: string | undefined): Promise<WireAnswer> {
    const { endpoint, signal } = operation;
    try {
      const answer = await this.#transport.send({
        method: operation.method,
        url,
        headers: { ...operation.headers, ...(header === undefined ? {} : { Authorization: header }) },
        ...(operation.body === undefined ? {} : { body: operation.body }),
        signal,
        idleMs: operation.idleMs ?? this.#limits.idleMs,
        settings: url.host === endpoint.url.host ? endpoint.settings : this.#settings(url.host),
      });
      this.#answered.add(url.origin);
      return answer;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof SlipwayError) throw error;
      const failure = unreachable(error, url, operation.about);
      if (errnoOf(error) === 'ECONNREFUSED' && this.#answered.has(url.origin)) throw mayPass(failure, RESTART_TRIES);
      throw sameOrigin(url, endpoint.url) ? failure : mayPass(failure, REDIRECT_TRIES);
    }
  }

  async #refusalOf(reply: Reply, signal: AbortSignal): Promise<ReturnType<typeof readRefusal>> {
    // The body explains; that it cannot be read changes nothing about the refusal.
    const body = await readBody(reply, LONGEST_ERROR, signal).catch(() => undefined);
    signal.throwIfAborted();
    return readRefusal(reply.status, body?.toString('utf8') ?? '', reply.headers['retry-after'], this.#limits.now());
  }
}

/** A header that should be there once. */
export function headerOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** Reads the Location of an answer against where it came from. */
export function parseLocation(location: string, base: URL, about: About): URL {
  let url: URL;
  try {
    url = new URL(location, base);
  } catch {
    throw protocolFault('sends us to an address that cannot be read', base, about);
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw protocolFault(`sends us to ${url.protocol}`, base, about);
  return url;
}

/** Scheme, host and port are the same. */
function sameOrigin(a: URL, b: URL): boolean {
  return a.origin === b.origin;
}

/** Name of the repository at the endpoint: a mirror may keep it below a path. */
function fullName({ endpoint, repository }: Operation): string {
  return [endpoint.path, repository].filter((part) => part !== '').join('/');
}

function addressOf({ endpoint, path }: Operation, name: string): URL {
  const url = new URL(`/v2/${name === '' ? '' : `${name}/`}${String(path)}`, endpoint.url);
  // Mirrors that serve several registries are told which one is meant.
  if (endpoint.mirror) url.searchParams.set('ns', endpoint.registry);
  return url;
}

function isRedirect(status: number, method: string): boolean {
  if (status === 307 || status === 308) return true;
  return (status === 301 || status === 302 || status === 303) && (method === 'GET' || method === 'HEAD');
}
