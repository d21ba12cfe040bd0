// From what a frontend returned to the client's outputs: solved, put together, sent where the client wants it.

import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type JobContext, mapLimit } from '../../base/index.ts';
import {
  type DiffID,
  emptyConfig,
  type ExportContext,
  exportOutput,
  fileBytes,
  type ExportSource,
  finishConfig,
  type ImageConfig,
  type Layer,
  lineUp,
  lineUpPlain,
  type OutputPlan,
  type OutputResult,
  outputTitle,
  planOutputs,
  type PlatformResult,
  type RootFS,
  treeOf,
  withInlineCache,
} from '../../build/parts.ts';
import type { CacheEntry, ExportOutcome, FinishedResult, OutputRequest } from '../backend.ts';
import { partsOf, readEpoch, type Part } from './result-parts.ts';
import { attestationsOf, historyPredicates, isAttested } from './attest.ts';
import type { LocalBuild } from './build.ts';

/** Solves what the outputs need, makes them together, sends each to the client, and writes the caches. */
export async function exportResult(
  build: LocalBuild,
  result: FinishedResult,
  outputs: readonly OutputRequest[],
  cacheExports: readonly CacheEntry[],
): Promise<ExportOutcome> {
  const parts = partsOf(build, result);
  await using temporary = build.engine.store.temp.folder('export');
  const folder = temporary.path;
  const attested = isAttested(result, parts);
  const plans = outputs.map((output) => planOne(output, result, parts, folder, attested));
  const epoch = parts.find((part) => part.epoch !== undefined)?.epoch;
  const caches = build.caches.plan(cacheExports, epoch);
  await build.caches.ready();
  build.caches.expect(caches);
  await solveParts(build, parts, plans.length > 0);
  const roots = parts.flatMap(({ edge }) => edge ?? []);
  build.caches.prepare(caches, roots, epoch);
  const made = new Map<Part, PlatformResult>();
  const layersOf = (part: Part): readonly string[] => made.get(part)?.layers.map(({ id }) => id) ?? [];
  const attestations = await attestationsOf(build, result, parts, layersOf);
  for (const part of parts) made.set(part, { ...platformResult(build, part, caches.inline), attestations: attestations.get(part) ?? [] });
  const source: ExportSource = {
    platforms: [...made.values()],
    ...(!result.single && { asIndex: true }),
  };
  // When one fails, the others come to their end before what they write into is gone.
  const results = await mapLimit(plans, 4, (plan, index) => runOutput(build, plan, outputs[index] as OutputRequest, source, folder));
  const cached = await build.caches.export(caches, roots, epoch);
  return {
    response: Object.assign(cached, ...results.map((one) => responseOf(one))) as Record<string, string>,
    documents: new Map(
      results.flatMap(({ descriptor, document, parts = [] }, index) =>
        descriptor === undefined || document === undefined
          ? []
          : [[outputs[index]?.index ?? index, { mediaType: descriptor.mediaType, bytes: document, parts }] as const],
      ),
    ),
    provenance: await historyPredicates(build, result, parts),
  };
}

/** Outputs that are images. */
const ANNOTATED: ReadonlySet<string> = new Set(['image', 'registry', 'oci', 'docker']);

/** Annotations that the frontend wants, as an output's attributes. */
function frontendAnnotations({ metadata }: FinishedResult): Record<string, string> {
  const wanted = [...metadata].filter(([key]) => /^annotation[-.]/.test(key));
  return Object.fromEntries(wanted.map(([key, value]) => [key, Buffer.from(value).toString()]));
}

/** Outputs that go to the client are made here first. */
function planOne(output: OutputRequest, result: FinishedResult, parts: readonly Part[], folder: string, attested: boolean): OutputPlan {
  const type = output.type === 'moby' ? 'image' : output.type;
  const attributes: Record<string, string> = { ...(ANNOTATED.has(type) && frontendAnnotations(result)), ...output.attributes };
  if (type === 'local') attributes['dest'] = join(folder, `${output.index}`);
  if (type === 'tar' || type === 'oci' || type === 'docker')
    attributes['dest'] = join(folder, `${output.index}${attributes['tar'] === 'false' ? '' : '.tar'}`);
  // Given but empty: no epoch, whatever the frontend says.
  const given = attributes['source-date-epoch'];
  const epoch = given === undefined ? parts[0]?.epoch : given === '' ? undefined : readEpoch(given);
  if (given === '') delete attributes['source-date-epoch'];
  const plans = planOutputs([{ type: type as OutputPlan['type'], attributes }], {
    tags: [],
    annotations: [],
    multiPlatform: !result.single,
    attested,
    stdoutIsTerminal: false,
    ...(epoch !== undefined && { epoch }),
  });
  const plan = plans[0];
  if (plan === undefined) throw new Error(`internal: output ${type} has no plan`);
  return plan;
}

