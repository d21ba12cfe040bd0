// A shared cache in a container of Azure Blob Storage: `<prefix><manifests prefix><name>` and `<prefix><blobs prefix><digest>`.

import type { JobContext } from '../../base/index.ts';
import type { Descriptor } from '../../oci/index.ts';
import { bodyOf, callHttp, drop, type HttpCall, type HttpReply } from './http-call.ts';
import { blobObject, manifestObject, type ObjectNames, type ObjectRequest, ObjectTransport } from './object-transport.ts';
import { type SharedKey, sharedKeyAuthorization } from './shared-key.ts';
import type { BlobSource } from './transport.ts';

/** Where and as whom. */
export interface AzurePlace extends ObjectNames {
  /** The account's address; a shared access signature is its query. */
  readonly account: URL;
  readonly container: string;
  /** Absent: the address has a signature, or the container is open to all. */
  readonly key?: SharedKey;
}

/** The version of the service that is spoken; it takes blocks of any size we send, and signs an empty length as nothing. */
const VERSION = '2021-12-02';
/** Larger blobs are sent in blocks, bytes: a failed try costs one of them. At most 50,000 of a blob. */
const BLOCK_BYTES = 64 << 20;

/** `type=azblob`. */
export class AzureTransport extends ObjectTransport<AzurePlace> {
  readonly name: string;
  readonly medium = 'Azure Blob Storage';

  constructor(place: AzurePlace) {
    super(place);
    const { account, container } = place;
    this.name = `${account.host}/${container}/${manifestObject(place)}`;
  }

  async writeBlob(blob: Descriptor, source: BlobSource, job: JobContext): Promise<void> {
    const key = blobObject(this.place, blob);
    const known = await this.call('HEAD', key, job, { accept: [200, 404] });
    await drop(known);
    if (known.status === 200) return;
    if (blob.size > BLOCK_BYTES) await this.#writeBlocks(key, blob, source, job);
    else await this.#put(key, { length: blob.size, open: () => source.open(0, blob.size) }, job);
  }

  async writeManifest(bytes: Uint8Array, mediaType: string, job: JobContext): Promise<void> {
    const headers = { 'content-type': mediaType };
    for (const name of this.place.names) await this.#put(manifestObject(this.place, name), bodyOf(bytes), job, { headers });
  }

  /** Blocks that are never made a blob, the service forgets after a week. */
  async #writeBlocks(key: string, { size }: Descriptor, source: BlobSource, job: JobContext): Promise<void> {
    const ids: string[] = [];
    for (let start = 0; start < size; start += BLOCK_BYTES) {
      const end = Math.min(start + BLOCK_BYTES, size);
      const blockid = Buffer.from(String(ids.length).padStart(6, '0')).toString('base64');
      await this.#put(key, { length: end - start, open: () => source.open(start, end) }, job, { query: { comp: 'block', blockid } });
      ids.push(blockid);
    }
    const list = Buffer.from(`<BlockList>${ids.map((id) => `<Latest>${id}</Latest>`).join('')}</BlockList>`);
    await this.#put(key, bodyOf(list), job, { query: { comp: 'blocklist' } });
  }

  /** Writes a blob, or a block of one; the container is made when there is none. */
  async #put(
    key: string,
    body: NonNullable<HttpCall['body']>,
    job: JobContext,
    { headers = {}, query = {} }: Pick<ObjectRequest, 'headers' | 'query'> = {},
  ): Promise<void> {
    const kind = query['comp'] === undefined ? { 'x-ms-blob-type': 'BlockBlob' } : {};
    const write = (accept: readonly number[]): Promise<HttpReply> =>
      this.call('PUT', key, job, { accept, body, query, headers: { ...kind, ...headers } });
    const reply = await write([201, 404]);
    await drop(reply);
    if (reply.status === 201) return;
    const made = { accept: [201, 409], query: { restype: 'container' }, body: bodyOf(new Uint8Array()) };
    await drop(await this.call('PUT', '', job, made)); // 409: somebody else made it this moment
    await drop(await write([201]));
  }

  /** One request. An empty `key` is the container. */
  protected async call(method: HttpCall['method'], key: string, job: JobContext, more: ObjectRequest): Promise<HttpReply> {
    const { account, container, key: sharedKey } = this.place;
    const url = new URL(account);
    const path = [container, ...key.split('/')].filter((part) => part !== '').map(encodeURIComponent);
    url.pathname = [account.pathname.replace(/\/$/, ''), ...path].join('/');
    for (const [name, value] of Object.entries(more.query ?? {})) url.searchParams.set(name, value);
    const headers: Record<string, string> = { ...more.headers, 'x-ms-version': VERSION, 'x-ms-date': job.now().toUTCString() };
    if (sharedKey !== undefined)
      headers['authorization'] = sharedKeyAuthorization({ method, url, headers, length: more.body?.length ?? 0 }, sharedKey);
    const action = `${method === 'GET' || method === 'HEAD' ? 'read' : 'write'} the cache ${this.name}`;
    return await callHttp(
      { method, url, headers, accept: more.accept, action, ...(more.body === undefined ? {} : { body: more.body }) },
      job,
    );
  }
}
