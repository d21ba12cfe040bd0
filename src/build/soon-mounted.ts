// Which results a process is going to see: what must be fetched to look into them is unpacked in the same pass.

import type { GraphEdge, GraphVertex } from '../graph/index.ts';
import { verticesBehind } from './vertices-behind.ts';

/** Digests of the vertices whose outputs are mounted by a step that the edges need, as they are or with changes on top. */
export function soonMounted(edges: readonly GraphEdge[]): ReadonlySet<string> {
  const mounted = new Set<string>();
  for (const { op, inputs } of verticesBehind(edges)) {
    if (op.type !== 'exec') continue;
    for (const { input } of op.mounts) mark(inputs[input]?.vertex, mounted);
  }
  return mounted;
}

/** Marks a result and those that it is made on. What a step made is left out: that the step ran is why its root is a folder already. */
function mark(root: GraphVertex | undefined, mounted: Set<string>): void {
  const open = [root];
  while (open.length > 0) {
    const vertex = open.pop();
    if (vertex === undefined || mounted.has(vertex.digest) || vertex.op.type === 'exec') continue;
    mounted.add(vertex.digest);
    const { op, inputs } = vertex;
    if (op.type === 'file') for (const { input } of op.actions) open.push(inputs[input]?.vertex);
    else if (op.type !== 'source') for (const { vertex: input } of inputs) open.push(input);
  }
}
