// The part of a graph that given outputs stand on.

import type { GraphEdge, GraphVertex } from '../graph/index.ts';

/** All vertices behind edges, inputs before their users. Without recursion: a graph may be deep. */
export function verticesBehind(edges: readonly GraphEdge[]): readonly GraphVertex[] {
  const done = new Set<GraphVertex>();
  const stack = edges.map(({ vertex }) => vertex).reverse();
  for (let vertex = stack.at(-1); vertex !== undefined; vertex = stack.at(-1)) {
    const before = stack.length;
    if (!done.has(vertex)) for (const { vertex: input } of vertex.inputs) if (!done.has(input)) stack.push(input);
    if (stack.length > before) continue;
    done.add(vertex);
    stack.pop();
  }
  return [...done];
}
