// Which running builds have which results. A client may build on the result of a build that it has not finished yet (linked targets of
// bake, services of compose). The steps of that result want the secrets, agents and folders of the build that they are from.

import type { GraphEdge } from '../engine.ts';

/** Makes sure an output is there, in the build that it is from. */
export type SolveInOwner = (edge: GraphEdge) => Promise<void>;

/** Of each output the builds that have it as their result now. */
export class ResultOwners {
  readonly #owners = new Map<string, Set<SolveInOwner>>();

  /** Remembers whose result the output is; the returned function forgets. */
  register(edge: GraphEdge, solve: SolveInOwner): () => void {
    const key = edgeKey(edge);
    const owners = this.#owners.get(key) ?? new Set();
    owners.add(solve);
    this.#owners.set(key, owners);
    return () => {
      owners.delete(solve);
      if (owners.size === 0) this.#owners.delete(key);
    };
  }

  /** The build that the output is from, while it runs. Of several the first. */
  find(edge: GraphEdge): SolveInOwner | undefined {
    return [...(this.#owners.get(edgeKey(edge)) ?? [])][0];
  }
}

function edgeKey({ vertex, output }: GraphEdge): string {
  return `${vertex.digest} ${output}`;
}
