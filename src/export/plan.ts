// From what was asked (`--output`, `--tag`, `--annotation`) to what is done: checked as a whole before anything is built.

import { accessSync, constants, statSync } from 'node:fs';
import { dirname, normalize } from 'node:path';
import { isDigest, SlipwayError } from '../base/index.ts';
import { formatReference, parseReference, withDefaultTag } from '../oci/index.ts';
import type { Compression } from '../snapshot/index.ts';
import { expectFolder } from '../sys/index.ts';
import { type Annotation, type AnnotationSet, annotationSet, parseAnnotation, readAnnotationAttribute } from './annotations.ts';
import { Attributes } from './attributes.ts';
import { type OutputRequest, unknownType } from './output-request.ts';
import { writeFault } from './sink.ts';

/** How an image is put together. */
export interface ImageOptions {
  readonly compression: Compression;
  readonly level?: number;
  /** Base layers too get this compression. */
  readonly force: boolean;
  readonly ociTypes: boolean;
  /** Attestation manifests in the form of OCI artifacts. */
  readonly ociArtifact: boolean;
  readonly annotations: AnnotationSet;
  /** Attestations that are meant for registries only are attached too. */
  readonly inlineAttestations: boolean;
  /** Layers that are not to be distributed stay so. */
  readonly keepForeignLayers: boolean;
  readonly rewriteTimestamp: boolean;
  /** Seconds since the epoch. */
  readonly epoch?: number;
}

/** `image`, `registry`: into this store, to registries. */
export interface ImagePlan {
  readonly type: 'image';
  /** Canonical names. */
  readonly names: readonly string[];
  readonly push: boolean;
  readonly pushByDigest: boolean;
  readonly insecure: boolean;
  readonly store: boolean;
  readonly nameCanonical: boolean;
  readonly danglingPrefix?: string;
  readonly danglingEmptyOnly: boolean;
  readonly image: ImageOptions;
  readonly warnings: readonly string[];
}

/** `oci`, `docker`: an archive, a layout folder, or into a running Docker or Podman. */
export interface ArchivePlan {
  readonly type: 'oci' | 'docker';
  readonly target: { readonly kind: 'file' | 'folder'; readonly path: string } | { readonly kind: 'stdout' } | { readonly kind: 'engine' };
  /** Docker context to load into. */
  readonly context?: string;
  readonly names: readonly string[];
  readonly image: ImageOptions;
  readonly warnings: readonly string[];
}

/** `tar`, `local`: the files themselves. */
export interface TreePlan {
  readonly type: 'tar' | 'local';
  readonly target: { readonly kind: 'file' | 'folder'; readonly path: string } | { readonly kind: 'stdout' };
  /** Each platform in a folder of its own; undefined: when there are several. */
  readonly platformSplit?: boolean;
  /** `delete`: what the destination has beside the output is removed. */
  readonly mode: 'copy' | 'delete';
  readonly attestationPrefix: string;
  readonly epoch?: number;
  readonly warnings: readonly string[];
}

export type OutputPlan = ImagePlan | ArchivePlan | TreePlan;

/** What is known of the build when outputs are planned. */
export interface PlanFacts {
  /** `--tag`: the names of every image output, instead of its `name`. */
  readonly tags: readonly string[];
  /** `--annotation`, as written. */
  readonly annotations: readonly string[];
  /** The result is an index: several platforms. */
  readonly multiPlatform: boolean;
  /** Attestations were asked for that make an index necessary. */
  readonly attested: boolean;
  /** Seconds since the epoch, for everything this build dates. */
  readonly epoch?: number;
  /** Standard output is a terminal, where archives are not written to. */
  readonly stdoutIsTerminal: boolean;
  /** Whether `mode=delete` may remove what is in a folder; absent: it may. */
  readonly mayDelete?: (folder: string) => boolean;
  /** Compression of image outputs that name none. Default: gzip. */
  readonly defaultCompression?: Compression;
}

const LEVELS: Readonly<Record<Exclude<Compression, 'none'>, number>> = { gzip: 9, estargz: 9, zstd: 22 };

