// A shared cache as an OCI artifact in a registry.

import { type Digest, digestOf, isSlipwayError, type JobContext } from '../../base/index.ts';
import { type Descriptor, familiarReference, type Reference } from '../../oci/index.ts';
import type { RegistryClient } from '../../registry/index.ts';
import type { BlobSource, CacheTransport } from './transport.ts';

/** A tag (or digest, for reading) of a repository. */
export class RegistryTransport implements CacheTransport {
  readonly name: string;
  readonly medium = 'registry';
  readonly repository: string;
  readonly #client: RegistryClient;
  readonly #reference: Reference;
  readonly #options: { readonly insecure?: boolean };

  constructor(client: RegistryClient, reference: Reference, insecure: boolean) {
    this.#client = client;
    this.#reference = reference;
    this.#options = insecure ? { insecure } : {};
    this.name = familiarReference(reference);
    this.repository = `${reference.registry}/${reference.repository}`;
  }

  /** A manifest of an index that this reference names: for inline caches of images for several platforms. */
  at(descriptor: Descriptor): RegistryTransport {
    return new RegistryTransport(this.#client, { ...this.#reference, digest: descriptor.digest }, this.#options.insecure === true);
  }

  async readManifest(job: JobContext): Promise<{ bytes: Uint8Array; mediaType: string } | undefined> {
    try {
      const { bytes, descriptor } = await this.#client.manifest(this.#reference, job, this.#options);
      return { bytes, mediaType: descriptor.mediaType };
    } catch (error) {
      if (isSlipwayError(error, 'MANIFEST_UNKNOWN')) return undefined;
      throw error;
    }
  }

  openBlob(blob: Descriptor, job: JobContext): Promise<AsyncIterable<Uint8Array>> {
    return Promise.resolve(this.#client.openBlob(this.#reference, blob, job, this.#options));
  }

  async writeBlob(blob: Descriptor, source: BlobSource, job: JobContext): Promise<void> {
    const { mountFrom } = source;
    const push = { descriptor: blob, open: (start: number, end: number) => source.open(start, end), ...(mountFrom && { mountFrom }) };
    await this.#client.push({ reference: this.#reference, blobs: [push], manifests: [], ...this.#options }, job);
  }

  /** A registry keeps what a manifest lists for as long as it keeps the manifest. */
  async holds(manifest: Digest, job: JobContext): Promise<boolean> {
    return await this.#client.pointsTo(this.#reference, manifest, job, this.#options);
  }

  async writeManifest(bytes: Uint8Array, mediaType: string, job: JobContext): Promise<void> {
    const manifests = [{ bytes, mediaType, digest: digestOf(bytes) }];
    await this.#client.push({ reference: this.#reference, blobs: [], manifests, ...this.#options }, job);
  }
}
