// What a report says of a build beside its image: stages, what flowed between them, bytes of steps, test results of gates.
// Read off the graph and what the session knows; nothing is fetched for it.

import { type JobContext, SlipwayError } from '../base/index.ts';
import type { GraphEdge, GraphResult, GraphVertex, InstructionFacts, PlatformGraph, StageFacts as GraphStage } from '../graph/index.ts';
import { type ReportFlow, type ReportStage, shortImage, testResults, type TestSuite } from '../insight/index.ts';
import { formatPlatform } from '../oci/index.ts';
import type { RootFS } from '../snapshot/index.ts';
import type { Engine } from './engine.ts';
import { baseLayers } from './facts.ts';
import { parentOf, sourceName } from './insight-origins.ts';
import type { StageFacts } from './result.ts';
import type { BuildSession } from './session.ts';

/** Stages for a report, each platform's once. `rows`: the same stages as the build's result has them. */
export function reportStages(graph: GraphResult, rows: readonly StageFacts[]): readonly ReportStage[] {
  const gates = new Set(graph.platforms.flatMap((platform) => platform.gates.map(({ name }) => name)));
  const targets = new Set(graph.platforms.map(targetOf));
  const known = new Map<string, ReportStage>();
  for (const { name, index, platform, base, milliseconds, bytes, totalBytes } of rows) {
    const key = stageKey(name, platform);
    if (known.has(key)) continue;
    known.set(key, {
      ...{ name, index, platform, base, milliseconds, bytes },
      ...(totalBytes === undefined ? {} : { totalBytes }),
      ...(gates.has(name) ? { gate: true } : {}),
      ...(targets.has(name) ? { target: true } : {}),
    });
  }
  return [...known.values()];
}

/** Name of the stage that is a platform's image. */
function targetOf({ stages, root }: PlatformGraph): string | undefined {
  return stages.find(({ output }) => output !== undefined && root !== undefined && sameEdge(output, root))?.name;
}

/** What went into the stages. */
export function reportFlows(graph: GraphResult, stages: readonly ReportStage[], session: BuildSession): readonly ReportFlow[] {
  const places = new Map(stages.map(({ name, platform }, index) => [stageKey(name, platform), index]));
  const seen = new Set<number>();
  const flows: ReportFlow[] = [];
  for (const platform of graph.platforms) {
    for (const stage of platform.stages) {
      const to = places.get(stageKey(stage.name, formatPlatform(stage.platform)));
      if (to === undefined || seen.has(to)) continue;
      seen.add(to);
      const placeOf = (name: string): number | undefined => {
        const source = platform.stages.find((one) => one.name === name);
        return source === undefined ? undefined : places.get(stageKey(name, formatPlatform(source.platform)));
      };
      flows.push(...baseFlow(stage, platform, to, placeOf, session));
      for (const instruction of stage.instructions) flows.push(...instructionFlows(instruction, to, placeOf, session));
    }
  }
  return flows;
}

type PlaceOf = (name: string) => number | undefined;

function baseFlow(
  stage: GraphStage,
  { stages }: PlatformGraph,
  to: number,
  placeOf: PlaceOf,
  session: BuildSession,
): readonly ReportFlow[] {
  if (stage.base === 'scratch') return [];
  const parent = stages.find(({ index }) => index === stage.baseStage);
  const first = stage.instructions.flatMap(({ vertices }) => vertices)[0];
  const root = session.knownResult(parent?.output ?? (first === undefined ? stage.output : parentOf(first)));
  const bytes = root === undefined ? undefined : session.knownSizeOf(root.layers);
  const fromStage = parent === undefined ? undefined : placeOf(parent.name);
  return [
    {
      kind: 'base',
      from: parent?.name ?? shortImage(stage.base),
      ...(fromStage === undefined ? {} : { fromStage }),
      to,
      ...(bytes === undefined ? {} : { bytes }),
      line: stage.location.range.start.line,
    },
  ];
}