/** Plans all outputs; `cacheonly` ones come to nothing. Throws `OUTPUT_INVALID`, `ANNOTATION_INVALID`, `REFERENCE_INVALID`, `EXPORT_WRITE`. */
export function planOutputs(requests: readonly OutputRequest[], facts: PlanFacts): readonly OutputPlan[] {
  const annotations = facts.annotations.filter((text) => text !== '').flatMap(parseAnnotation);
  const tags = facts.tags.map((tag) => {
    if (parseReference(tag).digest === undefined) return normalName(tag);
    throw new SlipwayError('OUTPUT_INVALID', `build tag cannot contain a digest: ${tag}`, { hint: 'name the image by repository and tag' });
  });
  const plans = requests.flatMap((request) => planOutput(request, facts, tags, annotations) ?? []);
  if (plans.filter((plan) => plan.type !== 'image' && plan.target.kind === 'stdout').length > 1) {
    throw new SlipwayError('OUTPUT_INVALID', 'multiple outputs configured to write to stdout', { hint: 'give all but one a dest=FILE' });
  }
  refuseSameFile(plans);
  return plans;
}

/** One would be lost. What is no file (`/dev/null`, a pipe) takes more than one. */
function refuseSameFile(plans: readonly OutputPlan[]): void {
  const files = new Set<string>();
  for (const plan of plans) {
    if (plan.type === 'image' || plan.target.kind !== 'file') continue;
    const path = normalize(plan.target.path);
    if (files.has(path) && statSync(path, { throwIfNoEntry: false })?.isFile() !== false) {
      throw new SlipwayError('OUTPUT_INVALID', `multiple outputs configured to write to ${plan.target.path}`, {
        hint: 'give each a file of its own',
      });
    }
    files.add(path);
  }
}

function planOutput(
  { type, attributes: values }: OutputRequest,
  facts: PlanFacts,
  tags: readonly string[],
  annotations: readonly Annotation[],
): OutputPlan | undefined {
  const attributes = new Attributes(type, values);
  switch (type) {
    case 'cacheonly':
      return undefined;
    case 'image':
    case 'registry':
      return planImage(type, attributes, facts, tags, annotations);
    case 'oci':
    case 'docker':
      return planArchive(type, attributes, facts, tags, annotations);
    case 'tar':
    case 'local':
      return planTree(type, attributes, facts);
    default:
      throw unknownType(type); // of a program without types
  }
}

function planImage(
  type: 'image' | 'registry',
  attributes: Attributes,
  facts: PlanFacts,
  tags: readonly string[],
  annotations: readonly Annotation[],
): ImagePlan {
  const push = attributes.flag('push') ?? type === 'registry';
  const pushByDigest = attributes.flag('push-by-digest') ?? false;
  const named = readNames(attributes, pushByDigest);
  const names = tags.length > 0 ? tags : named;
  const danglingPrefix = attributes.text('dangling-name-prefix');
  const unpack = attributes.flag('unpack') ?? false;
  const image = readImageOptions(attributes, facts, annotations, { inline: true });
  const plan: ImagePlan = {
    type: 'image',
    names,
    push,
    pushByDigest,
    insecure: attributes.flag('registry.insecure') ?? false,
    store: attributes.flag('store') ?? type === 'image',
    nameCanonical: attributes.flag('name-canonical') ?? false,
    ...(danglingPrefix === undefined || danglingPrefix === '' ? {} : { danglingPrefix: formatReference(parseReference(danglingPrefix)) }),
    // The second spelling is BuildKit's own.
    danglingEmptyOnly: attributes.flag('dangling-name-empty-only') ?? attributes.flag('danging-name-empty-only') ?? false,
    image,
    warnings: attributes.unknown(),
  };
  if (unpack && image.rewriteTimestamp)
    throw new SlipwayError('OUTPUT_INVALID', 'exporter option "rewrite-timestamp" conflicts with "unpack"');
  if (plan.push && names.length === 0 && plan.danglingPrefix === undefined) {
    throw new SlipwayError('OUTPUT_INVALID', 'tag is needed when pushing to registry', {
      hint: 'name the image with --tag, or name=… in --output',
    });
  }
  const tagged = pushByDigest ? names.map((name) => parseReference(name)).find(({ tag }) => tag !== undefined) : undefined;
  if (tagged !== undefined) {
    throw new SlipwayError('OUTPUT_INVALID', `can't push tagged ref ${formatReference(tagged)} by digest`, {
      hint: 'name the repository alone, in name=… of --output',
    });
  }
  return plan;
}

