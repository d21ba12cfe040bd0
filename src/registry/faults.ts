// Failures of registries, with the next step for the user. Messages never hold a query string: signed addresses are secrets.

import { type Digest, errnoOf, SlipwayError } from '../base/index.ts';

/** What a request was about. */
export interface About {
  /** `pull docker.io/library/busybox:latest`, `push …`, `log in to …`. */
  readonly action: string;
  /** Registry as the user names it. */
  readonly registry: string;
  readonly subject: 'manifest' | 'blob' | 'upload' | 'token' | 'registry';
  /** The blob, where it is about one of several. */
  readonly blob?: Digest;
  /** Why credentials could not be had, when they could not. */
  readonly credentialNote?: string;
}

/** An answer that is no success: status, the error body's first entry, and Retry-After. */
export interface Refusal {
  readonly status: number;
  readonly code?: string;
  readonly message?: string;
  readonly retryAfterMs?: number;
}

const TLS_CODES = /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|EPROTO$|HOSTNAME_MISMATCH$|INVALID_CA$|ERR_OSSL)/;
const TRANSIENT = new Set([
  'ECONNRESET',
  'ETIMEDOUT',
  'EPIPE',
  'ECONNABORTED',
  'EAI_AGAIN',
  'REGISTRY_SILENT',
  'ERR_STREAM_PREMATURE_CLOSE',
]);

/** Whether trying again may help: resets, silence, a name server that is busy. Refused connections and unknown hosts will not change. */
export function isTransient(error: unknown): boolean {
  const code = errnoOf(error);
  return code !== undefined && (TRANSIENT.has(code) || code.startsWith('HPE_'));
}

/** What failed for a reason that may be gone soon, and how often it is worth another try: where the code or status alone does not say so. */
export function mayPass(error: SlipwayError, tries: number): SlipwayError {
  const { hint, cause, facts, message, code } = error;
  return new SlipwayError(code, message, { ...(hint !== undefined && { hint }), cause, facts: { ...facts, worthTries: tries } });
}

/** The failure behind a network error. */
export function unreachable(error: unknown, url: URL, about: About): SlipwayError {
  const code = errnoOf(error) ?? 'unknown';
  const where = `${url.protocol}//${url.host}`;
  const facts = { registry: about.registry, host: url.host, cause: code, ...(about.blob && { digest: about.blob }) };
  const reason = error instanceof Error ? error.message : String(error);
  if (TLS_CODES.test(code)) {
    return new SlipwayError('REGISTRY_TLS', `cannot ${about.action}: no trusted TLS with ${where}: ${reason}`, {
      hint: tlsHint(code, about.registry),
      facts,
      cause: error,
    });
  }
  return new SlipwayError(
    'REGISTRY_UNREACHABLE',
    `cannot ${about.action}: ${where} cannot be reached${forBlob(about)}: ${reasonOf(code, reason)}`,
    {
      hint: unreachableHint(code, url.host),
      facts,
      cause: error,
    },
  );
}

/** The failure behind an HTTP status. */
export function refused(refusal: Refusal, url: URL, about: About): SlipwayError {
  const { status, message } = refusal;
  const said = message === undefined ? '' : `: ${message}`;
  const facts = {
    registry: about.registry,
    host: url.host,
    status,
    ...(about.blob && { digest: about.blob }),
    ...(refusal.code === undefined ? {} : { registryCode: refusal.code }),
    ...(refusal.retryAfterMs === undefined ? {} : { retryAfterMs: refusal.retryAfterMs }),
    // Machines of one registry learn of a blob one after the other.
    ...(isLostBlob(refusal.code) && about.subject === 'upload' ? { worthTries: LOST_BLOB_TRIES } : {}),
  };
  const fail = (code: string, text: string, hint?: string): SlipwayError =>
    new SlipwayError(code, `cannot ${about.action}: ${text}${said}`, hint === undefined ? { facts } : { hint, facts });
  switch (status) {
    case 401:
      return fail(
        'REGISTRY_UNAUTHORIZED',
        `${url.host} wants a login`,
        `${about.credentialNote === undefined ? '' : `${about.credentialNote}; `}the name may be wrong, or log in with: slipway login ${about.registry}`,
      );
    case 403:
      return fail(
        'REGISTRY_DENIED',
        `${url.host} does not allow it`,
        `ask for access, or log in as someone else: slipway login ${about.registry}`,
      );
    case 404:
      if (about.subject === 'manifest') return fail('MANIFEST_UNKNOWN', 'there is no such image', 'check the name and the tag');
      if (about.subject === 'blob')
        return fail(
          'BLOB_UNKNOWN',
          `${url.host} does not have the blob${about.blob ? ` ${about.blob}` : ''}`,
          'it was removed there, or never came: push the image again',
        );
      if (isLostBlob(refusal.code)) return fail('REGISTRY_REFUSED', `${url.host} does not find a blob that was pushed before`, LOST_BLOB);
      return fail('REGISTRY_REFUSED', `${url.host} answered 404${forBlob(about)}`, `is ${url.host} a registry?`);
    case 413:
      return fail(
        'REGISTRY_TOO_LARGE',
        `${url.host} takes no upload that large${forBlob(about)}`,
        'a proxy before the registry may limit the size of requests',
      );
    case 429:
      return fail(
        'REGISTRY_RATE_LIMITED',
        `${url.host} allows no more requests for now`,
        `wait${askedFor(refusal)}, or log in to get a higher limit: slipway login ${about.registry}`,
      );
    default:
      return fail('REGISTRY_REFUSED', `${url.host} answered ${status}${forBlob(about)}`, hintOf(refusal, url.host));
  }
}

