// The part of a report about images: of this build, of the store, of a file.

import { type JobContext, quietJob } from '../base/index.ts';
import {
  checkContents,
  checkRuntime,
  type DescribedLayer,
  describeImage,
  type Finding,
  type ImageOrigins,
  originText,
  readOrigins,
  readPackages,
  type ReportImage,
  sortFindings,
} from '../insight/index.ts';
import type { Tree } from '../layer/index.ts';
import { type Descriptor, formatPlatform, type ImageConfig, type Manifest, parsePlatform } from '../oci/index.ts';
import { imageIdentity } from '../ops/index.ts';
import type { Layer } from '../snapshot/index.ts';
import type { Engine } from './engine.ts';
import type { ExportJob } from './exports.ts';
import { imagesOf, type StoredImage } from './images.ts';
import { baseName, knownLayers, originIn, stageTrees } from './insight-check.ts';
import { ORIGINS, originsOf } from './insight-origins.ts';
import type { FileImage, OutsideImage } from './outside-image.ts';
import { storedRoot } from './publish.ts';

/** An image whose layers are at hand. */
export interface LaidOutImage {
  readonly platform: string;
  readonly digest?: string;
  readonly config: ImageConfig;
  /** Lowest first. */
  readonly layers: readonly Layer[];
  readonly manifest?: Manifest;
  readonly origins?: ImageOrigins;
}

/** The images of a build whose session is open. */
export async function builtImages({
  engine,
  session,
  graph,
  dockerfile,
  job,
}: Pick<ExportJob, 'engine' | 'session' | 'graph' | 'dockerfile' | 'job'>): Promise<readonly ReportImage[]> {
  const images: ReportImage[] = [];
  for (const platform of graph.platforms) {
    const layers = session.knownResult(platform.root)?.layers ?? [];
    const origins = originsOf(session, platform, dockerfile.filename);
    images.push(await imagePart(engine, { platform: formatPlatform(platform.platform), config: platform.config, layers, origins }, job));
  }
  return images;
}

/** The images below a descriptor of the store. Rejects when something of them is no longer here. */
export async function storedImages(engine: Engine, descriptor: Descriptor, job: JobContext): Promise<readonly ReportImage[]> {
  const images: ReportImage[] = [];
  for (const image of imagesOf(engine.store, descriptor)) images.push(await imagePart(engine, layOut(engine, image), job));
  return images;
}

/** A stored image with its layers: those of its build where they are known, else those of its manifest. */
export function layOut(engine: Engine, image: StoredImage): LaidOutImage {
  const { platform, config, manifest, descriptor } = image;
  const record = readOrigins(engine.store.records(ORIGINS).readJson(descriptor.digest.slice(descriptor.digest.indexOf(':') + 1)));
  const origins = record?.layers.length === manifest.layers.length ? record : undefined;
  const built = origins === undefined ? undefined : knownLayers(engine, origins.layers);
  const layers = built?.every((layer) => engine.layers.hasBytes(layer)) === true ? built : storedRoot(engine, image).layers;
  const about = { platform, digest: descriptor.digest, config, manifest, layers };
  return origins === undefined ? about : { ...about, origins: relabelled(origins, layers) };
}

/** Origins under the names that the layers have here. */
function relabelled(origins: ImageOrigins, layers: readonly Layer[]): ImageOrigins {
  return { ...origins, layers: origins.layers.map((origin, index) => ({ ...origin, id: layers[index]?.id ?? origin.id })) };
}

/** An image of a file. Its layers are read into the store, where nothing keeps them. */
export async function outsideImage(engine: Engine, image: FileImage, outside: OutsideImage, job: JobContext): Promise<ReportImage> {
  const { config, manifest, platform, digest } = image;
  const layers = manifest.layers.map((descriptor, index) => {
    const diffID = config.rootfs.diff_ids[index];
    if (diffID === undefined) throw new Error('internal: an image with more layers than DiffIDs');
    return engine.layers.addRemote(diffID, { descriptor, diffID, open: () => Promise.resolve(outside.open(descriptor.digest)) });
  });
  // The identity is asked for only to fail early when the layers do not fit the platform's config.
  imageIdentity(config.rootfs.diff_ids, parsePlatform(platform));
  return await imagePart(engine, { platform, config, manifest, layers, ...(digest === undefined ? {} : { digest }) }, job);
}

async function imagePart(engine: Engine, image: LaidOutImage, job: JobContext): Promise<ReportImage> {
  const { platform, digest, config, layers } = image;
  const tree = await engine.layers.tree(layers, 'bytes', job);
  const described = await describeLayers(engine, image, job);
  return describeImage({
    platform,
    ...(digest === undefined ? {} : { digest }),
    config,
    tree,
    layers: described,
    packages: readPackages(tree),
    findings: await findingsOf(engine, image, tree, described, job),
  });
}

/** Layers with what made them. */
export async function describeLayers(
  engine: Engine,
  { layers, origins, manifest, config }: LaidOutImage,
  job: JobContext,
): Promise<readonly DescribedLayer[]> {
  const said = (config.history ?? []).filter(({ empty_layer }) => empty_layer !== true);
  return await Promise.all(
    layers.map(async (layer, index): Promise<DescribedLayer> => {
      const origin = origins?.layers[index];
      const descriptor = manifest?.layers[index];
      return {
        id: layer.id,
        index: await engine.layers.index(layer, job),
        made: origin === undefined ? (said[index]?.created_by ?? `layer ${index + 1}`) : originText(origin, origins?.filename),
        ...(origin === undefined ? {} : { origin }),
        ...(descriptor === undefined ? {} : { digest: descriptor.digest, stored: descriptor.size }),
      };
    }),
  );
}

/** What an image lacks and what should not be in it. */
export async function findingsOf(
  engine: Engine,
  { origins, config }: LaidOutImage,
  tree: Tree,
  layers: readonly DescribedLayer[],
  job: JobContext = quietJob(),
): Promise<readonly Finding[]> {
  const origin = origins === undefined ? undefined : originIn(tree, origins);
  const stages = origins === undefined ? [] : await stageTrees(engine, origins, job);
  const baseLayers = origins === undefined ? 0 : origins.layers.filter((layer) => layer.base !== undefined).length;
  const base = baseName(origins?.layers ?? []);
  return sortFindings([
    ...checkRuntime(tree, config, { stages, ...(origin === undefined ? {} : { origin }), ...(base === undefined ? {} : { base }) }),
    ...checkContents(tree, config, { layers, baseLayers, ...(origin === undefined ? {} : { origin }) }),
  ]);
}
