// One build, from options to outputs. Reads top to bottom: inputs, graph, solve, export.

import { type Diagnostic, type JobContext, type ProgressEvent, type SourceText, toBytePath } from '../base/index.ts';
import type { CacheParts } from '../cache/index.ts';
import { parseDockerfile } from '../dockerfile/index.ts';
import type { Attestation } from '../export/index.ts';
import { buildGraph, type GraphEdge, type GraphResult, type PlatformGraph } from '../graph/index.ts';
import { Timeline } from '../insight/index.ts';
import type { Platform } from '../oci/index.ts';
import { readTreeFile } from '../ops/index.ts';
import type { RootFS } from '../snapshot/index.ts';
import type { SolveSession } from '../solver/index.ts';
import { askFrontend, type FrontendWork, heardJob } from './ask-frontend.ts';
import { type Engine, openEngine } from './engine.ts';
import { checkEntitlements } from './entitlements.ts';
import { exportBuild, failureFacts, planExports } from './exports.ts';
import { type ForeignFrontend, foreignFrontend, type LoadProtocol } from './foreign-frontend.ts';
import { answeredGraph } from './frontend-graph.ts';
import { graphOptions } from './graph-options.ts';
import { Hearing } from './hearing.ts';
import { ImageSources } from './image-sources.ts';
import { readInputs } from './inputs.ts';
import { ignoredGenerator } from './insight-attest.ts';
import { type BuildWork, recordBuild } from './record-build.ts';
import type { Links } from './linked-targets.ts';
import type { BuildOptions, BuildRequest } from './options.ts';
import { createResolver } from './resolver.ts';
import type { BuildResult, BuiltResult, FailureFacts } from './result.ts';
import { type BuildSession, openSession } from './session.ts';
import { soonWanted } from './soon-exported.ts';
import { exportSharedCaches, importSharedCaches, planSharedCaches, prepareSharedCaches } from './share-cache.ts';

/** What a build is given beside its options. */
export interface BuildParts {
  /** Hears what is known of a build that fails, once there is a graph. */
  readonly failed?: (facts: FailureFacts) => void;
  /** What knows BuildKit's protocol: frontends that are images, and provenance, need it. */
  readonly protocol?: LoadProtocol;
  /** Of a build that is made together with others. */
  readonly together?: Together;
}

/** What builds have in common that are made together. */
export interface Together {
  /** A name means one image in all of them. */
  readonly images: ImageSources;
  readonly solved: SolveSession<RootFS>;
  readonly links: Links;
  /** What they have for shared caches that several of them write. */
  readonly caches: CacheParts;
  /** Filled with the folders of this build, by name. */
  readonly folders: Map<string, string>;
}

/** Builds in this process, on an engine of its own. See `build`. `exits`: this process exits afterwards. */
export async function buildHere(options: BuildOptions, protocol: LoadProtocol | undefined, exits = false): Promise<BuildResult> {
  const { root = '/var/lib/slipway', settings = {}, signal, onProgress = () => {}, onFailure, ...request } = options;
  await using engine = openEngine({ root, settings, endsWithProcess: exits });
  const timeline = new Timeline();
  const hearing = new Hearing(onProgress, signal);
  const progress = (event: ProgressEvent): void => {
    timeline.event(event);
    hearing.progress(event);
  };
  const job = { signal: hearing.signal, progress, now: engine.now };
  const work: BuildWork = {
    run: (failed) => buildWith(engine, request, job, { failed, ...(protocol === undefined ? {} : { protocol }) }),
    ...(onFailure === undefined ? {} : { onFailure }),
  };
  const result = await recordBuild(engine, request, timeline, work);
  hearing.check();
  // A build that ran nothing left nothing, and is not kept waiting.
  if (result.steps.some(({ state }) => state === 'executed')) await engine.collectGarbage(job);
  return result;
}

