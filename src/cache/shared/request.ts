// `--cache-from` and `--cache-to`: which place, and how. Attribute names are BuildKit's.

import { parseDigest, SlipwayError, suggest } from '../../base/index.ts';
import { parseReference, withDefaultTag } from '../../oci/index.ts';
import type { RegistryClient } from '../../registry/index.ts';
import type { BlobOptions, Compression } from '../../snapshot/index.ts';
import { parseDuration } from '../../store/index.ts';
import { expectFolder } from '../../sys/index.ts';
import { AzureTransport } from './azure-transport.ts';
import { FolderTransport } from './folder-transport.ts';
import { GhaTransport } from './gha-transport.ts';
import { RegistryTransport } from './registry-transport.ts';
import { S3Transport } from './s3-transport.ts';
import type { CacheTransport } from './transport.ts';

/** One `--cache-from` or `--cache-to`, as written. */
export interface CacheRequest {
  readonly type: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** What a request for an export says. */
export interface CacheExportPlan {
  /** Undefined for `type=inline`: the document goes into the image's config. */
  readonly place: CacheTransport | undefined;
  /** What tells it apart from other places. */
  readonly placeName: string;
  readonly mode: 'min' | 'max';
  readonly mounts: boolean;
  /** A failure is a warning. */
  readonly ignoreError: boolean;
  readonly blobs: BlobOptions;
}

/** Types of shared caches. */
export const CACHE_TYPES = ['registry', 'local', 'inline', 's3', 'azblob', 'gha'];
const COMMON = [
  'mode',
  'ignore-error',
  'mounts',
  'compression',
  'compression-level',
  'force-compression',
  'oci-mediatypes',
  'image-manifest',
];
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  registry: ['ref', 'registry.insecure'],
  local: ['src', 'dest', 'tag', 'digest', 'reset'],
  inline: [],
  s3: [
    ...['bucket', 'region', 'prefix', 'manifests_prefix', 'blobs_prefix', 'name', 'touch_refresh', 'endpoint_url', 'access_key_id'],
    ...[
      'secret_access_key',
      'session_token',
      'use_path_style',
      'upload_parallelism',
      'disable_accept_encoding',
      'retry_mode',
      'retry_max_attempts',
    ],
  ],
  azblob: ['account_url', 'account_name', 'secret_access_key', 'container', 'prefix', 'manifests_prefix', 'blobs_prefix', 'name'],
  gha: ['scope', 'url', 'url_v2', 'token', 'version', 'repository', 'ghtoken', 'timeout'],
};

/** A place that only the caller knows how to reach: a folder of a client. Undefined: none of those. */
export type OpenPlace = (request: CacheRequest) => CacheTransport | undefined;

/** What tells the places of caches apart: the type, and all that does not say what is written there. */
export function cachePlace({ type, attributes }: CacheRequest): string {
  const where = Object.entries(attributes).filter(([name]) => !COMMON.includes(name));
  return JSON.stringify([type, ...where.sort(([a], [b]) => (a < b ? -1 : 1))]);
}

/** Attributes of a type; undefined: there is no such type. */
export function knownCacheAttributes(type: string): readonly string[] | undefined {
  const known = KNOWN[type];
  return known === undefined ? undefined : [...known, ...COMMON];
}

/** Where a cache is read from. Throws `CACHE_OPTION`. */
export function openCacheSource(request: CacheRequest, registry: () => RegistryClient, open?: OpenPlace): CacheTransport {
  checkNames('--cache-from', request);
  if (request.type === 'inline') throw invalid('--cache-from', 'type=inline is for --cache-to', 'read it with type=registry,ref=<image>');
  return open?.(request) ?? openPlace('--cache-from', request, registry);
}

/** Where a cache is written, and how. Throws `CACHE_OPTION`. */
export function planCacheExport(
  request: CacheRequest,
  registry: () => RegistryClient,
  reproducible: boolean,
  clampMtime?: number,
  open?: OpenPlace,
): CacheExportPlan {
  checkNames('--cache-to', request);
  const { type, attributes } = request;
  const mode = attributes['mode'] ?? 'min';
  if (mode !== 'min' && mode !== 'max') throw invalid('--cache-to', `unknown mode ${JSON.stringify(mode)}`, 'modes are min and max');
  // Our documents are OCI's whatever these say; a value that is none is refused all the same.
  for (const name of ['oci-mediatypes', 'image-manifest']) flag(attributes, name, true);
  const ignoreError = flag(attributes, 'ignore-error', false);
  return {
    place: type === 'inline' ? undefined : (open?.(request) ?? openTarget(request, registry, ignoreError)),
    placeName: cachePlace(request),
    mode: type === 'inline' ? 'min' : mode,
    mounts: flag(attributes, 'mounts', false),
    ignoreError,
    blobs: blobOptions(attributes, reproducible, clampMtime),
  };
}

