// Images of this store, sent somewhere else: pushed, saved to an archive, loaded into an engine, or started for a look.

import { type JobContext, mapLimit, quietJob } from '../base/index.ts';
import { type ExportContext, exportOutput, type ExportSource, type OutputPlan, planOutputs } from '../export/index.ts';
import { parsePlatform } from '../oci/index.ts';
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
  const images = imagesOf(engine.store, found.descriptor);
  const plans = planOutputs([output], {
    tags: names.length > 0 ? names : [familiarName(found.name)],
    annotations: [],
    multiPlatform: images.length > 1,
    attested: false,
    stdoutIsTerminal,
  });
  const source = storedSource(engine, images, job);
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
    job,
    status: () => {},
  };
  return await exportOutput(plan, source, context);
}

function storedSource(engine: Engine, images: readonly StoredImage[], job: JobContext): ExportSource {
  return {
    platforms: images.map((image) => {
      const root = storedRoot(engine, image);
      return {
        platform: parsePlatform(image.platform),
        layers: root.layers,
        baseLayers: 0,
        config: () => image.config,
        tree: () => engine.layers.tree(root.layers, 'bytes', job),
      };
    }),
    ...(images.length > 1 ? { asIndex: true } : {}),
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
