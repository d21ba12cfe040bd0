// What an execution does around the op: its place, the lock of its key, the reason, the record.

import type { JobContext, StepReason } from '../base/index.ts';
import type { ExecutionResult, ExecutionScope } from './execution.ts';
import type { Places } from './limits.ts';
import type { Node } from './node.ts';
import { type CacheMap, type CacheStore, KeyChanged, NeedsBytes, type Output, type StepContext } from './types.ts';

/** Makes the work of executions. One for each solver. */
export class Steps<O extends Output> {
  readonly #store: CacheStore<O>;
  readonly #places: Places;

  constructor(store: CacheStore<O>, places: Places) {
    this.#store = store;
    this.#places = places;
  }

  /** The work for a node as it stands now. `wantedAt` (ms): a result that another process made later than this can be adopted even by who must execute. `since`: when the build began. */
  workFor(
    node: Node<O>,
    map: CacheMap,
    inputs: readonly O[],
    wantedAt: number,
    since: number,
  ): (scope: ExecutionScope) => Promise<ExecutionResult<O>> {
    const { vertex, height } = node;
    const { op } = vertex;
    const forcedBy = node.forcedBy === node ? 'the result of the build' : node.forcedBy?.vertex.progress.name;
    const { ignoreCache } = node;
    const mustExecute = ignoreCache || node.forcedBy !== undefined;
    const context = contextOf(node, since);

    const place = async <T>(scope: ExecutionScope, work: () => Promise<T>): Promise<T> => {
      const leave = await this.#places.acquire(op.resource, height, scope.job.signal);
      try {
        scope.job.signal.throwIfAborted();
        return await work();
      } finally {
        leave();
      }
    };

    if (op.cacheable === false) {
      return (scope) =>
        place(scope, async () => {
          scope.started();
          return { outputs: await op.exec(inputs, scope.job), adopted: false };
        });
    }
    return (scope) =>
      this.#store.exclusive(map.key, scope.job, async () => {
        const hit = ignoreCache ? undefined : (await this.#store.lookup(map.key, inputs, scope.job))[0];
        if (hit !== undefined && (!mustExecute || hit.createdAt > wantedAt)) return { outputs: hit.outputs, adopted: true };
        return await place(scope, async () => {
          const explain = once(async () => {
            const reason = await this.#reason(map, context, ignoreCache, forcedBy, scope.job);
            scope.explained(reason);
            return reason;
          });
          // A process is not kept waiting for what can be found out while it runs.
          if (op.resource !== 'process') await explain();
          scope.started();
          const job: JobContext = { ...scope.job, onWaiting: () => void setImmediate(() => void explain().catch(() => {})) };
          const outputs = await this.#run(map, context, () => op.exec(inputs, job), job).catch(async (error: unknown) => {
            await explain();
            throw error;
          });
          const reason = await explain();
          return { outputs: await this.#store.save(map, inputs, outputs, { replace: ignoreCache }, scope.job), adopted: false, reason };
        });
      });
  }

  async #run(map: CacheMap, step: StepContext, exec: () => Promise<readonly O[]>, job: JobContext): Promise<readonly O[]> {
    await this.#store.note(map, 'started', step, job);
    try {
      return await exec();
    } catch (error) {
      const outcome = error instanceof NeedsBytes || error instanceof KeyChanged ? 'withdrawn' : job.signal.aborted ? 'canceled' : 'failed';
      await this.#store.note(map, outcome, step, job);
      throw error;
    }
  }

  async #reason(
    map: CacheMap,
    step: StepContext,
    ignoreCache: boolean,
    forcedBy: string | undefined,
    job: JobContext,
  ): Promise<StepReason> {
    if (ignoreCache) return { cause: 'no-cache', text: 'it was asked to run without the cache' };
    if (forcedBy === undefined) return await this.#store.explain(map, step, job);
    return {
      cause: 'bytes-absent',
      text: `its result is known, but its files are not here (pruned, or a cache that came without them), and ${forcedBy} needs them`,
    };
  }
}

/** Does it when it is first asked for. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= work());
}

function contextOf<O extends Output>(node: Node<O>, since: number): StepContext {
  return {
    since,
    vertex: node.vertex.progress,
    inputs: node.inputs.map(({ node: { vertex, inputs, result } }) => ({
      vertex: vertex.progress,
      source: inputs.length === 0,
      executed: result?.how === 'executed',
      ...(result?.how === 'executed' && result.reason !== undefined && { reason: result.reason }),
    })),
  };
}
