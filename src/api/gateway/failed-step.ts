// What a debugger needs to look around where a step failed: the step, and ids of its inputs and of what it left in its mounts.

import type { GraphEdge, GraphVertex } from '../engine.ts';
import { toRpcError, vertexOf } from '../failure.ts';
import { execJson, platformJson } from '../provenance/steps.ts';
import { detail, hasDetail, RpcError } from '../wire/rpc-error.ts';

/**
 * Adds that (`errdefs.Solve`) to the failure of a process behind `edges`. `share` gives an output an id; `left` knows what the step left in a
 * mount that it changed, for which its input stands where nothing was kept.
 */
export function withFailedStep(
  error: unknown,
  edges: readonly GraphEdge[],
  share: (output: GraphEdge) => string,
  left: (step: GraphVertex, mount: number) => GraphEdge | undefined,
): unknown {
  const digest = error instanceof Error ? vertexOf(error) : undefined;
  const vertex = digest === undefined ? undefined : find(edges, digest);
  if (vertex?.op.type !== 'exec') return error;
  const told = toRpcError(error);
  if (hasDetail(told, 'errdefs.Solve')) return error;
  const inputIDs = vertex.inputs.map(share);
  const mountIDs = vertex.op.mounts.map(({ input }, mount) => {
    const state = left(vertex, mount);
    return state === undefined ? (inputIDs[input] ?? '') : share(state);
  });
  const op = { exec: execJson(vertex.op), platform: platformJson(vertex.platform) };
  const step = detail('errdefs.Solve', { inputIDs, mountIDs, op });
  return new RpcError(told.code, told.message, [...told.details, step], { cause: error });
}

function find(edges: readonly GraphEdge[], digest: string): GraphVertex | undefined {
  const seen = new Set<GraphVertex>();
  const stack = edges.map(({ vertex }) => vertex);
  for (let vertex = stack.pop(); vertex !== undefined; vertex = stack.pop()) {
    if (vertex.digest === digest) return vertex;
    if (seen.has(vertex)) continue;
    seen.add(vertex);
    for (const input of vertex.inputs) stack.push(input.vertex);
  }
  return undefined;
}
