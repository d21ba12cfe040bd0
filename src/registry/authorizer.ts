// Turns challenges into Authorization headers: tokens by scope, kept until they expire, and fetched once for all who wait.

import { SingleFlight } from '../base/index.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import type { Limits } from './config.ts';
import { basicHeader, type Credential, type CredentialAnswer, type CredentialStore } from './credentials.ts';
import type { Endpoint } from './endpoint.ts';
import { type About, protocolFault } from './faults.ts';
import type { TokenClient } from './token.ts';

/** Something requests need authorisation for. */
export interface AuthTarget {
  readonly endpoint: Endpoint;
  /** Repository path at the endpoint; empty for the registry as a whole. */
  readonly repository: string;
  /** `repository:library/busybox:pull`. */
  readonly scopes: readonly string[];
  readonly about: About;
  readonly signal: AbortSignal;
}

interface Token {
  readonly header: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** Seconds of a token's life that are not used: clocks differ and requests take time. */
const MARGIN_SECONDS = 10;

/** One for a client: what a host asked for last is answered before it asks again. */
export class Authorizer {
  readonly #credentials: CredentialStore;
  readonly #tokens: TokenClient;
  readonly #limits: Limits;
  /** What each host asked for last. */
  readonly #challenges = new Map<string, Challenge>();
  /** Scopes that a host named for a repository beside ours: mirrors may know it under another name. */
  readonly #extraScopes = new Map<string, readonly string[]>();
  readonly #cache = new Map<string, Token>();
  readonly #flights = new SingleFlight<string, Token>();

  constructor(credentials: CredentialStore, tokens: TokenClient, limits: Limits) {
    this.#credentials = credentials;
    this.#tokens = tokens;
    this.#limits = limits;
  }

  /** The header to send at first, from what is known of the host; undefined: none. */
  async header(target: AuthTarget): Promise<string | undefined> {
    const challenge = this.#challenges.get(target.endpoint.host);
    return challenge === undefined ? undefined : await this.#answer(challenge, target);
  }

  /** Answers a 401 to a request that had `sent`. Undefined: there is nothing better to send. */
  async retry(target: AuthTarget, wwwAuthenticate: string | undefined, sent: string | undefined): Promise<string | undefined> {
    const challenge = choose(parseChallenges(wwwAuthenticate));
    if (challenge === undefined) return undefined;
    this.#challenges.set(target.endpoint.host, challenge);
    this.#noteScope(target, challenge);
    const key = cacheKey(challenge, target, this.#scopes(target));
    const kept = this.#cache.get(key);
    if (kept !== undefined && kept.header === sent) this.#cache.delete(key);
    const header = await this.#answer(challenge, target);
    return header === sent ? undefined : header;
  }

  /** Why there are no credentials, when a helper did not work. */
  async note(target: AuthTarget): Promise<string | undefined> {
    return (await this.#find(target)).note;
  }

  async #answer(challenge: Challenge, target: AuthTarget): Promise<string | undefined> {
    const { credential } = await this.#find(target);
    if (credential?.kind === 'token') return `Bearer ${credential.token}`;
    if (challenge.scheme === 'basic') return credential?.kind === 'password' ? basicHeader(credential) : undefined;
    const scopes = this.#scopes(target);
    const key = cacheKey(challenge, target, scopes);
    const kept = this.#cache.get(key);
    if (kept !== undefined && kept.expiresAt > this.#limits.now().getTime()) return kept.header;
    const flight = this.#flights.run(key, () => this.#fetch(key, challenge, target, scopes, credential));
    return (await abortable(flight, target.signal)).header;
  }

  async #fetch(
    key: string,
    challenge: Challenge,
    target: AuthTarget,
    scopes: readonly string[],
    credential: Credential | undefined,
  ): Promise<Token> {
    const { realm, service } = challenge.parameters;
    const from = target.endpoint.url;
    let url: URL;
    try {
      url = new URL(realm ?? '', from);
    } catch {
      throw protocolFault('names no readable address for tokens', from, target.about);
    }
    const answer =
      (await this.#credentials.token(target.endpoint.credentialHost, { realm: url.href, service: service ?? '', scopes })) ??
      (await this.#tokens.fetch(
        { realm: url, scopes, ...(service === undefined ? {} : { service }), ...(credential === undefined ? {} : { credential }) },
        target,
      ));
    const token = {
      header: `Bearer ${answer.token}`,
      expiresAt: this.#limits.now().getTime() + Math.max(1, answer.expiresIn - MARGIN_SECONDS) * 1000,
    };
    this.#cache.set(key, token);
    return token;
  }

  #find({ endpoint, repository }: AuthTarget): Promise<CredentialAnswer> {
    return this.#credentials.find({ registry: endpoint.credentialHost, repository });
  }

  #scopes(target: AuthTarget): readonly string[] {
    return [...new Set([...target.scopes, ...(this.#extraScopes.get(scopeKey(target)) ?? [])])];
  }

  #noteScope(target: AuthTarget, challenge: Challenge): void {
    const named = (challenge.parameters['scope'] ?? '').split(' ').filter((scope) => scope !== '' && !covers(target.scopes, scope));
    if (named.length > 0) this.#extraScopes.set(scopeKey(target), named.slice(0, 8));
  }
}

/** Waits for shared work that goes on for others when we are cancelled. */
function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** Bearer before basic: a token can do less than a password. */
function choose(challenges: readonly Challenge[]): Challenge | undefined {
  return (
    challenges.find((challenge) => challenge.scheme === 'bearer' && challenge.parameters['realm'] !== undefined) ??
    challenges.find((challenge) => challenge.scheme === 'basic')
  );
}

function cacheKey(challenge: Challenge, target: AuthTarget, scopes: readonly string[]): string {
  return JSON.stringify([target.endpoint.host, challenge.parameters['realm'], challenge.parameters['service'], [...scopes].sort()]);
}

function scopeKey(target: AuthTarget): string {
  return `${target.endpoint.host} ${target.scopes.join(' ')}`;
}

/** Whether our scopes ask for all that `wanted` names, actions in any order. */
function covers(scopes: readonly string[], wanted: string): boolean {
  const split = (scope: string): readonly [string, readonly string[]] => {
    const colon = scope.lastIndexOf(':');
    return [scope.slice(0, colon), scope.slice(colon + 1).split(',')];
  };
  const [resource, actions] = split(wanted);
  return scopes.map(split).some(([name, have]) => name === resource && actions.every((action) => have.includes(action)));
}
