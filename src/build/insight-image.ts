// What can be said of an image of this store: its files, where they came from, what it lacks, what should not be in it.

import { type BytePath, fromBytePath, isSlipwayError, type JobContext, quietJob, SlipwayError, toBytePath } from '../base/index.ts';
import {
  type DescribedLayer,
  entryText,
  type Finding,
  originText,
  pathHistory,
  readPackages,
  resolveInTree,
  sameFiles,
  walkTree,
} from '../insight/index.ts';
import { type Entry, StackTree, type Tree } from '../layer/index.ts';
import { formatPlatform, type ImageConfig, type Manifest } from '../oci/index.ts';
import type { Layer } from '../snapshot/index.ts';
import type { Engine } from './engine.ts';
import { findImage, imagesOf, type StoredImage } from './images.ts';
import { knownLayers } from './insight-check.ts';
import { imageFor } from './publish.ts';
import { readKept } from './report.ts';
import { describeLayers, findingsOf, type LaidOutImage, layOut } from './report-image.ts';

/** An image opened for looking. */
export interface OpenedImage extends LaidOutImage {
  readonly image: StoredImage;
  readonly known: readonly DescribedLayer[];
  readonly tree: Tree;
}

/** Opens an image by its name or digest. Throws `IMAGE_UNKNOWN`. */
async function openImage(engine: Engine, word: string, job: JobContext = quietJob(), platform?: string): Promise<OpenedImage> {
  const image = imageFor(engine, findImage(engine.store, word), platform ?? formatPlatform(engine.platform));
  const laidOut = layOut(engine, image);
  const tree = await engine.layers.tree(laidOut.layers, 'bytes', job);
  return { ...laidOut, image, known: await describeLayers(engine, laidOut, job), tree };
}

/** All findings about an image: what it lacks and what should not be there. */
export async function checkImage(engine: Engine, word: string, job: JobContext = quietJob()): Promise<readonly Finding[]> {
  using _lease = engine.store.lease();
  const opened = await openImage(engine, word, job);
  return await findingsOf(engine, opened, opened.tree, opened.known, job);
}

/** Name of the stage that an image was made by; undefined: this store did not build it. Throws `IMAGE_UNKNOWN`. */
export async function stageOfImage(engine: Engine, word: string, job: JobContext = quietJob()): Promise<string | undefined> {
  using _lease = engine.store.lease();
  return (await openImage(engine, word, job)).origins?.stage;
}

/** What is known of one path. */
export interface PathReport {
  readonly path: string;
  /** What stands there now; undefined: nothing. */
  readonly entry?: string;
  /** The real path, when symlinks lead there. */
  readonly leadsTo?: string;
  readonly package?: string;
  /** What layers did to it, lowest first. */
  readonly steps: readonly { readonly layer: number; readonly what: string; readonly made: string; readonly entry?: string }[];
  /** The same bytes in build stages: where it was copied from. */
  readonly sources: readonly { readonly stage: string; readonly path: string; readonly made: string }[];
}

/**
 * Where a path of an image, or of a stage of its build, came from. Without `stage` a word that is no image may be a stage of the newest
 * build that has one of that name. Throws `IMAGE_UNKNOWN`, `STAGE_UNKNOWN`, and `PATH_UNKNOWN` when no layer ever had it.
 */
export async function whyPath(
  engine: Engine,
  path: string,
  word: string,
  { stage, job = quietJob() }: { readonly stage?: string; readonly job?: JobContext } = {},
): Promise<PathReport> {
  using _lease = engine.store.lease();
  const laidOut = openPlace(engine, word, stage);
  const { origins } = laidOut;
  const tree = await engine.layers.tree(laidOut.layers, 'bytes', job);
  const known = await describeLayers(engine, laidOut, job);
  const asked = cleaned(toBytePath(path));
  const slash = asked.lastIndexOf('/');
  const parent = slash < 0 ? '' : resolveInTree(tree, asked.slice(0, slash))?.path;
  const name = slash < 0 ? asked : parent === undefined ? asked : cleaned(`${parent}/${asked.slice(slash + 1)}`);
  const steps = pathHistory(known, name);
  const entry = tree.lookup(name);
  if (steps.length === 0 && (entry === undefined || name === '')) {
    throw new SlipwayError('PATH_UNKNOWN', `no layer of ${word} has ${path}`, { hint: `slipway inspect --files ${word} lists all paths` });
  }
  const real = entry?.kind === 'symlink' ? resolveInTree(tree, name) : undefined;
  const owner = readPackages(tree).ownerOf(name);
  const file = entry?.kind === 'file' ? entry : real?.kind === 'file' ? real : undefined;
  const from = origins?.layers[steps.at(-1)?.layer ?? -1]?.from ?? [];
  const sources = file === undefined ? [] : await sourcesOf(engine, laidOut, { ...file, digest: tree.digest(file) }, from, job);
  return {
    path: `/${fromBytePath(name)}`,
    ...(entry === undefined ? {} : { entry: entryText(entry) }),
    ...(real === undefined ? {} : { leadsTo: `/${fromBytePath(real.path)}` }),
    ...(owner === undefined ? {} : { package: owner }),
    steps: steps.map(({ entry: stepEntry, ...step }) => ({ ...step, ...(stepEntry === undefined ? {} : { entry: entryText(stepEntry) }) })),
    sources,
  };
}