function instructionFlows(
  { vertices, text, location }: InstructionFacts,
  to: number,
  placeOf: PlaceOf,
  session: BuildSession,
): readonly ReportFlow[] {
  const flow = (kind: ReportFlow['kind'], source: GraphVertex, bytes: number | undefined): ReportFlow => {
    const from = source.op.type === 'source' ? shortImage(sourceName(source)) : (source.about.stage ?? source.about.name);
    const fromStage = source.op.type === 'source' ? undefined : placeOf(from);
    return {
      ...{ kind, from, to },
      ...(fromStage === undefined ? {} : { fromStage }),
      ...(bytes === undefined ? {} : { bytes }),
      line: location.range.start.line,
      instruction: text.length > 2000 ? `${text.slice(0, 2000)}…` : text,
    };
  };
  return vertices.flatMap((vertex): readonly ReportFlow[] => {
    const { op, inputs } = vertex;
    if (op.type === 'file') {
      const sources = distinct(op.actions.flatMap(({ secondaryInput }) => inputs[secondaryInput]?.vertex ?? []));
      // Of several sources in one step nobody knows whose bytes were whose.
      const bytes = sources.length === 1 ? madeBytes(vertex, session) : undefined;
      return sources.map((source) => flow('copy', source, bytes));
    }
    if (op.type !== 'exec') return [];
    const mounted = op.mounts.flatMap(({ dest, input, type }) => (type === 'bind' && dest !== '/' ? (inputs[input]?.vertex ?? []) : []));
    return distinct(mounted).map((source) => flow('mount', source, undefined));
  });
}

/** Bytes of the files of the layers that a step made; undefined when that is not known, or it makes none. */
export function madeBytes(vertex: GraphVertex, session: BuildSession): number | undefined {
  const root = session.knownResult({ vertex, output: rootOutput(vertex) });
  if (root === undefined) return undefined;
  const parent = parentOf(vertex);
  const below = parent === undefined ? 0 : (session.knownResult(parent)?.layers.length ?? 0);
  return session.knownSizeOf(root.layers.slice(below));
}

function rootOutput({ op }: GraphVertex): number {
  return op.type === 'exec' ? (op.mounts.find(({ dest }) => dest === '/')?.output ?? 0) : 0;
}

/** Test results in what the gate stages made. Files whose bytes are not here are passed over. */
export async function gateTests(engine: Engine, session: BuildSession, graph: GraphResult, job: JobContext): Promise<readonly TestSuite[]> {
  const suites: TestSuite[] = [];
  const seen = new Set<string>();
  for (const { gates, stages } of graph.platforms) {
    for (const { name, output } of gates) {
      const stage = stages.find((one) => one.name === name);
      const root = session.knownResult(output) ?? reached(stage, session);
      const key = `${name} ${root?.identity ?? ''}`;
      if (root === undefined || seen.has(key)) continue;
      seen.add(key);
      const own = root.layers.slice(stage === undefined ? 0 : baseLayers(stage, stages, session));
      suites.push(...(await suitesIn(engine, name, own, job)));
    }
  }
  return suites;
}

/** How far a stage came that was not built to its end. */
function reached(stage: GraphStage | undefined, session: BuildSession): RootFS | undefined {
  const vertices = stage?.instructions.flatMap((instruction) => instruction.vertices) ?? [];
  const last = vertices.findLast((vertex) => session.knownResult({ vertex, output: rootOutput(vertex) }) !== undefined);
  return last === undefined ? undefined : session.knownResult({ vertex: last, output: rootOutput(last) });
}

async function suitesIn(engine: Engine, stage: string, layers: RootFS['layers'], job: JobContext): Promise<readonly TestSuite[]> {
  if (!layers.every((layer) => engine.layers.get(layer.id)?.contentDigest !== undefined && engine.layers.hasBytes(layer))) return [];
  try {
    const tree = await engine.layers.tree(layers, 'index', job);
    const entries = await Promise.all(layers.map((layer) => engine.layers.index(layer, job)));
    const distinctPaths = new Map(entries.flatMap((index) => index.entries.map((entry) => [entry.path, entry] as const)));
    return testResults(stage, tree, distinctPaths.values());
  } catch (error) {
    job.signal.throwIfAborted();
    if (error instanceof SlipwayError) return [];
    throw error;
  }
}

function sameEdge(a: GraphEdge, b: GraphEdge): boolean {
  return a.vertex.digest === b.vertex.digest && a.output === b.output;
}

function distinct(vertices: readonly GraphVertex[]): readonly GraphVertex[] {
  return [...new Map(vertices.map((vertex) => [vertex.digest, vertex])).values()];
}

function stageKey(name: string, platform: string): string {
  return `${name} ${platform}`;
}
