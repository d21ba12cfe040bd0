// Results in memory: for tests of ops and engine.

import type { Digest, JobContext, StepReason } from '../base/index.ts';
import type { CacheHit, CacheMap, CacheStore, Output, StepContext } from './types.ts';

/** A CacheStore that forgets everything with the process. Several solvers on one stand for several processes on one store. */
export class MemoryCache<O extends Output> implements CacheStore<O> {
  readonly results = new Map<Digest, CacheHit<O>[]>();
  readonly #locks = new Map<Digest, Promise<unknown>>();
  #clock = 0;

  lookup(key: Digest, _inputs: readonly O[], _job: JobContext): Promise<readonly CacheHit<O>[]> {
    return Promise.resolve([...(this.results.get(key) ?? [])]);
  }

  save({ key }: CacheMap, _inputs: readonly O[], outputs: readonly O[], { replace }: { readonly replace: boolean }): Promise<readonly O[]> {
    const known = this.results.get(key) ?? [];
    const same = known.find((hit) => hit.outputs.every((output, index) => output.identity === outputs[index]?.identity));
    if (same !== undefined && !replace) return Promise.resolve(same.outputs);
    this.results.set(key, [{ outputs, createdAt: (this.#clock += 1) }, ...(replace ? [] : known)]);
    return Promise.resolve(outputs);
  }

  explain(_map: CacheMap, _step: StepContext): Promise<StepReason> {
    return Promise.resolve({ cause: 'first', text: 'no earlier run of this step is known' });
  }

  note(): Promise<void> {
    return Promise.resolve();
  }

  async exclusive<T>(key: Digest, job: JobContext, work: () => Promise<T>): Promise<T> {
    for (let other = this.#locks.get(key); other !== undefined; other = this.#locks.get(key)) await other;
    job.signal.throwIfAborted();
    const running = work();
    const settled = running.catch(() => {}).finally(() => this.#locks.delete(key));
    this.#locks.set(key, settled);
    return await running;
  }
}
