// Reads manifests and indexes that someone else wrote.

import { SlipwayError } from '../base/index.ts';
import { JsonReader, optional } from './json-reader.ts';
import { DOCKER, isIndexType, isManifestType, OCI } from './media-types.ts';
import type { Descriptor, Index, Manifest, Platform } from './types.ts';

/** Registries must take manifests of 4 MiB (OCI distribution spec, pushing manifests); larger ones are no one's honest image. */
export const MANIFEST_LIMIT = 4 * 1024 * 1024;

/** What a manifest request may bring. */
export type ManifestDocument =
  | { readonly kind: 'manifest'; readonly mediaType: string; readonly manifest: Manifest }
  | { readonly kind: 'index'; readonly mediaType: string; readonly index: Index };

/**
 * Reads a manifest or an index. `mediaType` is what the descriptor or the Content-Type header said, if anything; a document that says
 * otherwise, or could be read as both kinds, is refused, since two readers would see two images (advisory GHSA-mc8v-mgrf-8f4m).
 */
export function parseManifestDocument(bytes: Uint8Array, mediaType?: string): ManifestDocument {
  const reader = JsonReader.parse(bytes, 'manifest', MANIFEST_LIMIT);
  const written = reader.field('mediaType').optionalString();
  const expected = mediaType !== undefined && (isIndexType(mediaType) || isManifestType(mediaType)) ? mediaType : undefined;
  if (written !== undefined && expected !== undefined && written !== expected) {
    throw ambiguous(`it calls itself ${written} but was announced as ${expected}`);
  }
  if (mediaType === DOCKER.schema1 || mediaType === DOCKER.schema1Signed || reader.field('schemaVersion').present) refuseSchema1(reader);

  const looksLikeIndex = reader.has('manifests');
  const looksLikeManifest = reader.has('config') || reader.has('layers');
  if (looksLikeIndex && looksLikeManifest) throw ambiguous('it has both manifests and layers');
  const type = written ?? expected ?? (looksLikeIndex ? OCI.index : guessManifestType(reader));
  if (isIndexType(type)) {
    if (looksLikeManifest) throw ambiguous('it is called an index but has layers');
    return { kind: 'index', mediaType: type, index: readIndex(reader) };
  }
  if (isManifestType(type)) {
    if (looksLikeIndex) throw ambiguous('it is called a manifest but lists manifests');
    return { kind: 'manifest', mediaType: type, manifest: readManifest(reader) };
  }
  throw new SlipwayError('OCI_MEDIA_TYPE_UNSUPPORTED', `${JSON.stringify(type)} is neither an image manifest nor an index`, {
    facts: { mediaType: type },
  });
}

/** As `parseManifestDocument`, and it must be a manifest. */
export function parseManifest(bytes: Uint8Array, mediaType?: string): Manifest {
  const document = parseManifestDocument(bytes, mediaType);
  if (document.kind === 'manifest') return document.manifest;
  throw new SlipwayError('OCI_DOCUMENT_INVALID', 'expected an image manifest, got an index');
}

/** As `parseManifestDocument`, and it must be an index. */
export function parseIndex(bytes: Uint8Array, mediaType?: string): Index {
  const document = parseManifestDocument(bytes, mediaType);
  if (document.kind === 'index') return document.index;
  throw new SlipwayError('OCI_DOCUMENT_INVALID', 'expected an image index, got a manifest');
}

function refuseSchema1(reader: JsonReader): void {
  const version = reader.field('schemaVersion').integer();
  if (version === 2) return;
  throw new SlipwayError('OCI_SCHEMA_UNSUPPORTED', `the image has manifest schema version ${version}; only version 2 can be read`, {
    hint: 'push the image again with a current tool, which writes schema version 2',
  });
}

function ambiguous(why: string): SlipwayError {
  return new SlipwayError('OCI_DOCUMENT_AMBIGUOUS', `the manifest can be read in two ways: ${why}`);
}

/** Documents without a media type are OCI's, unless their config is Docker's. */
function guessManifestType(reader: JsonReader): string {
  const config = reader.field('config');
  return config.present && config.field('mediaType').optionalString() === DOCKER.config ? DOCKER.manifest : OCI.manifest;
}

function readManifest(reader: JsonReader): Manifest {
  return {
    schemaVersion: 2,
    ...optional('mediaType', reader.field('mediaType').optionalString()),
    ...optional('artifactType', reader.field('artifactType').optionalString()),
    config: readDescriptor(reader.field('config')),
    layers: reader.field('layers').items().map(readDescriptor),
    ...optional('annotations', readAnnotations(reader)),
    ...optional('subject', reader.field('subject').present ? readDescriptor(reader.field('subject')) : undefined),
  };
}

function readIndex(reader: JsonReader): Index {
  return {
    schemaVersion: 2,
    ...optional('mediaType', reader.field('mediaType').optionalString()),
    ...optional('artifactType', reader.field('artifactType').optionalString()),
    manifests: reader.field('manifests').items().map(readDescriptor),
    ...optional('annotations', readAnnotations(reader)),
  };
}

/** Reads one descriptor (OCI image spec, descriptor). */
function readDescriptor(reader: JsonReader): Descriptor {
  const size = reader.field('size');
  if (size.integer() < 0) throw size.invalid('a size');
  const urls = reader.field('urls');
  return {
    mediaType: reader.field('mediaType').string(),
    digest: reader.field('digest').digest(),
    size: size.integer(),
    ...optional('urls', urls.present ? urls.strings() : undefined),
    ...optional('annotations', readAnnotations(reader)),
    ...optional('data', reader.field('data').optionalString()),
    ...optional('platform', reader.field('platform').present ? readPlatform(reader.field('platform')) : undefined),
    ...optional('artifactType', reader.field('artifactType').optionalString()),
  };
}

function readPlatform(reader: JsonReader): Platform {
  const features = reader.field('os.features');
  return {
    os: reader.field('os').optionalString() ?? '',
    architecture: reader.field('architecture').optionalString() ?? '',
    ...optional('variant', reader.field('variant').optionalString()),
    ...optional('osVersion', reader.field('os.version').optionalString()),
    ...optional('osFeatures', features.present && features.items().length > 0 ? features.strings() : undefined),
  };
}

function readAnnotations(reader: JsonReader): Readonly<Record<string, string>> | undefined {
  const annotations = reader.field('annotations');
  return annotations.present && annotations.members().length > 0 ? annotations.stringMap() : undefined;
}
