// Attestations: in-toto statements about an image or about files, and the manifest that ties them to an image (as BuildKit stores them).

import { digestAlgorithm, digestHex, type Digest, digestOf, SlipwayError } from '../base/index.ts';
import {
  type Descriptor,
  familiarReference,
  formatPlatform,
  IN_TOTO,
  normalizePlatform,
  OCI,
  parseManifest,
  parseReference,
  type Platform,
  serializeImageConfig,
  serializeJson,
  serializeManifest,
} from '../oci/index.ts';
import type { ImageConfig } from '../oci/index.ts';
import type { DiffID } from '../base/index.ts';
import type { Attestation, AttestedImage } from './source.ts';

/** What a statement is about. */
export interface Subject {
  readonly name: string;
  readonly digest: Readonly<Record<string, string>>;
}

/** A document with its descriptor: what goes into a store, an archive or a registry. */
export interface Document {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
const ARTIFACT_TYPE = 'application/vnd.docker.attestation.manifest.v1+json';
const REFERENCE_TYPE = 'vnd.docker.reference.type';
const REFERENCE_DIGEST = 'vnd.docker.reference.digest';
const PREDICATE_TYPE = 'in-toto.io/predicate-type';
const NAMELESS = '_';
const EMPTY_CONFIG = Buffer.from('{}');

/** The platform of what runs nowhere. */
const UNKNOWN: Platform = { architecture: 'unknown', os: 'unknown' };

/** The statement in in-toto's order of members. */
async function makeStatement(attestation: Attestation, subjects: readonly Subject[], image: AttestedImage | undefined): Promise<object> {
  return {
    _type: STATEMENT_TYPE,
    predicateType: attestation.predicateType,
    subject: attestation.subjects ?? subjects,
    predicate: await attestation.predicate(image),
  };
}

/** Which attestations an output attaches. */
export function chooseAttestations(attestations: readonly Attestation[] | undefined, inline: boolean): readonly Attestation[] {
  return (attestations ?? []).filter((attestation) => inline || !attestation.inlineOnly);
}

/** All documents of an attestation manifest, the manifest last. */
export async function attestationDocuments(
  attestations: readonly Attestation[],
  image: AttestedImage,
  names: readonly string[],
  platform: Platform,
  ociArtifact: boolean,
): Promise<readonly Document[]> {
  // A statement about nothing is none (in-toto): an image without a name is still one with a digest, and `_` says that the name does not matter.
  const shown = names.length === 0 ? [NAMELESS] : names.map((name) => imagePurl(name, platform));
  const subjects = shown.map((name) => ({ name, digest: digestMap(image.manifest.digest) }));
  const statements: Document[] = [];
  for (const attestation of attestations) {
    const bytes = Buffer.from(serializeJson(await makeStatement(attestation, subjects, image)));
    const descriptor = { mediaType: IN_TOTO, digest: digestOf(bytes), size: bytes.length };
    statements.push({ descriptor: { ...descriptor, annotations: { [PREDICATE_TYPE]: attestation.predicateType } }, bytes });
  }
  const layers = statements.map(({ descriptor }) => descriptor);
  const config = ociArtifact ? emptyConfig() : unknownConfig(layers);
  const { platform: _, annotations: __, ...subject } = image.manifest;
  const bytes = serializeManifest({
    schemaVersion: 2,
    mediaType: OCI.manifest,
    ...(ociArtifact ? { artifactType: ARTIFACT_TYPE } : {}),
    config: config.descriptor,
    layers,
    ...(ociArtifact ? { subject } : {}),
  });
  const descriptor: Descriptor = {
    mediaType: OCI.manifest,
    digest: digestOf(bytes),
    size: bytes.length,
    annotations: { [REFERENCE_TYPE]: 'attestation-manifest', [REFERENCE_DIGEST]: image.manifest.digest },
    platform: UNKNOWN,
  };
  return [...statements, config, { descriptor, bytes }];
}

/** What is attached to an image of an index that exists already. `read` gives a blob of it. */
export function attachedTo(
  { digest }: Descriptor,
  index: readonly Descriptor[],
  read: (descriptor: Descriptor) => Uint8Array,
): { readonly attestations: readonly Attestation[]; readonly ociArtifact: boolean } {
  const found = index
    .filter(({ annotations }) => annotations?.[REFERENCE_TYPE] === 'attestation-manifest' && annotations[REFERENCE_DIGEST] === digest)
    .map((descriptor) => parseManifest(read(descriptor)));
  const layers = found.flatMap((manifest) => manifest.layers).filter(({ mediaType }) => mediaType === IN_TOTO);
  return {
    attestations: layers.map((layer, number) => attestationIn(read(layer), digest, `attestation-${number}.json`)),
    ociArtifact: found.every(({ artifactType }) => artifactType !== undefined),
  };
}

/** A statement again without its subject, when that is the image: the image may get other layers, and other names, where it goes. */
function attestationIn(bytes: Uint8Array, image: Digest, filename: string): Attestation {
  const { predicateType, subject = [], predicate } = JSON.parse(Buffer.from(bytes).toString('utf8')) as Statement;
  const isOfImage = subject.every((one) => one.digest[digestAlgorithm(image)] === digestHex(image));
  return {
    ...{ predicateType, filename, inlineOnly: false, predicate: () => Promise.resolve(predicate) },
    ...(isOfImage ? {} : { subjects: subject }),
  };
}

interface Statement {
  readonly predicateType: string;
  readonly subject?: readonly Subject[];
  readonly predicate: unknown;
}

/** Files with statements about files, for tar and local outputs. `suffix` keeps the platforms apart in one folder. */
export async function attestationFiles(
  attestations: readonly Attestation[],
  subjects: readonly Subject[],
  prefix: string,
  suffix: string,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const attestation of attestations) {
    const base = attestation.filename.slice(attestation.filename.lastIndexOf('/') + 1);
    const dot = base.lastIndexOf('.');
    const name = prefix + (suffix === '' || dot < 0 ? base + suffix : `${base.slice(0, dot)}${suffix}${base.slice(dot)}`);
    if (files.has(name)) throw new SlipwayError('EXPORT_CONFLICT', `duplicate attestation path name ${name}`);
    files.set(name, Buffer.from(serializeJson(await makeStatement(attestation, subjects, undefined), 2)));
  }
  return files;
}

