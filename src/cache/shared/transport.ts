// Where a shared cache lives: a registry, a folder, a bucket, a cache service. One interface; new media implement this much.

import type { Digest, JobContext } from '../../base/index.ts';
import type { Descriptor } from '../../oci/index.ts';

/** Bytes of a manifest that are read at most, where it is the document itself. */
export const MANIFEST_LIMIT = 8 << 20;

/** A named document with blobs beside it. */
export interface CacheTransport {
  /** For people: `registry.example/app:cache`, `folder /cache`. */
  readonly name: string;
  /** What the place is called in progress: `registry`, `client directory`, `Amazon S3`, `GitHub Actions Cache`. */
  readonly medium: string;
  /** The manifest, or undefined when there is none of that name. */
  readManifest(job: JobContext): Promise<{ readonly bytes: Uint8Array; readonly mediaType: string | undefined } | undefined>;
  /** Bytes of a blob; the reader verifies them. */
  openBlob(blob: Descriptor, job: JobContext): Promise<AsyncIterable<Uint8Array>>;
  /** Puts a blob there unless it is there already. `open` is called again when a try failed. */
  writeBlob(blob: Descriptor, source: BlobSource, job: JobContext): Promise<void>;
  /** Whether this manifest is what the name points to, with all that it lists; absent where neither can be told from the other. */
  holds?(manifest: Digest, job: JobContext): Promise<boolean>;
  /** Publishes the manifest: the last step of an export. */
  writeManifest(bytes: Uint8Array, mediaType: string, job: JobContext): Promise<void>;
  /** An export is over, whatever came of it: gives back what writing held. */
  end?(): Promise<void>;
  /** `registry/repository`, so that pushes to the same registry mount blobs instead of copying. */
  readonly repository?: string;
}

/** Bytes to be written. */
export interface BlobSource {
  /** The bytes from `start` up to (not including) `end`. */
  open(start: number, end: number): AsyncIterable<Uint8Array>;
  /** Places that have the blob. */
  readonly mountFrom?: readonly string[];
}

/** All bytes of a stream, at most `limit`. Undefined: there are more. */
export async function gather(bytes: AsyncIterable<Uint8Array>, limit: number): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.length;
    if (size > limit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
