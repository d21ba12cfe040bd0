// What hangs below a manifest.

import type { Digest } from '../base/index.ts';
import { type Descriptor, isIndexType, isManifestType, type Manifest, type ManifestDocument, parseManifestDocument } from '../oci/index.ts';
import type { ContentStore } from './blobs.ts';

/** How deep indexes may nest. */
const DEPTH = 4;

/**
 * Digests of a manifest or index and of everything it names, whether their blobs are here or not. A document that is absent or cannot be read counts
 * without what would be below it.
 */
export function blobsBelow(blobs: ContentStore, root: Descriptor): ReadonlySet<Digest> {
  return reach(blobs, root, ({ config, layers }) => [config, ...layers]);
}

/** As `blobsBelow`, without layers. */
export function documentsBelow(blobs: ContentStore, root: Descriptor): ReadonlySet<Digest> {
  return reach(blobs, root, ({ config }) => [config]);
}

function reach(blobs: ContentStore, root: Descriptor, partsOf: (manifest: Manifest) => readonly Descriptor[]): ReadonlySet<Digest> {
  const seen = new Set<Digest>();
  const visit = (descriptor: Descriptor, depth: number): void => {
    if (seen.has(descriptor.digest)) return;
    seen.add(descriptor.digest);
    if (depth === 0 || (!isIndexType(descriptor.mediaType) && !isManifestType(descriptor.mediaType))) return;
    const document = readDocument(blobs, descriptor);
    if (document === undefined) return;
    const below = document.kind === 'index' ? document.index.manifests : partsOf(document.manifest);
    for (const child of below) visit(child, depth - 1);
  };
  visit(root, DEPTH);
  return seen;
}

function readDocument(blobs: ContentStore, descriptor: Descriptor): ManifestDocument | undefined {
  try {
    return parseManifestDocument(blobs.peek(descriptor.digest), descriptor.mediaType);
  } catch {
    return undefined; // absent, damaged or foreign: `check` reports it, here it only has no children
  }
}