/** `{ sha256: '<hex>' }`. */
export function digestMap(digest: Digest): Readonly<Record<string, string>> {
  return { [digestAlgorithm(digest)]: digestHex(digest) };
}

/** Package URL of an image (purl-spec, type docker). */
export function imagePurl(name: string, platform: Platform | undefined): string {
  const reference = parseReference(name);
  const { digest, tag, ...plain } = reference;
  const path = familiarReference(plain).split('/').map(encodeURIComponent).join('/');
  const version = tag ?? (digest === undefined ? 'latest' : undefined);
  const qualifiers = [
    ...(digest === undefined ? [] : [`digest=${encodePurl(digest)}`]),
    ...(platform === undefined ? [] : [`platform=${encodePurl(formatPlatform(normalizePlatform(platform)))}`]),
  ];
  return `pkg:docker/${path}${version === undefined ? '' : `@${encodePurl(version)}`}${qualifiers.length === 0 ? '' : `?${qualifiers.join('&')}`}`;
}

/** Percent-encoding of versions and qualifiers: the colon stays. In a name it does not: there it stands before a registry's port. */
function encodePurl(text: string): string {
  return encodeURIComponent(text).replaceAll('%3A', ':');
}

function emptyConfig(): Document {
  const descriptor = {
    mediaType: OCI.empty,
    digest: digestOf(EMPTY_CONFIG),
    size: EMPTY_CONFIG.length,
    data: EMPTY_CONFIG.toString('base64'),
  };
  return { descriptor, bytes: EMPTY_CONFIG };
}

/** The older form: a config that looks like an image's, so that old registries take it. */
function unknownConfig(layers: readonly Descriptor[]): Document {
  const config: ImageConfig = { ...UNKNOWN, rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest as DiffID) } };
  const bytes = serializeImageConfig(config);
  return { descriptor: { mediaType: OCI.config, digest: digestOf(bytes), size: bytes.length }, bytes };
}
