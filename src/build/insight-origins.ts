// What made every layer of a build: read off the graph and kept with the image.

import { hideLogin } from '../base/index.ts';
import type { GraphEdge, GraphResult, GraphVertex, PlatformGraph } from '../graph/index.ts';
import type { ImageOrigins, LayerOrigin, StageOrigin } from '../insight/index.ts';
import { formatPlatform } from '../oci/index.ts';
import type { OutputResult } from '../export/index.ts';
import { shownUrl } from '../source/index.ts';
import type { Engine } from './engine.ts';
import type { BuildSession } from './session.ts';

/** Where origins are kept: records by the hex of the manifest's digest. */
export const ORIGINS = 'origins';

/** Keeps origins for every manifest that was made and has none yet. */
export async function recordOrigins(
  engine: Engine,
  session: BuildSession,
  graph: GraphResult,
  results: readonly OutputResult[],
  filename: string,
): Promise<void> {
  const records = engine.store.records(ORIGINS);
  for (const platform of graph.platforms) {
    const name = formatPlatform(platform.platform);
    const digests = new Set(
      results.flatMap(({ manifests = [] }) =>
        manifests.flatMap((made) => (formatPlatform(made.platform) === name ? [made.descriptor.digest] : [])),
      ),
    );
    const wanted = [...digests].map((digest) => digest.slice(digest.indexOf(':') + 1)).filter((hex) => !records.use(hex));
    if (wanted.length === 0) continue;
    const origins = originsOf(session, platform, filename);
    for (const hex of wanted) records.writeJson(hex, origins);
  }
}

/** Origins of one platform, and of the stages it was built from. */
export function originsOf(session: BuildSession, graph: PlatformGraph, filename: string): ImageOrigins {
  const target = graph.stages.find(
    ({ output }) => output !== undefined && graph.root !== undefined && edgeName(output) === edgeName(graph.root),
  );
  const stages = graph.stages.map(({ name, output }): StageOrigin => ({ name, layers: layersOf(session, output) }));
  return {
    version: 1,
    platform: formatPlatform(graph.platform),
    filename,
    ...(target === undefined ? {} : { stage: target.name }),
    layers: layersOf(session, graph.root),
    stages,
  };
}

/** A root and what it stands on, the base first. */
function chainOf(root: GraphEdge | undefined): readonly GraphEdge[] {
  const chain: GraphEdge[] = [];
  for (let edge = root; edge !== undefined; edge = parentOf(edge.vertex)) chain.push(edge);
  return chain.reverse();
}

function layersOf(session: BuildSession, root: GraphEdge | undefined): readonly LayerOrigin[] {
  const origins: LayerOrigin[] = [];
  for (const edge of chainOf(root)) {
    const layers = session.knownResult(edge)?.layers ?? [];
    const about = originOf(edge.vertex);
    for (const { id } of layers.slice(origins.length)) origins.push({ id, ...about });
  }
  return origins;
}

/** The file system that a step changes. */
export function parentOf({ op, inputs }: GraphVertex): GraphEdge | undefined {
  switch (op.type) {
    case 'exec':
      return inputs[op.mounts.find(({ dest }) => dest === '/')?.input ?? -1];
    case 'file':
      return inputs[op.actions[0]?.input ?? -1];
    case 'merge':
      return inputs[0];
    case 'pass':
      return inputs[op.of];
    case 'source':
    case 'diff':
      return undefined;
  }
}

function originOf(vertex: GraphVertex): Omit<LayerOrigin, 'id'> {
  const { op, about, inputs } = vertex;
  if (op.type === 'source') return { base: sourceName(vertex) };
  const copies = op.type === 'merge' ? inputs.slice(1).map((edge) => edge.vertex) : [vertex];
  const from = [...new Set(copies.flatMap(copiedFrom))];
  return {
    ...(about.stage === undefined ? {} : { stage: about.stage }),
    ...(about.location === undefined ? {} : { line: about.location.range.start.line }),
    ...(about.instruction === undefined ? {} : { instruction: about.instruction }),
    ...(from.length === 0 ? {} : { from }),
  };
}

function copiedFrom({ op, inputs }: GraphVertex): readonly string[] {
  if (op.type !== 'file') return [];
  return op.actions.flatMap(({ secondaryInput }) => {
    const vertex = inputs[secondaryInput]?.vertex;
    if (vertex === undefined) return [];
    return vertex.op.type === 'source' ? [sourceName(vertex)] : vertex.about.stage === undefined ? [] : [vertex.about.stage];
  });
}

/** What a source is, for people. */
export function sourceName({ op, about }: GraphVertex): string {
  if (op.type !== 'source') return about.name;
  const { source } = op;
  switch (source.kind) {
    case 'image':
    case 'oci-layout':
      return source.ref;
    case 'local':
      return source.name === 'context' ? 'the build context' : `context ${source.name}`;
    case 'git':
      return hideLogin(source.remote);
    case 'http':
      return shownUrl(source.url);
  }
}

function edgeName({ vertex, output }: GraphEdge): string {
  return `${vertex.digest} ${output}`;
}
