// What can be said of an image of this store: its files, where they came from, what it lacks, what should not be in it.

import { type BytePath, fromBytePath, type JobContext, quietJob, SlipwayError, toBytePath } from '../base/index.ts';
import {
  checkContents,
  checkRuntime,
  entryText,
  type Finding,
  type ImageOrigins,
  type KnownLayer,
  originText,
  pathHistory,
  readOrigins,
  readPackages,
  resolveInTree,
  sameFiles,
  sortFindings,
  walkTree,
} from '../insight/index.ts';
import { StackTree, type Tree } from '../layer/index.ts';
import { formatPlatform, type ImageConfig } from '../oci/index.ts';
import type { Layer } from '../snapshot/index.ts';
import type { Engine } from './engine.ts';
import { findImage, type StoredImage } from './images.ts';
import { knownLayers, originIn, stageTrees } from './insight-check.ts';
import { ORIGINS } from './insight-origins.ts';
import { imageFor, storedRoot } from './publish.ts';

/** An image opened for looking. */
export interface OpenedImage {
  readonly image: StoredImage;
  readonly origins: ImageOrigins | undefined;
  readonly layers: readonly Layer[];
  readonly known: readonly KnownLayer[];
  readonly baseLayers: number;
  readonly tree: Tree;
}

/** Opens an image by its name or digest. Throws `IMAGE_UNKNOWN`. */
export async function openImage(engine: Engine, word: string, job: JobContext = quietJob(), platform?: string): Promise<OpenedImage> {
  const image = imageFor(engine, findImage(engine.store, word), platform ?? formatPlatform(engine.platform));
  const { digest } = image.descriptor;
  const record = readOrigins(engine.store.records(ORIGINS).readJson(digest.slice(digest.indexOf(':') + 1)));
  const origins = record?.layers.length === image.manifest.layers.length ? record : undefined;
  const built = origins === undefined ? undefined : knownLayers(engine, origins.layers);
  const layers = built?.every((layer) => engine.layers.hasBytes(layer)) === true ? built : storedRoot(engine, image).layers;
  const tree = await engine.layers.tree(layers, 'bytes', job);
  const said = (image.config.history ?? []).filter(({ empty_layer }) => empty_layer !== true);
  const known = await Promise.all(
    layers.map(async (layer, index): Promise<KnownLayer> => {
      const origin = origins?.layers[index];
      const made = origin === undefined ? (said[index]?.created_by ?? `layer ${index + 1}`) : originText(origin, origins?.filename);
      return { index: await engine.layers.index(layer, job), made };
    }),
  );
  const baseLayers = origins === undefined ? 0 : origins.layers.filter(({ base }) => base !== undefined).length;
  return { image, origins: relabelled(origins, layers), layers, known, baseLayers, tree };
}

/** Origins under the names that the layers have in this tree. */
function relabelled(origins: ImageOrigins | undefined, layers: readonly Layer[]): ImageOrigins | undefined {
  if (origins === undefined) return undefined;
  return { ...origins, layers: origins.layers.map((origin, index) => ({ ...origin, id: layers[index]?.id ?? origin.id })) };
}

/** All findings about an image: what it lacks and what should not be there. */
export async function checkImage(engine: Engine, word: string, job: JobContext = quietJob()): Promise<readonly Finding[]> {
  using _lease = engine.store.lease();
  const { image, origins, known, baseLayers, tree } = await openImage(engine, word, job);
  const origin = origins === undefined ? undefined : originIn(tree, origins);
  const stages = origins === undefined ? [] : await stageTrees(engine, origins, job);
  return sortFindings([
    ...checkRuntime(tree, image.config, { stages, ...(origin === undefined ? {} : { origin }) }),
    ...checkContents(tree, image.config, { layers: known, baseLayers, ...(origin === undefined ? {} : { origin }) }),
  ]);
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

/** Where a path of an image came from. Throws `IMAGE_UNKNOWN`, and `PATH_UNKNOWN` when no layer ever had it. */
export async function whyPath(engine: Engine, path: string, word: string, job: JobContext = quietJob()): Promise<PathReport> {
  using _lease = engine.store.lease();
  const { origins, known, tree } = await openImage(engine, word, job);
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
  const sources: { stage: string; path: string; made: string }[] = [];
  for (const stage of origins?.stages ?? []) {
    const layers = stage.name === origins?.stage || file === undefined ? undefined : knownLayers(engine, stage.layers);
    if (layers === undefined || file === undefined) continue;
    const knownStage = await Promise.all(
      layers.map(async (layer, index) => ({
        index: await engine.layers.index(layer, job),
        made: originText(stage.layers[index] ?? { id: layer.id }, origins?.filename),
      })),
    );
    for (const same of sameFiles(knownStage, { ...file, digest: tree.digest(file) }).slice(0, 3))
      sources.push({ stage: stage.name, path: `/${fromBytePath(same.path)}`, made: same.made });
  }
  return {
    path: `/${fromBytePath(name)}`,
    ...(entry === undefined ? {} : { entry: entryText(entry) }),
    ...(real === undefined ? {} : { leadsTo: `/${fromBytePath(real.path)}` }),
    ...(owner === undefined ? {} : { package: owner }),
    steps: steps.map(({ entry: stepEntry, ...step }) => ({ ...step, ...(stepEntry === undefined ? {} : { entry: entryText(stepEntry) }) })),
    sources,
  };
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
  return {
    name: word,
    digest: image.descriptor.digest,
    platform: image.platform,
    ...(image.config.created === undefined ? {} : { created: image.config.created }),
    config: image.config,
    layers: image.manifest.layers.map(({ digest, size }, index) => {
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

function fileReports(tree: Tree, layers: readonly Layer[], known: readonly KnownLayer[]): readonly FileReport[] {
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