function planArchive(
  type: 'oci' | 'docker',
  attributes: Attributes,
  facts: PlanFacts,
  tags: readonly string[],
  annotations: readonly Annotation[],
): ArchivePlan {
  const asFolder = attributes.flag('tar') === false;
  const dest = attributes.text('dest');
  attributes.flag('load');
  if (asFolder && type === 'docker') {
    throw new SlipwayError('OUTPUT_INVALID', 'both file and store output is not supported by docker exporter', {
      hint: 'write type=oci,tar=false, or leave tar=false out',
    });
  }
  const context = attributes.text('context');
  const target: ArchivePlan['target'] = asFolder
    ? folderTarget(type, dest)
    : type === 'docker' && (dest === undefined || dest === '')
      ? { kind: 'engine' }
      : fileTarget(type, dest, facts);
  if (type === 'docker' && target.kind !== 'engine' && (facts.multiPlatform || facts.attested)) {
    throw new SlipwayError('OUTPUT_INVALID', 'docker exporter does not support exporting manifest lists, use the oci exporter instead', {
      hint: facts.multiPlatform ? 'write type=oci, or build for one --platform' : 'write type=oci, or leave the attestations out',
    });
  }
  const named = readNames(attributes, false);
  return {
    type,
    target,
    ...(context === undefined ? {} : { context }),
    names: tags.length > 0 ? tags : named,
    image: readImageOptions(attributes, facts, annotations, { inline: false }),
    warnings: attributes.unknown(),
  };
}

function planTree(type: 'tar' | 'local', attributes: Attributes, facts: PlanFacts): TreePlan {
  const dest = attributes.text('dest');
  const split = attributes.flag('platform-split');
  const epoch = attributes.integer('source-date-epoch') ?? facts.epoch;
  const mode = attributes.one('mode', ['copy', 'delete']) ?? 'copy';
  if (type === 'local' && mode === 'delete' && dest !== undefined && facts.mayDelete?.(dest) === false) {
    throw new SlipwayError(
      'OUTPUT_INVALID',
      `local output mode=delete for destination ${JSON.stringify(dest)} requires --allow=buildx.local.delete`,
    );
  }
  return {
    type,
    target: type === 'local' ? folderTarget(type, dest) : fileTarget(type, dest, facts),
    // A tar keeps platforms apart when there are several, whatever is asked, as BuildKit has it.
    ...(split === undefined || type === 'tar' ? {} : { platformSplit: split }),
    mode,
    attestationPrefix: attributes.text('attestation-prefix') ?? '',
    ...(epoch === undefined ? {} : { epoch }),
    warnings: attributes.unknown(),
  };
}

function readImageOptions(
  attributes: Attributes,
  facts: PlanFacts,
  flags: readonly Annotation[],
  defaults: { readonly inline: boolean },
): ImageOptions {
  const word = attributes.one('compression', ['gzip', 'zstd', 'estargz', 'uncompressed']);
  const compression = word === 'uncompressed' ? 'none' : (word ?? facts.defaultCompression ?? 'gzip');
  const ociTypes = attributes.flag('oci-mediatypes', 'refused') ?? true;
  const artifact = attributes.flag('oci-artifact', 'refused');
  const own = attributes.matching(readAnnotationAttribute);
  const annotations = annotationSet([...own, ...flags].filter(({ key }) => key !== ''));
  if (!ociTypes && compression === 'estargz') throw conflict('compression=estargz', 'oci-mediatypes=false');
  if (!ociTypes && artifact === true) throw conflict('oci-artifact=true', 'oci-mediatypes=false');
  checkAnnotations([...own, ...flags], ociTypes, facts);
  attributes.text('buildinfo');
  attributes.text('buildinfo-attrs');
  attributes.flag('prefer-image-digest');
  const epoch = attributes.integer('source-date-epoch') ?? facts.epoch;
  return {
    compression,
    ...readLevel(attributes, compression),
    force: attributes.flag('force-compression') ?? false,
    ociTypes,
    ociArtifact: artifact ?? ociTypes,
    annotations,
    inlineAttestations: attributes.flag('attestation-inline', 'refused') ?? defaults.inline,
    keepForeignLayers: attributes.flag('prefer-nondist-layers', 'refused') ?? false,
    rewriteTimestamp: attributes.flag('rewrite-timestamp', 'refused') ?? false,
    ...(epoch === undefined ? {} : { epoch }),
  };
}

