// Fetches bearer tokens (distribution: token authentication; OAuth2 for identity tokens).

import { SlipwayError } from '../base/index.ts';
import type { AuthTarget } from './authorizer.ts';
import type { Limits, RegistrySettings } from './config.ts';
import { basicHeader, type Credential } from './credentials.ts';
import { protocolFault, readRefusal, refused, unreachable } from './faults.ts';
import { isLoopback, isNear } from './proxy.ts';
import { withRetries } from './retry.ts';
import { bytesBody, type Transport, type WireAnswer, type WireRequest } from './transport.ts';
import { readAnswer } from './read-answer.ts';

export interface TokenRequest {
  readonly realm: URL;
  readonly service?: string;
  readonly scopes: readonly string[];
  readonly credential?: Credential;
}

export interface TokenAnswer {
  readonly token: string;
  /** Seconds. */
  readonly expiresIn: number;
}

const LONGEST_ANSWER = 1024 * 1024;
/** What a token lives that does not say (distribution: token authentication). */
const DEFAULT_LIFE = 60;

/** Asks the token server that a challenge names. Keeps nothing: `Authorizer` does. */
export class TokenClient {
  readonly #transport: Transport;
  readonly #limits: Limits;
  readonly #settings: (host: string) => RegistrySettings;

  readonly #signal: AbortSignal;

  /** Requests end with `signal`, the client's own: several builds may wait for one token. */
  constructor(transport: Transport, limits: Limits, settings: (host: string) => RegistrySettings, signal: AbortSignal) {
    this.#transport = transport;
    this.#signal = signal;
    this.#limits = limits;
    this.#settings = settings;
  }

  /** Throws `REGISTRY_UNAUTHORIZED` when the login is refused. Never sends a password over plain http to another machine. */
  async fetch(request: TokenRequest, target: AuthTarget): Promise<TokenAnswer> {
    const { realm, credential } = request;
    if (realm.protocol !== 'https:' && realm.protocol !== 'http:')
      throw protocolFault(`names ${realm.protocol}// for tokens`, realm, target.about);
    // A stranger's registry must not have this machine's own services asked.
    if (isNear(realm.hostname) && !isNear(target.endpoint.url.hostname))
      throw protocolFault(`names ${realm.host}, which only this machine can reach, for tokens`, target.endpoint.url, target.about);
    if (
      credential !== undefined &&
      realm.protocol === 'http:' &&
      target.endpoint.url.protocol === 'https:' &&
      !isLoopback(realm.hostname)
    ) {
      throw new SlipwayError(
        'REGISTRY_AUTH_INSECURE',
        `cannot ${target.about.action}: the registry wants the login sent unprotected to ${realm.host}`,
        {
          hint: 'the registry is misconfigured: its token realm must be https',
          facts: { registry: target.about.registry, host: realm.host },
        },
      );
    }
    if (credential?.kind === 'identity') return await this.#send(byRefreshToken(request, credential.token), realm, target);
    const { answer, url } = byGet(request);
    return await this.#send({ method: 'GET', url, headers: answer }, realm, target);
  }

  async #send(request: Pick<WireRequest, 'method' | 'url' | 'headers' | 'body'>, realm: URL, { about }: AuthTarget): Promise<TokenAnswer> {
    const signal = this.#signal;
    return await withRetries(this.#limits, signal, async () => {
      let answer: WireAnswer;
      try {
        answer = await this.#transport.send({ ...request, signal, idleMs: this.#limits.idleMs, settings: this.#settings(realm.host) });
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof SlipwayError) throw error;
        throw unreachable(error, realm, about);
      }
      const body = await readAnswer(answer, { url: realm, limit: LONGEST_ANSWER, about, signal });
      if (answer.status === 200) return readToken(body, realm, about);
      const refusal = readRefusal(answer.status, body.toString('utf8'), answer.headers['retry-after'], this.#limits.now());
      // Token servers refuse with 400 or 401 alike, and with 403 what is not there.
      throw refused({ ...refusal, status: answer.status === 400 ? 401 : answer.status }, realm, about);
    });
  }
}

function byGet({ realm, service, scopes, credential }: TokenRequest): { url: URL; answer: Record<string, string> } {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  if (credential?.kind !== 'password') return { url, answer: {} };
  url.searchParams.set('account', credential.username);
  return { url, answer: { Authorization: basicHeader(credential) } };
}

function byRefreshToken({ realm, service, scopes }: TokenRequest, token: string): Pick<WireRequest, 'method' | 'url' | 'headers' | 'body'> {
  const form = new URLSearchParams({ grant_type: 'refresh_token', client_id: 'slipway', refresh_token: token });
  if (service !== undefined) form.set('service', service);
  if (scopes.length > 0) form.set('scope', scopes.join(' '));
  return {
    method: 'POST',
    url: realm,
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: bytesBody(Buffer.from(form.toString())),
  };
}

function readToken(body: Buffer, realm: URL, about: AuthTarget['about']): TokenAnswer {
  let value: { readonly token?: unknown; readonly access_token?: unknown; readonly expires_in?: unknown } | null;
  try {
    value = JSON.parse(body.toString('utf8')) as typeof value;
  } catch {
    value = null;
  }
  const token = [value?.token, value?.access_token].find((candidate) => typeof candidate === 'string' && candidate !== '');
  if (typeof token !== 'string' || /[^\x21-\x7e]/.test(token)) throw protocolFault('gave no token', realm, about);
  const life = value?.expires_in;
  return { token, expiresIn: typeof life === 'number' && life > 0 ? life : DEFAULT_LIFE };
}
