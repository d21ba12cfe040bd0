// A shared cache in an S3 bucket: `<prefix>manifests/<name>` and `<prefix>blobs/<digest>`.

import { type JobContext, SlipwayError } from '../../base/index.ts';
import type { Descriptor } from '../../oci/index.ts';
import { bodyOf, callHttp, drop, type HttpCall, type HttpReply, readBody } from './http-call.ts';
import { blobObject, manifestObject, type ObjectNames, type ObjectRequest, ObjectTransport } from './object-transport.ts';
import { type AwsCredentials, awsEncode, signRequest } from './sigv4.ts';
import type { BlobSource } from './transport.ts';

/** Where and as whom. */
export interface S3Place extends ObjectNames {
  readonly bucket: string;
  readonly region: string;
  /** Endpoint of another server than Amazon's. */
  readonly endpoint?: URL;
  /** The bucket in the path instead of the host name. */
  readonly pathStyle: boolean;
  readonly credentials: AwsCredentials;
  /** Blobs last changed longer ago than this are written anew over themselves, so that the bucket's expiry spares them. Milliseconds. */
  readonly touchRefreshMs: number;
}

/** Larger blobs are sent in parts; S3 takes at most 5 GiB at once. */
const PART_BYTES = 64 << 20;

/** `type=s3`. */
export class S3Transport extends ObjectTransport<S3Place> {
  readonly name: string;
  readonly medium = 'Amazon S3';

  constructor(place: S3Place) {
    super(place);
    this.name = `s3://${place.bucket}/${manifestObject(place)}`;
  }

  async writeBlob(blob: Descriptor, source: BlobSource, job: JobContext): Promise<void> {
    const key = blobObject(this.place, blob);
    const known = await this.call('HEAD', key, job, { accept: [200, 404] });
    await drop(known);
    if (known.status === 200) await this.#touch(key, known, job);
    else if (blob.size > PART_BYTES) await this.#upload(key, blob, source, job);
    else
      await drop(await this.call('PUT', key, job, { accept: [200], body: { length: blob.size, open: () => source.open(0, blob.size) } }));
  }

  async writeManifest(bytes: Uint8Array, mediaType: string, job: JobContext): Promise<void> {
    for (const name of this.place.names) {
      const body = bodyOf(bytes);
      await drop(
        await this.call('PUT', manifestObject(this.place, name), job, { accept: [200], body, headers: { 'content-type': mediaType } }),
      );
    }
  }

  /** A copy onto itself renews the date. */
  async #touch(key: string, known: HttpReply, job: JobContext): Promise<void> {
    const changed = Date.parse(String(known.headers['last-modified'] ?? ''));
    if (Number.isNaN(changed) || job.now().getTime() - changed < this.place.touchRefreshMs) return;
    const headers = { 'x-amz-copy-source': `/${this.place.bucket}/${encodeKey(key)}`, 'x-amz-metadata-directive': 'REPLACE' };
    await drop(await this.call('PUT', key, job, { accept: [200], headers, body: bodyOf(new Uint8Array()) }));
  }

  async #upload(key: string, blob: Descriptor, source: BlobSource, job: JobContext): Promise<void> {
    const begun = await readBody(
      await this.call('POST', key, job, { accept: [200], query: { uploads: '' } }),
      1 << 20,
      'write to the cache',
    );
    const uploadId = /<UploadId>([^<]+)<\/UploadId>/.exec(begun.toString('utf8'))?.[1];
    if (uploadId === undefined) throw new SlipwayError('CACHE_PROTOCOL', `${this.name}: the server begins an upload without an id`);
    try {
      const tags: string[] = [];
      for (let start = 0; start < blob.size; start += PART_BYTES) {
        const end = Math.min(start + PART_BYTES, blob.size);
        const query = { partNumber: String(tags.length + 1), uploadId };
        const reply = await this.call('PUT', key, job, {
          accept: [200],
          query,
          body: { length: end - start, open: () => source.open(start, end) },
        });
        await drop(reply);
        tags.push(String(reply.headers['etag']));
      }
      const parts = tags.map((tag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${tag}</ETag></Part>`).join('');
      const list = Buffer.from(`<CompleteMultipartUpload>${parts}</CompleteMultipartUpload>`);
      const body = bodyOf(list);
      await drop(await this.call('POST', key, job, { accept: [200], query: { uploadId }, body }));
    } catch (error) {
      // Parts that nobody completes are kept, and paid for.
      await this.call('DELETE', key, { ...job, signal: new AbortController().signal }, { accept: [204, 404], query: { uploadId } }).then(
        drop,
        () => {},
      );
      throw error;
    }
  }

  protected async call(method: HttpCall['method'], key: string, job: JobContext, more: ObjectRequest): Promise<HttpReply> {
    const { bucket, region, endpoint, pathStyle, credentials } = this.place;
    const base = endpoint ?? new URL(`https://s3.${region}.amazonaws.com`);
    const url = new URL(base);
    if (!pathStyle) url.host = `${bucket}.${base.host}`;
    url.pathname = `${base.pathname.replace(/\/$/, '')}/${pathStyle ? `${encodeKey(bucket)}/` : ''}${encodeKey(key)}`;
    for (const [name, value] of Object.entries(more.query ?? {})) url.searchParams.set(name, value);
    const headers = signRequest(
      { method, url, region, service: 's3', headers: more.headers ?? {}, payloadHash: 'UNSIGNED-PAYLOAD', date: job.now() },
      credentials,
    );
    const action = `${method === 'GET' || method === 'HEAD' ? 'read' : 'write'} the cache ${this.name}`;
    return await callHttp(
      { method, url, headers, accept: more.accept, action, ...(more.body === undefined ? {} : { body: more.body }) },
      job,
    );
  }
}

function encodeKey(key: string): string {
  return key.split('/').map(awsEncode).join('/');
}
