// Which paths of the user's folders the steps of a build take: BuildKit is sent no others.

import type { BytePath } from '../base/index.ts';
import type { FileAction, GraphEdge, GraphVertex } from '../graph/index.ts';

/** Paths and globs by the name of the folder, of everything that the edges need. */
export function takenPaths(edges: readonly GraphEdge[]): ReadonlyMap<string, readonly BytePath[]> {
  const taken = new Map<string, BytePath[]>();
  const visited = new Set<GraphVertex>();
  const take = (from: GraphVertex | undefined, paths: readonly BytePath[]): void => {
    if (from?.op.type !== 'source' || from.op.source.kind !== 'local') return;
    const { name } = from.op.source;
    taken.set(name, [...(taken.get(name) ?? []), ...paths]);
  };
  const visit = (vertex: GraphVertex): void => {
    if (visited.has(vertex)) return;
    visited.add(vertex);
    for (const { vertex: input } of vertex.inputs) visit(input);
    const { op, inputs } = vertex;
    if (op.type === 'file') for (const { action, secondaryInput } of op.actions) take(inputs[secondaryInput]?.vertex, sourcesOf(action));
    else if (op.type === 'exec') for (const { input, selector } of op.mounts) take(inputs[input]?.vertex, [selector]);
  };
  for (const { vertex } of edges) visit(vertex);
  return taken;
}

function sourcesOf(action: FileAction['action']): readonly BytePath[] {
  if (action.kind !== 'copy') return [];
  return action.includePatterns.length === 0 ? [action.src] : action.includePatterns.map((pattern) => `${action.src}/${pattern}`);
}
