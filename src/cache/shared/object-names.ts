// What a shared cache calls its objects in a bucket or container: BuildKit's names, under another name of the cache.

import { digestHex } from '../../base/index.ts';
import type { Descriptor } from '../../oci/index.ts';

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
