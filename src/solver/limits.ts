// Places for executions: so many of each resource at a time, and when there are too few, the longest path goes first.

import type { Resource } from './types.ts';

/** How many executions of each resource may run at a time. `none` is never limited. */
export interface SolverLimits {
  readonly process: number;
  readonly files: number;
  readonly network: number;
}

interface Waiting {
  readonly priority: number;
  /** Among equals, first come first served. */
  readonly turn: number;
  readonly grant: () => void;
}

/** The places of one solver, shared by its jobs. */
export class Places {
  readonly #free: Record<Resource, number>;
  readonly #waiting: Record<Resource, Waiting[]> = { process: [], files: [], network: [], none: [] };
  #turn = 0;

  constructor(limits: SolverLimits) {
    this.#free = { ...limits, none: Infinity };
  }

  /** Waits for a place; the returned function gives it back. Rejects with `signal.reason`. */
  async acquire(resource: Resource, priority: number, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#free[resource] > 0) this.#free[resource] -= 1;
    else await this.#wait(resource, priority, signal);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const next = takeFirst(this.#waiting[resource]);
      if (next === undefined) this.#free[resource] += 1;
      else next.grant();
    };
  }

  #wait(resource: Resource, priority: number, signal: AbortSignal): Promise<void> {
    const queue = this.#waiting[resource];
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        queue.splice(queue.indexOf(waiting), 1);
        reject(signal.reason as Error);
      };
      const waiting: Waiting = {
        priority,
        turn: (this.#turn += 1),
        grant: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      queue.push(waiting);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}

function takeFirst(queue: Waiting[]): Waiting | undefined {
  let best = 0;
  for (let index = 1; index < queue.length; index += 1) {
    const [a, b] = [queue[index] as Waiting, queue[best] as Waiting];
    if (a.priority > b.priority || (a.priority === b.priority && a.turn < b.turn)) best = index;
  }
  return queue.splice(best, 1)[0];
}
