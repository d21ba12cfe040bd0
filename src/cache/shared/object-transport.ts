// What shared caches in a bucket or container have in common: what their objects are called (BuildKit's names, under another name of the
// cache), and how they are read.

import { digestHex, type JobContext } from '../../base/index.ts';
import type { Descriptor } from '../../oci/index.ts';
import { drop, type HttpCall, type HttpReply, readBody } from './http-call.ts';
import { type BlobSource, type CacheTransport, MANIFEST_LIMIT } from './transport.ts';

/** Prefixes of names, each with its own `/` at the end where there is to be one. */
export interface ObjectNames {
  readonly prefix: string;
  readonly manifestsPrefix: string;
  readonly blobsPrefix: string;
  /** Names to write the manifest under, at least one; the first is read. */
  readonly names: readonly string[];
}

/** The manifest's object; default: the one that is read. */
export function manifestObject({ prefix, manifestsPrefix, names }: ObjectNames, name = names[0]): string {
  if (name === undefined) throw new Error('internal: a cache without a name');
  return `${prefix}${manifestsPrefix}${name}`;
}

/** A blob's object. */
export function blobObject({ prefix, blobsPrefix }: ObjectNames, { digest }: Descriptor): string {
  return `${prefix}${blobsPrefix}sha256:${digestHex(digest)}`;
}

/** The rest of a request about an object. */
export interface ObjectRequest extends Pick<HttpCall, 'accept'> {
  readonly body?: NonNullable<HttpCall['body']>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
}

/** A cache whose objects each have an address: how it is written depends on the service. */
export abstract class ObjectTransport<Place extends ObjectNames> implements CacheTransport {
  abstract readonly name: string;
  abstract readonly medium: string;
  protected readonly place: Place;

  constructor(place: Place) {
    this.place = place;
  }

  async readManifest(job: JobContext): Promise<{ bytes: Uint8Array; mediaType: undefined } | undefined> {
    const reply = await this.call('GET', manifestObject(this.place), job, { accept: [200, 404] });
    if (reply.status === 404) return await drop(reply).then(() => undefined);
    return { bytes: await readBody(reply, MANIFEST_LIMIT, 'read the cache'), mediaType: undefined };
  }

  async openBlob(blob: Descriptor, job: JobContext): Promise<AsyncIterable<Uint8Array>> {
    return (await this.call('GET', blobObject(this.place, blob), job, { accept: [200] })).body;
  }

  abstract writeBlob(blob: Descriptor, source: BlobSource, job: JobContext): Promise<void>;
  abstract writeManifest(bytes: Uint8Array, mediaType: string, job: JobContext): Promise<void>;

  /** One signed request. */
  protected abstract call(method: HttpCall['method'], key: string, job: JobContext, more: ObjectRequest): Promise<HttpReply>;
}
