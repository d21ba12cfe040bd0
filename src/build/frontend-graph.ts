// A frontend's answer as a graph like that of a Dockerfile: what is built in evaluates, solves and exports the same.

import type { GraphEdge, GraphResult, PlatformGraph } from '../graph/index.ts';
import type { ImageConfig, Platform } from '../oci/index.ts';
import type { FrontendAnswer, FrontendPart } from './foreign-frontend.ts';
import { verticesBehind } from './vertices-behind.ts';

/** The graph of an answer. It has stages only where the built-in frontend did the work. */
export function answeredGraph({ parts, single }: FrontendAnswer): GraphResult {
  return {
    platforms: parts.map(platformGraph),
    multiPlatform: !single,
    vertices: verticesBehind(parts.flatMap(({ edge, graph }) => [...(edge === undefined ? [] : [edge]), ...outputsOf(graph)])),
    diagnostics: [],
  };
}

function platformGraph({ platform, edge, config, graph, baseLayers, epoch }: FrontendPart): PlatformGraph {
  if (graph !== undefined) return { ...graph, ...(config === undefined ? {} : { config }) };
  const given = config ?? emptyConfig(platform);
  return {
    platform,
    root: edge,
    config: given,
    history: (given.history ?? []).map((entry) => ({ entry, output: undefined })),
    countedFrom: baseLayers,
    stages: [],
    gates: [],
    extraStages: [],
    contextPaths: undefined,
    namedContextPaths: new Map(),
    sbom: { context: undefined, stages: [] },
    outline: { name: undefined, description: undefined, args: [], secrets: [], ssh: [] },
    ...(epoch === undefined ? {} : { epoch }),
  };
}

/** A config for files that nobody said more of. */
export function emptyConfig({ architecture, os, variant }: Platform): ImageConfig {
  return { architecture, os, ...(variant === undefined ? {} : { variant }), rootfs: { type: 'layers', diff_ids: [] } };
}

/** Outputs that are solved beside the target: steps whose layers the history tells, bills of materials. */
function outputsOf(graph: PlatformGraph | undefined): readonly GraphEdge[] {
  if (graph === undefined) return [];
  const steps = graph.history.flatMap(({ output }) => (output === undefined || output === 'base' ? [] : [output]));
  const scanned = [graph.sbom.context, ...graph.sbom.stages.map(({ output }) => output)];
  return [...steps, ...scanned.flatMap((edge) => edge ?? [])];
}
