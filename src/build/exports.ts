// From solved graphs to outputs, and what is said about them.

import { type JobContext, mapLimit, type SourceText } from '../base/index.ts';
import { type CacheExports, History } from '../cache/index.ts';
import {
  type Attestation,
  type ExportContext,
  exportOutput,
  type ExportSource,
  imageIdOf,
  outputMetadata,
  type OutputPlan,
  type OutputResult,
  outputTitle,
  planOutputs,
  type PlatformResult,
} from '../export/index.ts';
import type { GraphEdge, GraphResult, PlatformGraph } from '../graph/index.ts';
import { formatPlatform } from '../oci/index.ts';
import { keepFolders, treeOf } from '../ops/index.ts';
import type { RootFS } from '../snapshot/index.ts';
import type { Engine } from './engine.ts';
import { stageFacts, stepFacts } from './facts.ts';
import { ENGINES } from './export-engines.ts';
import type { LoadProtocol } from './foreign-frontend.ts';
import type { ImageSources } from './image-sources.ts';
import { attestationsAsked, attestationsOf } from './insight-attest.ts';
import { warnOfLacks } from './insight-check.ts';
import { recordOrigins } from './insight-origins.ts';
import { finishConfig, type LinedUp, lineUp } from './line-up.ts';
import { lineUpPlain } from './plain-history.ts';
import type { BuildRequest, OutputRequest } from './options.ts';
import { builtImages } from './report-image.ts';
import { gateTests, madeBytes, reportFlows, reportStages } from './report-facts.ts';
import type { BuildResult, BuiltResult, FailureFacts, ReportFacts } from './result.ts';
import type { BuildSession } from './session.ts';
import { withInlineCache } from './share-cache.ts';
import { sweepHeap } from './sweep-heap.ts';

/** What is exported: checked before anything is built. Throws `OUTPUT_INVALID`, `ANNOTATION_INVALID`, `REFERENCE_INVALID`. */
export function planExports(request: BuildRequest, graph: GraphResult, attested = false): readonly OutputPlan[] {
  const epoch = graph.platforms[0]?.epoch;
  const facts = {
    tags: request.tags ?? [],
    annotations: request.annotations ?? [],
    multiPlatform: isIndex(graph),
    attested: attested || attestationsAsked(request).length > 0,
    stdoutIsTerminal: request.stdoutIsTerminal === true,
    ...(epoch === undefined ? {} : { epoch }),
    mayDelete: () => request.entitlements?.includes('buildx.local.delete') === true,
  };
  const given = request.outputs ?? [];
  if (given.length > 0) return planOutputs(given, facts);
  // Named and not sent anywhere: it stays in this store, as it is. What a registry gets is compressed when it is pushed.
  const own: readonly OutputRequest[] = facts.tags.length > 0 ? [{ type: 'image', attributes: {} }] : [];
  return planOutputs(own, { ...facts, defaultCompression: 'none' });
}

/** All that an export looks at. */
export interface ExportJob {
  readonly engine: Engine;
  readonly session: BuildSession;
  readonly images: ImageSources;
  readonly request: BuildRequest;
  readonly graph: GraphResult;
  readonly plans: readonly OutputPlan[];
  /** Attestations that a frontend made itself. */
  readonly attested?: ReadonlyMap<PlatformGraph, readonly Attestation[]>;
  /** Shared caches that are written after the outputs, or into their configs. */
  readonly caches?: CacheExports;
  readonly dockerfile: SourceText;
  /** The context, when it is no folder of the user. */
  readonly context?: GraphEdge;
  readonly startedAt: Date;
  readonly job: JobContext;
  /** Loads what knows the words of provenance. */
  readonly protocol?: LoadProtocol;
}

function isIndex({ platforms, multiPlatform }: GraphResult): boolean {
  return multiPlatform || platforms.length > 1;
}

/** Runs all outputs, beside each other, and gathers the result of the build. */
export async function exportBuild(work: ExportJob): Promise<BuiltResult> {
  const { engine, session, graph, plans, request, job } = work;
  const source: ExportSource = {
    platforms: graph.platforms.map((platform) => platformResult(work, platform)),
    ...(isIndex(graph) ? { asIndex: true } : {}),
  };
  await fetchForSeveral(plans, source, engine, job);
  const exporting = mapLimit(plans, 4, (plan, index) => exportOne(plan, index, source, engine, job));
  // While other threads make the layers' blobs, or write files.
  const checking = afterStart(async () => {
    keepFolders(session.deps);
    return plans.some(makesImage) ? await warnOfLacks(engine, session, graph, work.dockerfile, job) : 0;
  });
  checking.catch(() => {});
  const results = await exporting;
  const checkMilliseconds = await checking;
  if (results.some(({ manifests = [] }) => manifests.length > 0))
    await recordOrigins(engine, session, graph, results, work.dockerfile.filename);
  const last = results.findLast(({ descriptor }) => descriptor !== undefined);
  const steps = stepFacts(graph, session.facts);
  const stages = stageFacts(graph, session);
  const facts: ReportFacts = {
    ...reportFacts(work, stages),
    checkMilliseconds,
    ...(request.report === true ? { images: await builtImages(work) } : {}),
  };
  const tests = await gateTests(engine, session, graph, job);
  const imageId = imageIdOf(results);
  return {
    id: History.newId(engine.now()),
    ...(last?.descriptor === undefined ? {} : { digest: last.descriptor.digest, descriptor: last.descriptor }),
    ...(imageId === undefined ? {} : { imageId }),
    platforms: graph.platforms.map(({ platform, config }) => ({ platform: formatPlatform(platform), config })),
    stages,
    steps,
    tests,
    facts,
    metadata: {
      ...outputMetadata(results),
      'slipway.steps': steps,
      'slipway.stages': stages,
      ...(tests.length === 0 ? {} : { 'slipway.tests': tests }),
      'slipway.checks': { milliseconds: Math.round(checkMilliseconds) },
      ...(request.name === undefined ? {} : { 'slipway.name': request.name }),
    },
  };
}

