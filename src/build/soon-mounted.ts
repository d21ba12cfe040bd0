// Which results a process is going to see: what must be fetched to look into them is unpacked in the same pass.

import type { GraphEdge, GraphVertex } from '../graph/index.ts';

/** Digests of the vertices whose outputs are mounted by a step that the edges need, as they are or with changes on top. */
export function soonMounted(edges: readonly GraphEdge[]): ReadonlySet<string> {
  const mounted = new Set<string>();
  const visited = new Set<GraphVertex>();
  const visit = (vertex: GraphVertex): void => {
    if (visited.has(vertex)) return;
    visited.add(vertex);
    for (const { vertex: input } of vertex.inputs) visit(input);
    if (vertex.op.type !== 'exec') return;
    for (const { input } of vertex.op.mounts) mark(vertex.inputs[input]?.vertex, mounted);
  };
  for (const { vertex } of edges) visit(vertex);
  return mounted;
}

/** Marks a result and those that it is made on. What a step made is left out: that the step ran is why its root is a folder already. */
function mark(vertex: GraphVertex | undefined, mounted: Set<string>): void {
  if (vertex === undefined || mounted.has(vertex.digest) || vertex.op.type === 'exec') return;
  mounted.add(vertex.digest);
  const { op, inputs } = vertex;
  if (op.type === 'file') for (const { input } of op.actions) mark(inputs[input]?.vertex, mounted);
  else if (op.type !== 'source') for (const { vertex: input } of inputs) mark(input, mounted);
}
