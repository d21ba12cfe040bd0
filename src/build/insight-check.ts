// The runtime checks after a build: only of images that are new, only for what the build copied, and only in layers that are known.

import { type Diagnostic, digestHex, digestOf, type JobContext, SlipwayError, type SourceText } from '../base/index.ts';
import {
  checkRuntime,
  type Finding,
  type ImageOrigins,
  type LayerOrigin,
  maySay,
  originText,
  type RuntimeOptions,
  shortImage,
  type StageTree,
  type TextMemory,
} from '../insight/index.ts';
import { StackTree, type Tree } from '../layer/index.ts';
import type { GraphResult, PlatformGraph } from '../graph/index.ts';
import type { ImageConfig } from '../oci/index.ts';
import type { Layer } from '../snapshot/index.ts';
import type { Engine } from './engine.ts';
import { originsOf } from './insight-origins.ts';
import type { BuildSession } from './session.ts';

/** So many are told after a build; `slipway check --runtime` has them all. */
const SHOWN = 10;
const NOWHERE = { start: { line: 0, column: 0 }, end: { line: 0, column: 0 } };

/** Where findings are kept: records by the digest of all that was looked at. */
export const LACKS = 'lacks';
/** Changes when the checks say something else of the same image. */
const CHECKS = 2;

/**
 * Tells what the images of a build lack as warnings. Each image is looked at once, and what was found is told again by every build that
 * comes to it from the cache. Returns the milliseconds that looking took.
 */
export async function warnOfLacks(
  engine: Engine,
  session: BuildSession,
  graph: GraphResult,
  source: SourceText,
  job: JobContext,
): Promise<number> {
  const kept = engine.store.records(LACKS);
  const told: { readonly finding: Finding; readonly line: number | undefined }[] = [];
  let milliseconds = 0;
  for (const platform of graph.platforms) {
    const root = session.knownResult(platform.root);
    if (root === undefined || !root.layers.every(({ id }) => engine.layers.get(id)?.contentDigest !== undefined)) continue;
    const origins = originsOf(session, platform, source.filename);
    const { os, architecture, config } = platform.config;
    // Not of all stages: a gate more makes no other image.
    const { layers, filename } = origins;
    const record = digestHex(digestOf(JSON.stringify([CHECKS, os, architecture, config, filename, layers])));
    const known = kept.readJson(record);
    let found = Array.isArray(known) ? (known as readonly Finding[]) : undefined;
    if (found === undefined) {
      const start = performance.now();
      found = (await lacksOf(engine, platform.config, origins, job))?.filter(({ severity }) => severity !== 'info');
      milliseconds += performance.now() - start;
      if (found === undefined) continue;
      kept.writeJson(record, found);
    }
    told.push(...found.map((finding) => ({ finding, line: lineOf(finding, platform, origins) })));
  }
  for (const { finding, line } of told.slice(0, SHOWN))
    job.progress({
      type: 'warning',
      diagnostic: diagnosticOf(finding, line),
      ...(line === undefined ? {} : { source }),
      time: job.now().getTime(),
    });
  if (told.length > SHOWN) {
    const message = `${told.length - SHOWN} more findings: slipway check --runtime IMAGE`;
    job.progress({
      type: 'warning',
      diagnostic: { rule: 'Notice', severity: 'warning', message, range: NOWHERE },
      time: job.now().getTime(),
    });
  }
  return milliseconds;
}

/** The line of the Dockerfile that a finding is about: that of the instruction, else what made the path. */
function lineOf({ instruction, line }: Finding, { stages }: PlatformGraph, { stage }: ImageOrigins): number | undefined {
  if (instruction === undefined) return line;
  for (let current = stages.find(({ name }) => name === stage); current !== undefined;) {
    const { instructions, baseStage } = current;
    const about = instructions.findLast(({ kind }) => kind === instruction);
    if (about !== undefined) return about.location.range.start.line;
    current = stages.find(({ index }) => index === baseStage);
  }
  return line;
}

/** As `findLacks`; undefined when a file of the image cannot be read here (a base that was only looked into): a check never fails a build. */
async function lacksOf(
  engine: Engine,
  config: ImageConfig,
  origins: ImageOrigins,
  job: JobContext,
): Promise<readonly Finding[] | undefined> {
  try {
    return await findLacks(engine, config, origins, job);
  } catch (error) {
    job.signal.throwIfAborted();
    if (error instanceof SlipwayError) return undefined;
    throw error;
  }
}

/** What the copied files of an image lack. Stages are looked into only when something is missing. */
async function findLacks(engine: Engine, config: ImageConfig, origins: ImageOrigins, job: JobContext): Promise<readonly Finding[]> {
  const layers = knownLayers(engine, origins.layers);
  if (layers === undefined) return [];
  const tree = await engine.layers.tree(layers, 'index', job);
  const copied = new Set<string>();
  for (const [index, layer] of layers.entries()) {
    if (!/^(COPY|ADD)\b/i.test(origins.layers[index]?.instruction ?? '')) continue;
    for (const entry of (await engine.layers.index(layer, job)).entries)
      if ((entry.kind === 'file' || entry.kind === 'hardlink') && maySay(entry)) copied.add(entry.path);
  }
  const base = baseName(origins.layers);
  const options: RuntimeOptions = {
    origin: originIn(tree, origins),
    paths: [...copied],
    texts: rememberedTexts(engine),
    ...(base === undefined ? {} : { base }),
  };
  const found = checkRuntime(tree, config, options);
  // What a stage has beside a program tells whether the program needs it.
  if (found.every(({ severity, rule }) => severity === 'info' && rule !== 'folders-missing')) return found;
  return checkRuntime(tree, config, { ...options, stages: await stageTrees(engine, origins, job) });
}

/** A base's programs are the same in every image that is made from it. */
function rememberedTexts(engine: Engine): TextMemory {
  const kept = engine.store.records(LACKS);
  return {
    get: (name) => {
      const texts = kept.readJson(name);
      return Array.isArray(texts) ? texts.map(String) : undefined;
    },
    set: (name, texts) => kept.writeJson(name, texts),
  };
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

function diagnosticOf({ rule, path, message, cure }: Finding, line: number | undefined): Diagnostic {
  return {
    rule,
    severity: 'warning',
    message: `${path === undefined ? '' : `${path}: `}${message}${cure === undefined ? '' : `; cure: ${cure}`}`,
    range: line === undefined ? NOWHERE : { start: { line, column: 0 }, end: { line, column: 0 } },
    ...(cure === undefined ? {} : { hint: cure }),
  };
}
