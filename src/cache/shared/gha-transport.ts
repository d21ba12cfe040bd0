// A shared cache in GitHub's Actions cache service, version 2 of its protocol: Twirp calls that hand out signed addresses of a blob
// store. Entries are never replaced, so every export of the index gets a key of its own, and the newest is found by its prefix.

import { digestHex, type JobContext, SlipwayError } from '../../base/index.ts';
import type { Descriptor } from '../../oci/index.ts';
import { callHttp, drop, readBody } from './http-call.ts';
import { type BlobSource, type CacheTransport, MANIFEST_LIMIT } from './transport.ts';

/** Where and as whom. */
export interface GhaPlace {
  /** `ACTIONS_RESULTS_URL`. */
  readonly url: URL;
  /** `ACTIONS_RUNTIME_TOKEN`. */
  readonly token: string;
  /** Tells caches of one repository apart; default `buildkit` there, `slipway` here. */
  readonly scope: string;
}

/** Part of the service's key: another layout of entries gets another version. */
const VERSION = 'slipway-1';
const SERVICE = 'twirp/github.actions.results.api.v1.CacheService';
const ANSWER_LIMIT = 1 << 20;
/** Pieces of an upload; the blob store takes 50,000 of them. */
const PIECE_BYTES = 64 << 20;

/** `type=gha`. */
export class GhaTransport implements CacheTransport {
  readonly name: string;
  readonly medium = 'GitHub Actions Cache';
  readonly #place: GhaPlace;

  constructor(place: GhaPlace) {
    this.#place = place;
    this.name = `GitHub Actions cache (scope ${place.scope})`;
  }

