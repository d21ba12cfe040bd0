// The runtime checks after a build: only when something ran, only for what this build copied, and only in layers that are known.

import { type Diagnostic, type JobContext, SlipwayError, type SourceText } from '../base/index.ts';
import {
  checkRuntime,
  type Finding,
  type ImageOrigins,
  type LayerOrigin,
  originText,
  type RuntimeOptions,
  shortImage,
  type StageTree,
} from '../insight/index.ts';
import { StackTree, type Tree } from '../layer/index.ts';
import type { GraphResult } from '../graph/index.ts';
import type { ImageConfig } from '../oci/index.ts';
import type { Layer } from '../snapshot/index.ts';
import type { Engine } from './engine.ts';
import { originsOf } from './insight-origins.ts';
import type { BuildSession } from './session.ts';

/** So many are told after a build; `slipway check --runtime` has them all. */
const SHOWN = 10;
const NOWHERE = { start: { line: 0, column: 0 }, end: { line: 0, column: 0 } };

/** Checks the images of a build whose steps did not all come from the cache, and tells what is wrong as warnings. */
export async function warnOfLacks(
  engine: Engine,
  session: BuildSession,
  graph: GraphResult,
  source: SourceText,
  job: JobContext,
): Promise<readonly Finding[]> {
  if (!somethingRan(graph, session)) return [];
  const all: Finding[] = [];
  for (const platform of graph.platforms) {
    const root = session.knownResult(platform.root);
    if (root === undefined || !root.layers.every(({ id }) => engine.layers.get(id)?.contentDigest !== undefined)) continue;
    const origins = originsOf(session, platform, source.filename);
    all.push(...(await lacksOf(engine, platform.config, origins, job)));
  }
  const told = all.filter(({ severity }) => severity !== 'info');
  for (const finding of told.slice(0, SHOWN))
    job.progress({ type: 'warning', diagnostic: diagnosticOf(finding), time: job.now().getTime() });
  if (told.length > SHOWN) {
    const message = `${told.length - SHOWN} more findings: slipway check --runtime IMAGE`;
    job.progress({
      type: 'warning',
      diagnostic: { rule: 'Notice', severity: 'warning', message, range: NOWHERE },
      time: job.now().getTime(),
    });
  }
  return all;
}

/** As `findLacks`; nothing when a file of the image cannot be read here (a base that was only looked into): a check never fails a build. */
async function lacksOf(engine: Engine, config: ImageConfig, origins: ImageOrigins, job: JobContext): Promise<readonly Finding[]> {
  try {
    return await findLacks(engine, config, origins, job);
  } catch (error) {
    job.signal.throwIfAborted();
    if (error instanceof SlipwayError) return [];
    throw error;
  }
}

function somethingRan({ vertices }: GraphResult, session: BuildSession): boolean {
  const executed = new Set(session.facts.filter(({ state }) => state === 'executed').map(({ digest }) => digest));
  return vertices.some(({ digest, op }) => op.type !== 'source' && executed.has(digest));
}

/** What the copied files of an image lack. Stages are looked into only when something is missing. */
async function findLacks(engine: Engine, config: ImageConfig, origins: ImageOrigins, job: JobContext): Promise<readonly Finding[]> {
  const layers = knownLayers(engine, origins.layers);
  if (layers === undefined) return [];
  const tree = await engine.layers.tree(layers, 'index', job);
  const copied = new Set<string>();
  for (const [index, layer] of layers.entries()) {
    if (!/^(COPY|ADD)\b/i.test(origins.layers[index]?.instruction ?? '')) continue;
    for (const { kind, path } of (await engine.layers.index(layer, job)).entries)
      if (kind === 'file' || kind === 'hardlink') copied.add(path);
  }
  const base = baseName(origins.layers);
  const options: RuntimeOptions = { origin: originIn(tree, origins), paths: [...copied], ...(base === undefined ? {} : { base }) };
  const found = checkRuntime(tree, config, options);
  // What a stage has beside a program tells whether the program needs it.
  if (found.every(({ severity, rule }) => severity === 'info' && rule !== 'folders-missing')) return found;
  return checkRuntime(tree, config, { ...options, stages: await stageTrees(engine, origins, job) });
}

/** The layers of origins, when the store knows them all and has looked into them. */
export function knownLayers(engine: Engine, origins: readonly LayerOrigin[]): readonly Layer[] | undefined {
  const layers = origins.flatMap(({ id }) => engine.layers.get(id) ?? []);
  return layers.length === origins.length && layers.every(({ contentDigest }) => contentDigest !== undefined) ? layers : undefined;
}

/** The stages of a build that are still in the store, the image's own left out. */
export async function stageTrees(engine: Engine, { stages, stage }: ImageOrigins, job: JobContext): Promise<readonly StageTree[]> {
  const trees: StageTree[] = [];
  for (const { name, layers } of stages) {
    const known = name === stage ? undefined : knownLayers(engine, layers);
    if (known === undefined || known.length === 0) continue;
    const base = baseName(layers);
    trees.push({ name, tree: await engine.layers.tree(known, 'index', job), ...(base === undefined ? {} : { base }) });
  }
  return trees;
}

/** The image below some layers as a Dockerfile names it. */
export function baseName(layers: readonly LayerOrigin[]): string | undefined {
  const base = layers[0]?.base;
  return base === undefined ? undefined : shortImage(base);
}

/** Who made a path, by the layer it is in. */
export function originIn(tree: Tree, { layers, filename }: ImageOrigins): NonNullable<RuntimeOptions['origin']> {
  const byId = new Map(layers.map((origin) => [origin.id, origin]));
  return (path) => {
    const entry = tree.lookup(path);
    const id = entry === undefined || !(tree instanceof StackTree) ? undefined : tree.layerOf(entry);
    const origin = id === undefined ? undefined : byId.get(id);
    return origin === undefined
      ? undefined
      : {
          own: origin.base === undefined,
          label: originText(origin, filename),
          ...(origin.line === undefined ? {} : { line: origin.line }),
        };
  };
}

function diagnosticOf({ rule, path, message, cure }: Finding): Diagnostic {
  return {
    rule,
    severity: 'warning',
    message: `${path === undefined ? '' : `${path}: `}${message}${cure === undefined ? '' : `; cure: ${cure}`}`,
    range: NOWHERE,
    ...(cure === undefined ? {} : { hint: cure }),
  };
}
