// Which paths of the user's folders the steps of a build take: BuildKit is sent no others.

import type { BytePath } from '../base/index.ts';
import type { FileAction, GraphEdge, GraphVertex } from '../graph/index.ts';
import { verticesBehind } from './vertices-behind.ts';

/** Paths and globs by the name of the folder, of everything that the edges need. */
export function takenPaths(edges: readonly GraphEdge[]): ReadonlyMap<string, readonly BytePath[]> {
  const taken = new Map<string, BytePath[]>();
  const take = (from: GraphVertex | undefined, paths: readonly BytePath[]): void => {
    if (from?.op.type !== 'source' || from.op.source.kind !== 'local') return;
    const { name } = from.op.source;
    const known = taken.get(name);
    if (known === undefined) taken.set(name, [...paths]);
    else known.push(...paths);
  };
  for (const { op, inputs } of verticesBehind(edges)) {
    if (op.type === 'file') for (const { action, secondaryInput } of op.actions) take(inputs[secondaryInput]?.vertex, sourcesOf(action));
    else if (op.type === 'exec') for (const { input, selector } of op.mounts) take(inputs[input]?.vertex, [selector]);
  }
  return taken;
}

function sourcesOf(action: FileAction['action']): readonly BytePath[] {
  if (action.kind !== 'copy') return [];
  return action.includePatterns.length === 0 ? [action.src] : action.includePatterns.map((pattern) => `${action.src}/${pattern}`);
}