async function solveParts(build: LocalBuild, parts: readonly Part[], exported: boolean): Promise<void> {
  const roots = parts.flatMap(({ edge }) => edge ?? []);
  const steps = parts.flatMap(({ graph }) =>
    [graph?.baseTree, ...(graph?.history ?? []).map(({ output }) => (output === 'base' ? undefined : output))].flatMap(
      (edge) => edge ?? [],
    ),
  );
  const gates = parts.flatMap(({ graph }) => (graph?.gates ?? []).flatMap(({ output }) => output ?? []));
  const edges = [...new Map([...roots, ...steps, ...gates].map((edge) => [`${edge.vertex.digest} ${edge.output}`, edge])).values()];
  build.gate.check(edges);
  if (edges.length > 0) await build.session.solve(edges, exported ? roots : []);
}

function platformResult(build: LocalBuild, part: Part, inline: boolean): PlatformResult {
  const root: RootFS | undefined = part.edge === undefined ? undefined : build.session.resultOf(part.edge);
  const config = part.config ?? part.graph?.config ?? emptyConfig(part.platform);
  const withCache = (made: ImageConfig, all: readonly Layer[], diffIds: readonly DiffID[], epoch: number | undefined): ImageConfig =>
    inline ? withInlineCache(made, build.engine, build.session, all, diffIds, epoch) : made;
  const layers = root?.layers ?? [];
  // A date that the output names counts before the frontend's.
  const linedUp = (epoch: number | undefined): ReturnType<typeof lineUp> =>
    part.graph === undefined
      ? lineUpPlain(config.history ?? [], layers, part.baseLayers, epoch)
      : lineUp(
          part.graph.history,
          root,
          part.graph.baseConfig?.rootfs.diff_ids.length ?? 0,
          (edge) => build.session.resultOf(edge),
          epoch,
          part.graph.treeName,
          part.graph.baseTree,
        );
  const lined = linedUp(part.epoch);
  return {
    platform: part.platform,
    layers: lined.layers,
    baseLayers: lined.baseLayers,
    config: (diffIds: readonly DiffID[], epoch = part.epoch) => {
      const { history } = epoch === part.epoch ? lined : linedUp(epoch);
      return withCache(finishConfig(config, history, diffIds), lined.layers, diffIds, epoch);
    },
    tree: () => treeOf(root, 0, 'bytes', build.session.deps, build.job),
  };
}

async function runOutput(
  build: LocalBuild,
  plan: OutputPlan,
  output: OutputRequest,
  source: ExportSource,
  folder: string,
): Promise<OutputResult> {
  return build.shown(outputTitle(plan), async (id) => {
    const asker = await build.client.peer(build.job.signal);
    const context: ExportContext = {
      layers: build.engine.layers,
      store: build.engine.store,
      registry: () => build.registry,
      asker,
      job: build.job,
      status: ({ name, ...status }) => build.job.progress({ type: 'status', id, status: name, ...status, time: build.job.now().getTime() }),
    };
    const made = await exportOutput(plan, source, context);
    await sendOutput(build, plan, output, made, folder);
    return made;
  });
}

async function sendOutput(build: LocalBuild, plan: OutputPlan, output: OutputRequest, made: OutputResult, folder: string): Promise<void> {
  const { client, job } = build;
  if (plan.type === 'image') return;
  const path = join(folder, `${output.index}`);
  if (plan.type === 'local') {
    mkdirSync(path, { recursive: true });
    await client.sendFolder(output.index, path, job.signal);
    return;
  }
  if (plan.target.kind === 'folder') {
    await sendLayout(build, path, job);
    return;
  }
  const facts = Object.fromEntries(Object.entries(responseOf(made)));
  await client.sendFile(output.index, facts, fileBytes(`${path}.tar`), job.signal);
}

/** The blobs of a layout into the client's content store; the client writes the index itself. */
async function sendLayout(build: LocalBuild, path: string, job: JobContext): Promise<void> {
  const content = build.client.content('export');
  const blobs = join(path, 'blobs', 'sha256');
  for (const name of readdirSync(blobs)) {
    const file = join(blobs, name);
    const size = readFileSize(file);
    await content.write(`sha256:${name}`, size, fileBytes(file), job.signal);
  }
}

function readFileSize(file: string): number {
  return statSync(file).size;
}

/** The keys that clients know an exporter's answer by. */
function responseOf(made: OutputResult): Record<string, string> {
  const response: Record<string, string> = {};
  if (made.descriptor !== undefined) {
    response['containerimage.digest'] = made.descriptor.digest;
    response['containerimage.descriptor'] = Buffer.from(JSON.stringify(made.descriptor)).toString('base64');
  }
  if (made.configDigest !== undefined) response['containerimage.config.digest'] = made.configDigest;
  if (made.names.length > 0) response['image.name'] = made.names.join(',');
  return response;
}
