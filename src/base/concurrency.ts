// Named limits and joined work.

/** At most `limit` holders at a time, first come first served. */
export class Semaphore {
  #free: number;
  readonly #waiting: { grant: () => void }[] = [];

  constructor(limit: number) {
    this.#free = limit;
  }

  /** Waits for a place. The returned function gives it back (once; further calls do nothing). Rejects with `signal.reason`. */
  async acquire(signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted();
    if (this.#free > 0) this.#free -= 1;
    else await this.#wait(signal);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next.grant();
    };
  }

  /** Runs `work` while holding a place. */
  async use<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const release = await this.acquire(signal);
    try {
      return await work();
    } finally {
      release();
    }
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter = {
        grant: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(signal?.reason as Error);
      };
      this.#waiting.push(waiter);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }
}

/** Work under way, and what its caller may be stopped by. */
interface Flight<T> {
  readonly outcome: Promise<T>;
  readonly signal: AbortSignal | undefined;
}

/**
 * Runs each key once at a time: callers that come while it runs share its outcome. Not that its caller was stopped, though: one of those
 * that still want it runs it then.
 */
export class SingleFlight<K, T> {
  readonly #running = new Map<K, Flight<T>>();

  /** `signal`: what stops this caller, and its `work` with it. */
  run(key: K, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const running = this.#running.get(key);
    if (running !== undefined) return this.#joined(running, key, work, signal);
    const outcome = work().finally(() => this.#running.delete(key));
    this.#running.set(key, { outcome, signal });
    return outcome;
  }

  async #joined(running: Flight<T>, key: K, work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    try {
      return await running.outcome;
    } catch (error) {
      if (running.signal?.aborted !== true || running.signal === signal) throw error;
      signal?.throwIfAborted();
      return await this.run(key, work, signal);
    }
  }
}

/** `Promise.all` over a map with at most `limit` at a time; the first failure rejects after the running ones settled. */
export async function mapLimit<T, R>(items: readonly T[], limit: number, work: (item: T, index: number) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array<R>(items.length);
  let next = 0;
  let failure: { error: unknown } | undefined;
  const lane = async (): Promise<void> => {
    while (next < items.length && failure === undefined) {
      const index = next++;
      try {
        results[index] = await work(items[index] as T, index);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane));
  if (failure !== undefined) throw failure.error;
  return results;
}

/** Waits for work that does not fail, at most `limitMs` milliseconds; what it then does goes on. */
export async function waitAtMost(work: Promise<unknown>, limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([work, new Promise((resolve) => (timer = setTimeout(resolve, limitMs)))]);
  clearTimeout(timer);
}
