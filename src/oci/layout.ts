// OCI image layout: what the files of a layout folder or archive are called and say (OCI image spec, image layout). No disk here.

import { type Digest, digestAlgorithm, digestHex, SlipwayError } from '../base/index.ts';
import { OCI } from './media-types.ts';
import { parseIndex } from './parse-manifest.ts';
import { familiarReference, parseReference, type Reference } from './reference.ts';
import type { Descriptor, Index } from './types.ts';

/** Name and content of the file that marks a layout. */
export const LAYOUT_FILE = 'oci-layout';
export const LAYOUT_CONTENT = '{"imageLayoutVersion":"1.0.0"}';
/** Name of the layout's own index. */
export const LAYOUT_INDEX_FILE = 'index.json';

/** A tag, or another short name of a manifest in a layout (OCI image spec, annotations). */
export const ANNOTATION_REF_NAME = 'org.opencontainers.image.ref.name';
/** The full image name, as containerd, BuildKit and Docker write it. */
export const ANNOTATION_IMAGE_NAME = 'io.containerd.image.name';
export const ANNOTATION_CREATED = 'org.opencontainers.image.created';

/** Path of a blob in a layout. */
export function layoutBlobPath(digest: Digest): string {
  return `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`;
}

/** Reads `index.json`. */
export function parseLayoutIndex(bytes: Uint8Array): Index {
  return parseIndex(bytes, OCI.index);
}

/** The two names under which an index entry is known: the full one, and for OCI its tag alone. */
export function imageNameAnnotations(name: string): Readonly<Record<string, string>> {
  const reference = parseReference(name);
  return { [ANNOTATION_IMAGE_NAME]: name, [ANNOTATION_REF_NAME]: reference.digest ?? reference.tag ?? 'latest' };
}

/** A bare tag instead of a full name. */
export function tagAnnotations(tag: string): Readonly<Record<string, string>> {
  return { [ANNOTATION_REF_NAME]: tag };
}

/** The index with new entries at its end; an older entry with the same name is taken out. Entries without a name are added unless they stand there already. */
export function addToLayoutIndex(index: Index | undefined, added: readonly Descriptor[]): Index {
  let manifests = [...(index?.manifests ?? [])];
  for (const descriptor of added) {
    const key = nameKey(descriptor);
    manifests = manifests.filter((known) => (key === undefined ? !sameUnnamed(known, descriptor) : nameKey(known) !== key));
    manifests.push(descriptor);
  }
  return { ...(index ?? { schemaVersion: 2 }), mediaType: OCI.index, manifests };
}

/**
 * Finds an image in a layout: by digest, by full name, by tag; without a wish the only entry there is, or the one called `latest`.
 * Throws `OCI_LAYOUT_IMAGE_UNKNOWN` naming what there is.
 */
export function findInLayout(index: Index, wanted: string | undefined): Descriptor {
  const entries = index.manifests;
  const found =
    wanted === undefined || wanted === ''
      ? entries.length === 1
        ? entries[0]
        : entries.find((entry) => entry.annotations?.[ANNOTATION_REF_NAME] === 'latest')
      : (entries.find((entry) => entry.digest === wanted) ??
        entries.find((entry) => entry.annotations?.[ANNOTATION_IMAGE_NAME] === wanted) ??
        entries.find((entry) => entry.annotations?.[ANNOTATION_REF_NAME] === wanted));
  if (found !== undefined) return found;
  const names = layoutNames(index);
  const what =
    wanted === undefined || wanted === '' ? 'names no image and the layout has several' : `has no image ${JSON.stringify(wanted)}`;
  throw new SlipwayError('OCI_LAYOUT_IMAGE_UNKNOWN', `the OCI layout ${what}`, {
    hint: names.length === 0 ? 'its index.json lists nothing' : `it has ${names.join(', ')}`,
    facts: { available: names },
  });
}

/** What people may call the entries of a layout: names, tags, else digests. */
function layoutNames(index: Index): readonly string[] {
  return index.manifests.map((entry) => {
    const name = entry.annotations?.[ANNOTATION_IMAGE_NAME];
    return name === undefined ? (entry.annotations?.[ANNOTATION_REF_NAME] ?? entry.digest) : shortName(name);
  });
}

function shortName(name: string): string {
  try {
    const reference: Reference = parseReference(name);
    return familiarReference(reference);
  } catch {
    return name;
  }
}

function nameKey(descriptor: Descriptor): string | undefined {
  const annotations = descriptor.annotations ?? {};
  const refName = annotations[ANNOTATION_REF_NAME];
  return refName === undefined ? undefined : `${annotations[ANNOTATION_IMAGE_NAME] ?? ''} ${refName}`;
}

function sameUnnamed(known: Descriptor, added: Descriptor): boolean {
  return known.digest === added.digest && nameKey(known) === undefined;
}