function readLevel(attributes: Attributes, compression: Compression): { readonly level?: number } {
  const level = attributes.integer('compression-level', 'refused');
  if (level === undefined || compression === 'none') return {};
  // The codec's own, as Go's gzip and zstd call it.
  if (level === -1) return {};
  const highest = LEVELS[compression];
  // As BuildKit: zstd takes any number for the nearest level it has, 0 for its own choice, less for the quickest.
  if (compression === 'zstd') return level === 0 ? {} : { level: Math.min(Math.max(level, 1), highest) };
  if (level >= 0 && level <= highest) return { level };
  throw new SlipwayError('OUTPUT_INVALID', `compression-level ${level} is not one of ${compression}`, { hint: `choose 0 to ${highest}` });
}

function checkAnnotations(annotations: readonly Annotation[], ociTypes: boolean, facts: PlanFacts): void {
  const ofIndex = annotations.some(({ level }) => level === 'index' || level === 'index-descriptor');
  if (!ociTypes && annotations.some(({ level }) => level !== 'manifest')) {
    throw new SlipwayError('OUTPUT_INVALID', 'cannot export annotations with "oci-mediatypes=false"');
  }
  if (ofIndex && !facts.multiPlatform && !facts.attested) {
    throw new SlipwayError('OUTPUT_INVALID', 'index annotations not supported for single platform export', {
      hint: 'an image of one platform has no index; annotate its manifest',
    });
  }
}

/** Names in the attribute `name`, comma separated, canonical. A `*` means the names that the result has of itself. */
function readNames(attributes: Attributes, plain: boolean): readonly string[] {
  const names = (attributes.text('name') ?? '').split(',').filter((name) => name !== '' && name !== '*');
  return names.map((name) => (plain ? formatReference(parseReference(name)) : normalName(name)));
}

function normalName(name: string): string {
  return formatReference(withDefaultTag(parseReference(name)));
}

function folderTarget(type: string, dest: string | undefined): { readonly kind: 'folder'; readonly path: string } {
  if (dest === undefined || dest === '')
    throw new SlipwayError('OUTPUT_INVALID', `dest is required for ${type} exporter`, { hint: 'add dest=FOLDER' });
  if (dest === '-')
    throw new SlipwayError('OUTPUT_INVALID', `dest cannot be stdout for ${type} exporter`, { hint: 'add dest=FOLDER, or use type=tar' });
  if (statOf(dest)?.isDirectory() === false) throw new SlipwayError('OUTPUT_INVALID', `destination directory ${dest} is a file`);
  expectPlace(dest, () => expectFolder(dest));
  return { kind: 'folder', path: dest };
}

function fileTarget(
  type: string,
  dest: string | undefined,
  facts: PlanFacts,
): { readonly kind: 'file'; readonly path: string } | { readonly kind: 'stdout' } {
  if (dest === undefined || dest === '' || dest === '-') {
    if (!facts.stdoutIsTerminal) return { kind: 'stdout' };
    throw new SlipwayError('OUTPUT_INVALID', `dest file is required for ${type} exporter. refusing to write to console`, {
      hint: 'add dest=FILE',
    });
  }
  const found = statOf(dest);
  if (found?.isDirectory() === true) {
    throw new SlipwayError('OUTPUT_INVALID', `destination file ${dest} is a directory`, {
      hint: type === 'oci' ? 'add tar=false to write an OCI layout into it' : 'name a file in it',
    });
  }
  // A file is made beside its name and takes it when it is whole; a pipe or device is written to.
  expectPlace(dest, () => (found?.isFile() === false ? accessSync(dest, constants.W_OK) : expectFolder(dirname(dest))));
  return { kind: 'file', path: dest };
}

/** A build of an hour must not end at a folder that is not ours. Throws `EXPORT_WRITE`. */
function expectPlace(dest: string, check: () => void): void {
  try {
    check();
  } catch (cause) {
    throw writeFault(dest, cause);
  }
}

function statOf(path: string): ReturnType<typeof statSync> | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (cause) {
    throw writeFault(path, cause);
  }
}

function conflict(one: string, other: string): SlipwayError {
  return new SlipwayError('OUTPUT_INVALID', `exporter option "${one}" conflicts with "${other}"`);
}

/** Whether a name is `repository@digest`. */
export function isDigestName(name: string): boolean {
  const at = name.indexOf('@');
  return at >= 0 && isDigest(name.slice(at + 1));
}
