// What a debugger needs to look around where a step failed: the step, and ids of its inputs and of what it left in its mounts.

import { fromBinary, toJson } from '@bufbuild/protobuf';
import type { GraphEdge, GraphVertex } from '../engine.ts';
import { toRpcError, vertexOf } from '../failure.ts';
import { OpSchema } from '../gen/llb_pb.ts';
import { encodeGraph } from '../llb/encode.ts';
import { detail, hasDetail, RpcError } from '../wire/rpc-error.ts';

/**
 * Adds that (`errdefs.Solve`) to the failure of a step behind `edges`. `share` gives an output an id; `left` knows what a process left in a
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
  if (vertex === undefined || (vertex.op.type !== 'exec' && vertex.op.type !== 'file')) return error;
  const told = toRpcError(error);
  if (hasDetail(told, 'errdefs.Solve')) return error;
  const inputIDs = vertex.inputs.map(share);
  const mounts = vertex.op.type === 'exec' ? vertex.op.mounts : [];
  const mountIDs = mounts.map(({ input }, mount) => {
    const state = left(vertex, mount);
    return state === undefined ? (inputIDs[input] ?? '') : share(state);
  });
  const step = detail('errdefs.Solve', { inputIDs, mountIDs, op: opJson(vertex) });
  return new RpcError(told.code, told.message, [...told.details, step], { cause: error });
}

/** The step as it is in the definition that clients get of us: they find it there by the digest of its bytes. */
function opJson(vertex: GraphVertex): object {
  const { definition } = encodeGraph({ vertex, output: 0 });
  // The last one says which output is the result.
  return toJson(OpSchema, fromBinary(OpSchema, definition.def.at(-2) as Uint8Array)) as object;
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