function hintOf(refusal: Refusal, host: string): string | undefined {
  if (isLostBlob(refusal.code)) return LOST_BLOB;
  if (refusal.status < 500) return undefined;
  return `${host} has trouble of its own: try again${refusal.retryAfterMs === undefined ? ' later' : askedFor(refusal).replace(/^ for/, ' in')}, or ask those who run it`;
}

function askedFor({ retryAfterMs }: Refusal): string {
  return retryAfterMs === undefined ? '' : ` for ${Math.ceil(retryAfterMs / 1000)} seconds, as it asks`;
}

const LOST_BLOB_TRIES = 3;
const LOST_BLOB = 'the registry, or one of its machines, has lost it, or does not know of it yet: push again';

/** What registries say to a manifest whose blobs they do not find. */
function isLostBlob(code: unknown): boolean {
  return code === 'MANIFEST_BLOB_UNKNOWN' || code === 'BLOB_UNKNOWN';
}

function forBlob({ blob }: About): string {
  return blob === undefined ? '' : ` for the blob ${blob}`;
}

/** The registry said something that its protocol does not have. */
export function protocolFault(what: string, url: URL, about: About): SlipwayError {
  return new SlipwayError('REGISTRY_PROTOCOL', `cannot ${about.action}: ${url.host} ${what}`, {
    hint: `is ${url.host} a registry, and nothing between that answers in its place?`,
    facts: { registry: about.registry, host: url.host },
  });
}

/** Text of a stranger for a terminal: no control characters, one line, bounded. */
export function printable(text: string, limit = 300): string {
  const line = text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, ' ').trim();
  return line.length > limit ? `${line.slice(0, limit)}…` : line;
}

/** Reads the error body of the distribution spec (`{"errors":[{code,message}]}`); other bodies say nothing. */
export function readRefusal(status: number, body: string, retryAfter: string | undefined, now: Date): Refusal {
  const retryAfterMs = readRetryAfter(retryAfter, now);
  return { status, ...errorEntry(body), ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

function errorEntry(body: string): { code?: string; message?: string } {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return {};
  }
  const field = (from: unknown, name: string): unknown =>
    typeof from === 'object' && from !== null ? (from as Readonly<Record<string, unknown>>)[name] : undefined;
  const errors = field(value, 'errors');
  const entry: unknown = Array.isArray(errors) ? errors[0] : value;
  const code = field(entry, 'code');
  const message = field(entry, 'message') ?? field(entry, 'details') ?? field(entry, 'error_description');
  return {
    ...(typeof code === 'string' ? { code: printable(code, 60) } : {}),
    ...(typeof message === 'string' && message !== '' ? { message: printable(message) } : {}),
  };
}

function readRetryAfter(text: string | undefined, now: Date): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text.trim())) return Number(text) * 1000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now.getTime());
}

function reasonOf(code: string, reason: string): string {
  const known: Readonly<Record<string, string>> = {
    ENOTFOUND: 'there is no host of that name',
    EAI_AGAIN: 'its name could not be looked up',
    ECONNREFUSED: 'the connection was refused',
    ECONNRESET: 'the connection was cut',
    ETIMEDOUT: 'it does not answer',
    EHOSTUNREACH: 'there is no way to the host',
    ENETUNREACH: 'there is no way to its network',
  };
  return known[code] ?? (reason === '' ? code : reason);
}

function unreachableHint(code: string, host: string): string {
  if (code === 'ENOTFOUND') return `check the spelling of ${host}, or configure a mirror for it`;
  if (code === 'ECONNREFUSED') return `is a registry running at ${host}?`;
  return 'check the network, or set HTTPS_PROXY when it needs a proxy';
}

function tlsHint(code: string, registry: string): string {
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_')) {
    return `if it speaks plain http, say so in the configuration: [registry."${registry}"] http = true`;
  }
  if (code.includes('EXPIRED')) return 'its certificate, or the clock of this machine, is out of date';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'its certificate is for another name';
  return `put its authority's certificate into /etc/docker/certs.d/${registry}/ca.crt, or name it by ca = [...] in the configuration`;
}