/** A folder that is not ours is refused now: the build that fills it may take an hour. */
function openTarget(request: CacheRequest, registry: () => RegistryClient, ignoreError: boolean): CacheTransport {
  const place = openPlace('--cache-to', request, registry);
  const folder = request.type === 'local' && !ignoreError ? request.attributes['dest'] : undefined;
  try {
    if (folder !== undefined) expectFolder(folder);
  } catch (cause) {
    throw new SlipwayError('CACHE_OPTION', `--cache-to: ${folder} cannot be written: ${(cause as Error).message}`, {
      cause,
      hint: 'name a folder that is yours, or add ignore-error=true to go without this cache',
    });
  }
  return place;
}

function blobOptions(attributes: CacheRequest['attributes'], reproducible: boolean, clampMtime: number | undefined): BlobOptions {
  const written = attributes['compression'] ?? 'gzip';
  const compression = written === 'uncompressed' ? 'none' : written;
  if (!['none', 'gzip', 'zstd', 'estargz'].includes(compression)) {
    throw invalid('--cache-to', `unknown compression ${JSON.stringify(written)}`, 'compressions are uncompressed, gzip, estargz and zstd');
  }
  const level = attributes['compression-level'];
  if (level !== undefined && !/^\d+$/.test(level))
    throw invalid('--cache-to', `compression-level is not a number: ${JSON.stringify(level)}`);
  return {
    compression: compression as Compression,
    ...(level === undefined ? {} : { level: Number(level) }),
    force: flag(attributes, 'force-compression', false),
    reproducible,
    ...(clampMtime === undefined ? {} : { clampMtime }),
  };
}

function openPlace(option: string, { type, attributes }: CacheRequest, registry: () => RegistryClient): CacheTransport {
  switch (type) {
    case 'registry': {
      const reference = withDefaultTag(parseReference(need(option, type, attributes, 'ref')));
      return new RegistryTransport(registry(), reference, flag(attributes, 'registry.insecure', false));
    }
    case 'local': {
      const folder = need(option, type, attributes, option === '--cache-to' ? 'dest' : 'src');
      const digest = attributes['digest'];
      const wanted = { tag: attributes['tag'] ?? 'latest', ...(digest === undefined ? {} : { digest: parseDigest(digest) }) };
      return new FolderTransport(folder, wanted, flag(attributes, 'reset', false));
    }
    case 's3':
      return openBucket(option, attributes);
    case 'azblob':
      return openAzure(option, attributes);
    case 'gha': {
      const url =
        attributes['url_v2'] ?? need(option, type, attributes, 'url', 'the environment has it as ACTIONS_RESULTS_URL in a workflow');
      const token = need(option, type, attributes, 'token', 'the environment has it as ACTIONS_RUNTIME_TOKEN in a workflow');
      return new GhaTransport({ url: parseUrl(option, 'url', url), token, scope: attributes['scope'] ?? 'slipway' });
    }
    default:
      throw invalid(option, `unknown type ${JSON.stringify(type)}`, `types are ${CACHE_TYPES.join(', ')}`);
  }
}

function openBucket(option: string, attributes: CacheRequest['attributes']): S3Transport {
  const endpoint = attributes['endpoint_url'];
  const sessionToken = attributes['session_token'];
  return new S3Transport({
    bucket: need(option, 's3', attributes, 'bucket'),
    region: need(option, 's3', attributes, 'region'),
    ...(endpoint === undefined ? {} : { endpoint: parseUrl(option, 'endpoint_url', endpoint) }),
    pathStyle: flag(attributes, 'use_path_style', false),
    prefix: attributes['prefix'] ?? '',
    manifestsPrefix: attributes['manifests_prefix'] ?? 'manifests/',
    blobsPrefix: attributes['blobs_prefix'] ?? 'blobs/',
    names: namesOf(attributes),
    touchRefreshMs: parseDuration(attributes['touch_refresh'] ?? '24h'),
    credentials: {
      accessKeyId: need(option, 's3', attributes, 'access_key_id', 'the environment may have it as AWS_ACCESS_KEY_ID'),
      secretAccessKey: need(option, 's3', attributes, 'secret_access_key', 'the environment may have it as AWS_SECRET_ACCESS_KEY'),
      ...(sessionToken === undefined ? {} : { sessionToken }),
    },
  });
}

