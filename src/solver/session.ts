// What several calls of `solve` for one build have in common: each vertex is solved once in it, whoever asks, however often.

import type { Execution } from './execution.ts';
import type { Node, NodeResult } from './node.ts';
import type { Output } from './types.ts';

/** What became of a node, kept for the next call. */
export type SolvedNode<O extends Output> = Pick<Node<O>, 'result' | 'hits' | 'map' | 'startedAt' | 'completedAt' | 'reason' | 'forces'>;

/** Memory of one build. Made by its owner, handed to every `solve` of it. */
export class SolveSession<O extends Output> {
  /** What was executed, by key: results to be joined, failures not to be repeated. */
  readonly executed: Map<string, NodeResult<O> | { readonly failure: unknown }>;
  /** Executions that still run, by key: those that it began, or a build that it is made together with. */
  readonly running: Map<string, Execution<O>>;
  /** All that these began. */
  readonly own: WeakSet<Execution<O>>;
  /** Solved vertices, by digest. */
  readonly solved = new Map<string, SolvedNode<O>>();
  /** Executions that it began itself and that still run. */
  readonly #begun = new Set<Execution<O>>();
  /** When its first call came, milliseconds since the epoch. */
  began: number | undefined;

  /**
   * `beside`: a build that this one is made together with. What one of them executes is the others' too, even where the cache is to be
   * ignored; vertices are each build's own, for equal ones may stand on different folders.
   */
  constructor(beside?: SolveSession<O>) {
    this.executed = beside?.executed ?? new Map();
    this.running = beside?.running ?? new Map();
    this.own = beside?.own ?? new WeakSet();
  }

  /**
   * Settles when nothing that it began runs any more; undefined: so it is already. What other builds want goes on when this one is over, and
   * works with what this one was given.
   */
  afterwards(): Promise<unknown> | undefined {
    return this.#begun.size === 0 ? undefined : Promise.all([...this.#begun].map(({ ended }) => ended));
  }

  /** Takes in an execution that it begins. */
  begin(key: string, execution: Execution<O>): void {
    this.#begun.add(execution);
    this.running.set(key, execution);
    void execution.ended.then(() => {
      this.#begun.delete(execution);
      if (this.running.get(key) === execution) this.running.delete(key);
    });
  }

  /** Gives a node what an earlier call made of its vertex. */
  recall(node: Node<O>): void {
    const known = this.solved.get(node.vertex.digest);
    if (known !== undefined) Object.assign(node, known, { phase: 'solved' });
  }

  remember({ vertex, result, hits, map, startedAt, completedAt, reason, forces }: Node<O>): void {
    this.solved.set(vertex.digest, { result, hits, map, startedAt, completedAt, reason, forces });
  }

  forget({ vertex }: Node<O>): void {
    this.solved.delete(vertex.digest);
  }
}