/** One build on an engine that stays open. Rejects with what the user wrote wrong, with what the world refused, or with `BuildErrors`. */
export async function buildWith(engine: Engine, request: BuildRequest, outer: JobContext, parts: BuildParts = {}): Promise<BuiltResult> {
  const startedAt = engine.now();
  const { job, listen } = heardJob(outer);
  const { together } = parts;
  const images = together?.images ?? openImages(engine, job);
  const folders = together?.folders ?? new Map<string, string>();
  await using session = openSession(engine, job, { images, request, folders, beside: together?.solved });
  const imported = importSharedCaches(engine, request, job);
  imported.catch(() => {}); // a failure before the await below is told first
  const inputs = await readInputs(request, engine.platform, folders, async (edge, path) =>
    readTreeFile(await session.tree(edge), toBytePath(path)),
  );
  const askTarget = together && ((name: string, platform: Platform) => together.links.context(name, platform, folders));
  const work: FrontendWork = { engine, session, images, request, inputs, folders, job, listen, load: parts.protocol, askTarget };
  const frontend = foreignFrontend(inputs.dockerfile, request.buildArgs);
  // A frontend elsewhere solves while it reads: what is known already must be there.
  const read = frontend === undefined ? await readDockerfile(work) : await imported.then(() => readForeign(frontend, work));
  const { graph, dockerfile, attested, metadata } = read;
  together?.links.offer(graph, folders);
  checkEntitlements(graph.vertices, request.entitlements ?? []);
  const ignored = ignoredGenerator(request);
  if (ignored !== undefined) warn(job, ignored);
  const plans = planExports(request, graph, attested.size > 0);
  const caches = planSharedCaches(engine, request, graph);
  await imported;
  session.expectBlobs(...soonWanted(graph, plans, caches, engine.layers));
  const context = inputs.context !== undefined && 'output' in inputs.context ? inputs.context.output : undefined;
  const exported = {
    ...{ engine, session, images, request, graph, plans, attested, caches, dockerfile, startedAt, job },
    ...(context === undefined ? {} : { context }),
    ...(parts.protocol === undefined ? {} : { protocol: parts.protocol }),
  };
  try {
    await solveGraph(session, graph, plans.length > 0);
    session.beside((beside) => prepareSharedCaches(caches, engine, session, graph, beside));
    const result = await exportBuild(exported);
    await exportSharedCaches(caches, engine, session, graph, job, together?.caches);
    return { ...result, metadata: { ...metadata, ...result.metadata } };
  } catch (error) {
    if (parts.failed !== undefined && !job.signal.aborted) parts.failed(await failureFacts(exported));
    throw error;
  }
}

/** The images of one build, or of several that are made together. */
export function openImages(engine: Engine, job: JobContext): ImageSources {
  const { asker } = engine;
  const from = asker === undefined ? {} : { asker: () => asker };
  return new ImageSources(engine.store, engine.registry, engine.trust(), (message) => warn(job, message), from);
}

/** A graph with what is known beside it. */
interface ReadGraph {
  readonly graph: GraphResult;
  readonly dockerfile: SourceText;
  /** Attestations that a frontend made itself. */
  readonly attested: ReadonlyMap<PlatformGraph, readonly Attestation[]>;
  /** What a frontend says to whoever started the build. */
  readonly metadata: Readonly<Record<string, string>>;
}

async function readDockerfile({ engine, session, request, inputs, images, job, askTarget }: FrontendWork): Promise<ReadGraph> {
  const dockerfile = parseDockerfile(inputs.dockerfile.text, { filename: inputs.dockerfile.filename });
  const options = graphOptions(request, inputs, engine.platform);
  const report = (diagnostic: Diagnostic): void => warnAbout(job, diagnostic, dockerfile.source);
  const resolver = createResolver(images, request.namedContexts ?? {}, session.deps, job, askTarget);
  const graph = await buildGraph(dockerfile, { ...options, report }, resolver, job.signal);
  return { graph, dockerfile: dockerfile.source, attested: new Map(), metadata: {} };
}

async function readForeign(frontend: ForeignFrontend, work: FrontendWork): Promise<ReadGraph> {
  const answer = await askFrontend(frontend, work);
  const graph = answeredGraph(answer);
  const attested = answer.parts.map(({ attestations }, index) => [graph.platforms[index] as PlatformGraph, attestations] as const);
  const told = [...answer.metadata].filter(([name]) => name.startsWith('frontend.'));
  return {
    graph,
    dockerfile: work.inputs.dockerfile,
    attested: new Map(attested.filter(([, attestations]) => attestations.length > 0)),
    metadata: Object.fromEntries(told.map(([name, value]) => [name, Buffer.from(value).toString()])),
  };
}

/**
 * Solves all that this build needs, together: targets and the trees after each instruction (their layers are the image's), gates, bases and
 * stages that `--all-stages` asks for. Nothing is exported unless all of it succeeds.
 */
async function solveGraph(session: BuildSession, graph: GraphResult, exported: boolean): Promise<void> {
  const targets = graph.platforms.flatMap(({ root }) => (root === undefined ? [] : [root]));
  const steps = graph.platforms.flatMap(({ history }) =>
    history.flatMap(({ output }) => (output === undefined || output === 'base' ? [] : [output])),
  );
  const beside = graph.platforms.flatMap(({ gates, extraStages }) =>
    [...gates, ...extraStages].flatMap(({ output }) => (output === undefined ? [] : [output])),
  );
  const bases = graph.platforms.flatMap(({ baseTree }) => (baseTree === undefined ? [] : [baseTree]));
  await session.solve(distinct([...targets, ...steps, ...beside, ...bases]), exported ? targets : []);
}

function distinct(edges: readonly GraphEdge[]): readonly GraphEdge[] {
  return [...new Map(edges.map((edge) => [`${edge.vertex.digest} ${edge.output}`, edge])).values()];
}

const NOWHERE = { start: { line: 0, column: 0 }, end: { line: 0, column: 0 } };

function warn(job: JobContext, message: string): void {
  job.progress({
    type: 'warning',
    diagnostic: { rule: 'Notice', severity: 'warning', message, range: NOWHERE },
    time: job.now().getTime(),
  });
}

function warnAbout(job: JobContext, diagnostic: Diagnostic, source: SourceText): void {
  if (diagnostic.severity !== 'error') job.progress({ type: 'warning', diagnostic, source, time: job.now().getTime() });
}