  async readManifest(job: JobContext): Promise<{ bytes: Uint8Array; mediaType: undefined } | undefined> {
    const url = await this.#find(this.#indexPrefix(), true, job);
    if (url === undefined) return undefined;
    const reply = await callHttp({ method: 'GET', url, headers: {}, accept: [200], action: this.#action('read') }, job);
    return { bytes: await readBody(reply, MANIFEST_LIMIT, this.#action('read')), mediaType: undefined };
  }

  async openBlob(blob: Descriptor, job: JobContext): Promise<AsyncIterable<Uint8Array>> {
    const url = await this.#find(blobKey(blob), false, job);
    if (url === undefined) {
      throw new SlipwayError('BLOB_UNKNOWN', `the ${this.name} no longer has the blob ${blob.digest}`, { facts: { digest: blob.digest } });
    }
    return (await callHttp({ method: 'GET', url, headers: {}, accept: [200], action: this.#action('read') }, job)).body;
  }

  async writeBlob(blob: Descriptor, source: BlobSource, job: JobContext): Promise<void> {
    if ((await this.#find(blobKey(blob), false, job)) !== undefined) return;
    await this.#store(blobKey(blob), blob.size, source, job);
  }

  async writeManifest(bytes: Uint8Array, _mediaType: string, job: JobContext): Promise<void> {
    const key = `${this.#indexPrefix()}${job.now().getTime().toString(36)}-${digestOfTime(bytes)}`;
    await this.#store(key, bytes.length, { open: (start, end) => once(bytes.subarray(start, end)) }, job);
  }

  #indexPrefix(): string {
    return `slipway-index-${this.#place.scope}-`;
  }

  /** Address of an entry. By prefix the newest one matches. Undefined: there is none. */
  async #find(key: string, byPrefix: boolean, job: JobContext): Promise<URL | undefined> {
    const answer = await this.#rpc('GetCacheEntryDownloadURL', { key, restore_keys: byPrefix ? [key] : [], version: VERSION }, job);
    const { ok, signed_download_url: url, matched_key: matched } = answer;
    if (ok !== true || typeof url !== 'string' || url === '') return undefined;
    // The service also matches keys by prefix that were asked for whole.
    if (!byPrefix && typeof matched === 'string' && matched !== '' && matched !== key) return undefined;
    return new URL(url);
  }

  async #store(key: string, size: number, source: BlobSource, job: JobContext): Promise<void> {
    const created = await this.#rpc('CreateCacheEntry', { key, version: VERSION }, job, [200, 409]);
    // Somebody else is writing the same content, or has written it.
    if (created['ok'] !== true) return;
    const url = created['signed_upload_url'];
    if (typeof url !== 'string') throw new SlipwayError('CACHE_PROTOCOL', `the ${this.name} begins an upload without an address`);
    await this.#upload(new URL(url), size, source, job);
    const done = await this.#rpc('FinalizeCacheEntryUpload', { key, version: VERSION, size_bytes: String(size) }, job);
    if (done['ok'] !== true) throw new SlipwayError('CACHE_PROTOCOL', `the ${this.name} did not accept an upload of ${size} bytes`);
  }

  /** Azure's block blobs: one piece at once, or blocks and their list. */
  async #upload(url: URL, size: number, source: BlobSource, job: JobContext): Promise<void> {
    const put = async (
      to: URL,
      headers: Record<string, string>,
      start: number,
      end: number,
      open = () => source.open(start, end),
    ): Promise<void> =>
      await drop(
        await callHttp(
          { method: 'PUT', url: to, headers, body: { length: end - start, open }, accept: [201], action: this.#action('write') },
          job,
        ),
      );
    if (size <= PIECE_BYTES) return await put(url, { 'x-ms-blob-type': 'BlockBlob', 'content-type': 'application/octet-stream' }, 0, size);
    const ids: string[] = [];
    for (let start = 0; start < size; start += PIECE_BYTES) {
      const id = Buffer.from(String(ids.length).padStart(8, '0')).toString('base64');
      ids.push(id);
      await put(withQuery(url, { comp: 'block', blockid: id }), {}, start, Math.min(start + PIECE_BYTES, size));
    }
    const list = Buffer.from(
      `<?xml version="1.0" encoding="utf-8"?><BlockList>${ids.map((id) => `<Latest>${id}</Latest>`).join('')}</BlockList>`,
    );
    await put(withQuery(url, { comp: 'blocklist' }), { 'content-type': 'application/xml' }, 0, list.length, () => once(list));
  }

  async #rpc(
    method: string,
    request: Readonly<Record<string, unknown>>,
    job: JobContext,
    accept: readonly number[] = [200],
  ): Promise<Readonly<Record<string, unknown>>> {
    const { url, token } = this.#place;
    const bytes = Buffer.from(JSON.stringify(request));
    const action = this.#action(method.startsWith('Get') ? 'read' : 'write');
    const reply = await callHttp(
      {
        method: 'POST',
        url: new URL(SERVICE + `/${method}`, url.href.endsWith('/') ? url : `${url.href}/`),
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept: 'application/json' },
        body: { length: bytes.length, open: () => once(bytes) },
        accept,
        action,
      },
      job,
    );
    const text = (await readBody(reply, ANSWER_LIMIT, action)).toString('utf8');
    try {
      const answer = JSON.parse(text) as unknown;
      if (typeof answer === 'object' && answer !== null) return answer as Readonly<Record<string, unknown>>;
    } catch {
      // told below
    }
    throw new SlipwayError('CACHE_PROTOCOL', `the ${this.name} answered ${method} with something that is not JSON`);
  }

  #action(what: 'read' | 'write'): string {
    return what === 'read' ? `read the ${this.name}` : `write to the ${this.name}`;
  }
}

function blobKey({ digest }: Descriptor): string {
  return `slipway-blob-${digestHex(digest)}`;
}

function withQuery(url: URL, query: Readonly<Record<string, string>>): URL {
  const more = new URL(url);
  for (const [name, value] of Object.entries(query)) more.searchParams.set(name, value);
  return more;
}

/** Two exports in one millisecond are told apart by what they hold. */
function digestOfTime(bytes: Uint8Array): string {
  let hash = 2166136261;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 16777619) >>> 0;
  return hash.toString(36);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
