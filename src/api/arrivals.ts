// Waiting for what a client is about to send: calls of one client may overtake each other.

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
      if (found !== undefined || limit.aborted) return found;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          limit.removeEventListener('abort', wake);
          resolve();
        };
        this.#waiting.add(wake);
        limit.addEventListener('abort', wake, { once: true });
      });
    }
  }
}
