// Images of this store, sent somewhere else: pushed, saved to an archive, loaded into an engine, or started for a look.

import { type JobContext, mapLimit, quietJob } from '../base/index.ts';
import {
  attachedTo,
  type Attestation,
  type ExportContext,
  exportOutput,
  type ExportSource,
  type OutputPlan,
  planOutputs,
} from '../export/index.ts';
import { type Descriptor, parseManifestDocument, parsePlatform } from '../oci/index.ts';
import type { RegistryClient } from '../registry/index.ts';
import type { Layer, RootFS } from '../snapshot/index.ts';
import type { NamedImage } from '../store/index.ts';
import { imageIdentity } from '../ops/index.ts';
import type { Engine } from './engine.ts';
import { ENGINES } from './export-engines.ts';
import { familiarName, findImage, imagesOf, type StoredImage } from './images.ts';
import type { OutputRequest } from './options.ts';

/** Exports a stored image by its name (or as `names`). Resolves with the digest of what was made, when it is an image. */
export async function publishImage(
  engine: Engine,
  word: string,
  output: OutputRequest,
  {
    names,
    stdoutIsTerminal,
    signal,
    registry,
  }: {
    readonly names: readonly string[];
    readonly stdoutIsTerminal: boolean;
    readonly signal: AbortSignal;
    /** Instead of the engine's own: with somebody's credentials. */
    readonly registry?: RegistryClient;
  },
): Promise<string | undefined> {
  const job = quietJob(signal);
  using _lease = engine.store.lease();
  const found = findImage(engine.store, word);
  // Docker's archives hold one image and nothing beside it.
  const stored = readStored(engine, found.descriptor, output.type !== 'docker');
  const { attributes } = output;
  const plans = planOutputs([{ ...output, attributes: stored.ociArtifact ? attributes : { 'oci-artifact': 'false', ...attributes } }], {
    tags: names.length > 0 ? names : [familiarName(found.name)],
    annotations: stored.annotations,
    multiPlatform: stored.asIndex,
    attested: stored.platforms.some(({ attestations }) => attestations.length > 0),
    stdoutIsTerminal,
  });
  const source = storedSource(engine, stored, job);
  const results = await mapLimit(plans, 1, (plan) => run(plan, source, engine, job, registry));
  return results.at(-1)?.descriptor?.digest;
}

async function run(
  plan: OutputPlan,
  source: ExportSource,
  engine: Engine,
  job: JobContext,
  registry: RegistryClient | undefined,
): ReturnType<typeof exportOutput> {
  const context: ExportContext = {
    layers: engine.layers,
    store: engine.store,
    registry: () => registry ?? engine.registry,
    stdout: process.stdout,
    engines: ENGINES,
    asker: engine.asker,
    job,
    status: () => {},
  };
  return await exportOutput(plan, source, context);
}

/** An image as it is stored, with what belongs to it beside its files. */
interface Stored {
  readonly platforms: readonly { readonly image: StoredImage; readonly attestations: readonly Attestation[] }[];
  readonly asIndex: boolean;
  /** As `--annotation` has them. */
  readonly annotations: readonly string[];
  /** Whether its attestations are in the form of OCI artifacts. */
  readonly ociArtifact: boolean;
}

/** `whole`: where it goes, there is room for an index, its attestations and annotations. */
function readStored({ store }: Engine, root: Descriptor, whole: boolean): Stored {
  const read = ({ digest }: Descriptor): Uint8Array => store.blobs.read(digest);
  const images = imagesOf(store, root);
  const document = parseManifestDocument(read(root), root.mediaType);
  const index = whole && document.kind === 'index' ? document.index : undefined;
  const attached = images.map(({ descriptor }) => attachedTo(descriptor, index?.manifests ?? [], read));
  const platformOf = ({ platform }: StoredImage): string => (images.length > 1 || index !== undefined ? `[${platform}]` : '');
  return {
    platforms: images.map((image, number) => ({ image, attestations: attached[number]?.attestations ?? [] })),
    asIndex: index !== undefined || images.length > 1,
    annotations: [
      ...written('index', index?.annotations),
      ...(index === undefined ? [] : written('index-descriptor', root.annotations)),
      ...images.flatMap((image) => [
        ...written(`manifest${platformOf(image)}`, image.manifest.annotations),
        ...(index === undefined ? [] : written(`manifest-descriptor${platformOf(image)}`, image.descriptor.annotations)),
      ]),
    ],
    ociArtifact: attached.every(({ ociArtifact }) => ociArtifact),
  };
}

function written(type: string, annotations: Readonly<Record<string, string>> = {}): readonly string[] {
  return Object.entries(annotations).map(([key, value]) => `${type}:${key}=${value}`);
}

function storedSource(engine: Engine, { platforms, asIndex }: Stored, job: JobContext): ExportSource {
  return {
    platforms: platforms.map(({ image, attestations }) => {
      const root = storedRoot(engine, image);
      return {
        platform: parsePlatform(image.platform),
        layers: root.layers,
        baseLayers: 0,
        config: () => image.config,
        tree: () => engine.layers.tree(root.layers, 'bytes', job),
        ...(attestations.length === 0 ? {} : { attestations }),
      };
    }),
    ...(asIndex ? { asIndex } : {}),
  };
}

/** A stored image's root filesystem. */
export function storedRoot(engine: Engine, { manifest, config, platform }: StoredImage): RootFS {
  const diffIds = config.rootfs.diff_ids;
  const layers: Layer[] = manifest.layers.map((descriptor, index) => {
    const diffID = diffIds[index];
    if (diffID === undefined) throw new Error('internal: a stored image with more layers than DiffIDs');
    return engine.layers.addRemote(diffID, { descriptor, diffID, open: () => Promise.resolve(engine.store.blobs.open(descriptor)) });
  });
  return { identity: imageIdentity(diffIds, parsePlatform(platform)), layers };
}

/** The image of a name for one platform: this machine's when it is there, else the first. */
export function imageFor(engine: Engine, named: NamedImage, platform: string): StoredImage {
  const images = imagesOf(engine.store, named.descriptor);
  const image = images.find((candidate) => candidate.platform === platform) ?? images[0];
  if (image === undefined) throw new Error('internal: an image without manifests');
  return image;
}