function openAzure(option: string, attributes: CacheRequest['attributes']): AzureTransport {
  const about = 'the environment may have it as BUILDKIT_AZURE_STORAGE_ACCOUNT_URL';
  const account = parseUrl(option, 'account_url', need(option, 'azblob', attributes, 'account_url', about));
  const secret = attributes['secret_access_key'];
  const key = secret === undefined ? undefined : { account: accountName(account, attributes), key: decodeKey(option, secret) };
  if (option === '--cache-to' && key === undefined && !account.searchParams.has('sig'))
    throw invalid(
      option,
      'type=azblob needs secret_access_key=',
      'the environment may have it as AZURE_STORAGE_KEY; or give a shared access signature as the query of account_url',
    );
  return new AzureTransport({
    account,
    container: attributes['container'] ?? 'slipway-cache',
    prefix: asFolder(attributes['prefix'] ?? ''),
    manifestsPrefix: asFolder(attributes['manifests_prefix'] ?? 'manifests'),
    blobsPrefix: asFolder(attributes['blobs_prefix'] ?? 'blobs'),
    names: namesOf(attributes),
    ...(key === undefined ? {} : { key }),
  });
}

/** The first part of the host's name, unless it is told. */
function accountName({ hostname }: URL, attributes: CacheRequest['attributes']): string {
  return attributes['account_name'] ?? (hostname.split('.', 1)[0] as string);
}

function decodeKey(option: string, text: string): Uint8Array {
  if (/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return Buffer.from(text, 'base64');
  throw invalid(option, 'secret_access_key is no key of a storage account', 'copy it as the portal shows it: base64, ending in ==');
}

/** BuildKit joins these as paths. */
function asFolder(prefix: string): string {
  return prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`;
}

/** Names of a cache's document. */
function namesOf(attributes: CacheRequest['attributes']): readonly string[] {
  const names = (attributes['name'] ?? 'slipway').split(';').filter((name) => name !== '');
  return names.length === 0 ? ['slipway'] : names;
}

function checkNames(option: string, { type, attributes }: CacheRequest): void {
  const known = KNOWN[type];
  if (known === undefined) {
    const near = suggest(type, CACHE_TYPES);
    throw invalid(
      option,
      `unknown type ${JSON.stringify(type)}`,
      near === undefined ? `types are ${CACHE_TYPES.join(', ')}` : `did you mean ${near}?`,
    );
  }
  for (const name of Object.keys(attributes)) {
    if (known.includes(name) || COMMON.includes(name)) continue;
    const near = suggest(name, [...known, ...COMMON]);
    throw invalid(
      option,
      `type=${type} has no attribute ${JSON.stringify(name)}`,
      near === undefined ? undefined : `did you mean ${near}?`,
    );
  }
}

function need(option: string, type: string, attributes: CacheRequest['attributes'], name: string, hint?: string): string {
  const value = attributes[name];
  if (value !== undefined && value !== '') return value;
  throw invalid(option, `type=${type} needs ${name}=`, hint);
}

function flag(attributes: CacheRequest['attributes'], name: string, fallback: boolean): boolean {
  const value = attributes[name];
  if (value === undefined) return fallback;
  if (/^(true|1|t)$/i.test(value)) return true;
  if (/^(false|0|f)$/i.test(value)) return false;
  throw invalid('cache option', `${name} is true or false, not ${JSON.stringify(value)}`);
}

function parseUrl(option: string, name: string, text: string): URL {
  try {
    const url = new URL(text);
    if (url.protocol === 'http:' || url.protocol === 'https:') return url;
  } catch {
    // told below
  }
  throw invalid(option, `${name} is no http or https address: ${JSON.stringify(text)}`);
}

function invalid(option: string, what: string, hint?: string): SlipwayError {
  return new SlipwayError('CACHE_OPTION', `${option}: ${what}`, hint === undefined ? {} : { hint });
}
