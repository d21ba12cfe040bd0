// Waiting for what is about to come: calls of one client may overtake each other, and readers be ahead of a build.

/** Of the event loop, in which a call comes from its socket to whoever answers it. */
const TURNS = 3;

/** Those who wait for anything to arrive. */
export class Arrivals {
  readonly #waiting = new Set<() => void>();

  /** Something arrived: everybody looks again. */
  announce(): void {
    for (const wake of this.#waiting) wake();
  }

  /** What `find` finds, as soon as it does; undefined: not within `limitMs` milliseconds. Rejects with the signal's reason. */
  async await<T>(find: () => T | undefined, limitMs: number, signal: AbortSignal): Promise<T | undefined> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
    for (;;) {
      signal.throwIfAborted();
      const found = find();
      if (found !== undefined) return found;
      if (limit.aborted) break;
      await this.next(limit);
    }
    // It may be here, and we were too busy to hear of it: what lies unread is read before somebody is told that it did not come.
    for (let turn = 0; turn < TURNS; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
    return find();
  }

  /** Resolves at the next arrival, or when the signal is aborted. */
  next(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }
}