/** What several outputs are going to read of a base that is still remote is fetched once, before they begin. */
async function fetchForSeveral(plans: readonly OutputPlan[], { platforms }: ExportSource, engine: Engine, job: JobContext): Promise<void> {
  // A push alone may need no bytes: the registry may have them.
  if (plans.length < 2 || plans.every((plan) => plan.type === 'image' && !plan.store)) return;
  if (!plans.every(makesImage)) await Promise.all(platforms.map(({ tree }) => tree()));
  else
    await mapLimit(
      platforms.flatMap(({ layers, baseLayers }) => layers.slice(0, baseLayers)),
      4,
      (layer) => engine.layers.fetch(layer, job),
    );
}

/** Whether an output is an image, made of blobs. */
function makesImage({ type }: OutputPlan): boolean {
  return type !== 'local' && type !== 'tar';
}

/** Does it once other work that just began has got its threads going. */
async function afterStart<T>(work: () => Promise<T>): Promise<T> {
  await new Promise<void>((resolve) => setImmediate(resolve));
  sweepHeap();
  return await work();
}

/** What is known of a build that failed: the steps that ended well, and what the others left. */
export async function failureFacts(work: ExportJob): Promise<FailureFacts> {
  const { engine, session, graph, job } = work;
  const stages = stageFacts(graph, session);
  const left = session.failed.suites;
  const places = new Set(left.map(({ stage, path }) => `${stage} ${path}`));
  const before = await gateTests(engine, session, graph, job);
  return {
    facts: reportFacts(work, stages),
    steps: stepFacts(graph, session.facts),
    tests: [...left, ...before.filter(({ stage, path }) => !places.has(`${stage} ${path}`))],
  };
}

/** What the report needs of this session. */
function reportFacts({ graph, session, dockerfile }: ExportJob, rows: BuildResult['stages']): ReportFacts {
  const stages = reportStages(graph, rows);
  return {
    filename: dockerfile.filename,
    stages,
    flows: reportFlows(graph, stages, session),
    bytes: new Map(graph.vertices.flatMap((vertex) => optionalPair(vertex.digest, madeBytes(vertex, session)))),
  };
}

function optionalPair(name: string, value: number | undefined): readonly (readonly [string, number])[] {
  return value === undefined ? [] : [[name, value]];
}

/** A platform's image and files, for whoever asks. */
function platformResult(work: ExportJob, graph: PlatformGraph): PlatformResult {
  const { session, engine, caches, job } = work;
  const root: RootFS | undefined = graph.root === undefined ? undefined : session.resultOf(graph.root);
  const linedUp = (epoch: number | undefined): LinedUp => {
    if (graph.countedFrom !== undefined) return lineUpPlain(graph.config.history ?? [], root?.layers ?? [], graph.countedFrom, epoch);
    const baseLayers = graph.baseConfig?.rootfs.diff_ids.length ?? 0;
    return lineUp(graph.history, root, baseLayers, (edge) => session.resultOf(edge), epoch, graph.treeName, graph.baseTree);
  };
  const lined = linedUp(graph.epoch);
  const tree = (): ReturnType<typeof treeOf> => treeOf(root, 0, 'bytes', session.deps, job);
  const attestations = [...(work.attested?.get(graph) ?? []), ...attestationsOf(work, graph, tree)];
  return {
    platform: graph.platform,
    layers: lined.layers,
    baseLayers: lined.baseLayers,
    config: (diffIds, epoch = graph.epoch) => {
      const { history } = epoch === graph.epoch ? lined : linedUp(epoch);
      const config = finishConfig(graph.config, history, diffIds);
      return caches?.inline === true ? withInlineCache(config, engine, session, lined.layers, diffIds, epoch) : config;
    },
    tree,
    ...(attestations.length === 0 ? {} : { attestations }),
  };
}

async function exportOne(plan: OutputPlan, index: number, source: ExportSource, engine: Engine, job: JobContext): Promise<OutputResult> {
  const id = `sha256:${(0xe0 + index).toString(16).padStart(64, 'e')}`;
  const time = (): number => job.now().getTime();
  job.progress({ type: 'vertex', vertex: { id, name: outputTitle(plan), inputs: [] }, time: time() });
  job.progress({ type: 'started', id, time: time() });
  const context: ExportContext = {
    layers: engine.layers,
    store: engine.store,
    registry: () => engine.registry,
    stdout: process.stdout,
    engines: ENGINES,
    asker: engine.asker,
    job,
    status: ({ name, ...status }) => job.progress({ type: 'status', id, status: name, ...status, time: time() }),
  };
  try {
    const result = await exportOutput(plan, source, context);
    for (const message of result.warnings)
      job.progress({ type: 'log', id, stream: 2, data: Buffer.from(`warning: ${message}\n`), time: time() });
    job.progress({ type: 'completed', id, cached: false, time: time() });
    return result;
  } catch (error) {
    if (job.signal.aborted) job.progress({ type: 'canceled', id, time: time() });
    else job.progress({ type: 'failed', id, error: error as Error, time: time() });
    throw error;
  }
}