/** The image or stage that the words mean. */
function openPlace(engine: Engine, word: string, stage: string | undefined): LaidOutImage {
  const named = (): LaidOutImage => layOut(engine, imageFor(engine, findImage(engine.store, word), formatPlatform(engine.platform)));
  if (stage !== undefined) return stageOf(engine, named(), stage);
  try {
    return named();
  } catch (error) {
    if (!isSlipwayError(error, 'IMAGE_UNKNOWN')) throw error;
    const image = imageWithStage(engine, word);
    if (image === undefined) throw error;
    return stageOf(engine, layOut(engine, image), word);
  }
}

/** The image of the newest build that has a stage of this name and is still here. */
function imageWithStage(engine: Engine, stage: string): StoredImage | undefined {
  const { blobs } = engine.store;
  for (const { report } of engine.cache.history.list()) {
    const kept = readKept(report);
    if (kept?.image === undefined || !kept.stages.some(({ name }) => name === stage) || !blobs.has(kept.image.digest)) continue;
    const images = imagesOf(engine.store, kept.image);
    const image = images.find(({ platform }) => platform === formatPlatform(engine.platform)) ?? images[0];
    if (image !== undefined) return image;
  }
  return undefined;
}

function stageOf(engine: Engine, image: LaidOutImage, name: string): LaidOutImage {
  const { origins } = image;
  const stage = origins?.stages.find((one) => one.name === name);
  if (origins === undefined || stage === undefined) {
    const names = origins?.stages.map((one) => one.name) ?? [];
    throw new SlipwayError('STAGE_UNKNOWN', `the build of this image has no stage ${name}`, {
      hint: names.length === 0 ? 'no build of this store made it' : `it has ${names.join(', ')}`,
    });
  }
  const layers = knownLayers(engine, stage.layers);
  if (layers === undefined) {
    throw new SlipwayError('STAGE_UNKNOWN', `the files of stage ${name} are no longer in the store`, { hint: 'build it again' });
  }
  const { platform, config } = image;
  return { platform, config, layers, origins: { ...origins, stage: name, layers: stage.layers } };
}

/** The same bytes in other stages; those that were copied from first. */
async function sourcesOf(
  engine: Engine,
  { origins }: LaidOutImage,
  file: Entry,
  from: readonly string[],
  job: JobContext,
): Promise<PathReport['sources']> {
  const sources: { stage: string; path: string; made: string }[] = [];
  const stages = [...(origins?.stages ?? [])].sort((a, b) => Number(from.includes(b.name)) - Number(from.includes(a.name)));
  for (const stage of stages) {
    const layers = stage.name === origins?.stage ? undefined : knownLayers(engine, stage.layers);
    if (layers === undefined) continue;
    const known = await Promise.all(
      layers.map(async (layer, index) => ({
        index: await engine.layers.index(layer, job),
        made: originText(stage.layers[index] ?? { id: layer.id }, origins?.filename),
      })),
    );
    for (const same of sameFiles(known, file).slice(0, 3))
      sources.push({ stage: stage.name, path: `/${fromBytePath(same.path)}`, made: same.made });
  }
  return sources;
}

function cleaned(path: BytePath): BytePath {
  return path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}

/** An image for `slipway inspect`. */
export interface ImageReport {
  readonly name: string;
  readonly digest: string;
  readonly platform: string;
  readonly created?: string;
  readonly config: ImageConfig;
  readonly layers: readonly LayerReport[];
  readonly files?: readonly FileReport[];
}

export interface LayerReport {
  readonly digest: string;
  /** Bytes as stored or sent. */
  readonly size: number;
  /** Bytes of its files. */
  readonly bytes: number;
  readonly files: number;
  readonly made: string;
}

export interface FileReport {
  readonly path: string;
  readonly kind: string;
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Number of its layer from 0; absent for directories that no layer lists. */
  readonly layer?: number;
  readonly made?: string;
  readonly package?: string;
}

/** What an image is made of; `files`: every path with its origin. Throws `IMAGE_UNKNOWN`. */
export async function inspectImage(
  engine: Engine,
  word: string,
  { files = false, job = quietJob() }: { readonly files?: boolean; readonly job?: JobContext } = {},
): Promise<ImageReport> {
  using _lease = engine.store.lease();
  const { image, known, layers, tree } = await openImage(engine, word, job);
  const manifest: Manifest = image.manifest;
  return {
    name: word,
    digest: image.descriptor.digest,
    platform: image.platform,
    ...(image.config.created === undefined ? {} : { created: image.config.created }),
    config: image.config,
    layers: manifest.layers.map(({ digest, size }, index) => {
      const entries = known[index]?.index.entries ?? [];
      return {
        digest,
        size,
        bytes: entries.reduce((sum, entry) => sum + entry.size, 0),
        files: entries.length,
        made: known[index]?.made ?? '',
      };
    }),
    ...(files ? { files: fileReports(tree, layers, known) } : {}),
  };
}

function fileReports(tree: Tree, layers: readonly Layer[], known: readonly DescribedLayer[]): readonly FileReport[] {
  const packages = readPackages(tree);
  const numbers = new Map(layers.map(({ id }, index) => [id, index]));
  return [...walkTree(tree)]
    .map((entry): FileReport => {
      const id = tree instanceof StackTree ? tree.layerOf(entry) : undefined;
      const layer = id === undefined ? undefined : numbers.get(id);
      const owner = packages.ownerOf(entry.path);
      return {
        path: `/${fromBytePath(entry.path)}`,
        kind: entry.kind,
        mode: entry.mode.toString(8).padStart(4, '0'),
        uid: entry.uid,
        gid: entry.gid,
        size: entry.size,
        ...(layer === undefined ? {} : { layer, made: known[layer]?.made ?? '' }),
        ...(owner === undefined ? {} : { package: owner }),
      };
    })
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}
