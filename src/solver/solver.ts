// The engine: many builds at once, one execution for each key.

import type { JobContext } from '../base/index.ts';
import type { Execution } from './execution.ts';
import { Places, type SolverLimits } from './limits.ts';
import { type Shared, Solve, type SolveOptions } from './solve.ts';
import type { CacheStore, Edge, Output } from './types.ts';
import type { VertexFacts } from './vertex-facts.ts';

/** What a build gives when it succeeds. */
export interface Solution<O extends Output> {
  /** One for each root, in their order. */
  readonly outputs: readonly O[];
  readonly facts: readonly VertexFacts<O>[];
}

/** Solves graphs. Jobs of one solver share its limits and whatever they both need. */
export class Solver<O extends Output> {
  readonly #shared: Shared<O>;

  constructor(store: CacheStore<O>, limits: SolverLimits) {
    const places = new Places(limits);
    this.#shared = { store, places, running: new Map<string, Execution<O>>() };
  }

  /**
   * Makes the outputs of some edges known, executing what is not. Rejects with the first cause of failure, with `BuildErrors` for several, or
   * with the job's abort reason; by then nothing runs any more that only this job wanted. `onFacts` hears what became of every
   * vertex in any case.
   */
  async solve(
    roots: readonly Edge<O>[],
    job: JobContext,
    options: SolveOptions<O> & { readonly onFacts?: (facts: readonly VertexFacts<O>[]) => void } = {},
  ): Promise<Solution<O>> {
    const solve = new Solve(this.#shared, roots, job, options);
    try {
      const outputs = await solve.run();
      return { outputs, facts: solve.facts() };
    } finally {
      options.onFacts?.(solve.facts());
    }
  }
}
