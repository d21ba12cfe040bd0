// The part of a graph that given outputs stand on.

import type { GraphEdge, GraphVertex } from '../graph/index.ts';

/** All vertices behind edges, inputs before their users. Without recursion: a graph may be deep. */
export function verticesBehind(edges: readonly GraphEdge[]): readonly GraphVertex[] {
  const done = new Set<GraphVertex>();
  const stack = edges.map(({ vertex }) => vertex).reverse();
  for (let vertex = stack.at(-1); vertex !== undefined; vertex = stack.at(-1)) {
    const missing = vertex.inputs.map((input) => input.vertex).filter((input) => !done.has(input));
    if (missing.length > 0) stack.push(...missing);
    else {
      done.add(vertex);
      stack.pop();
    }
  }
  return [...done];
}
