// What hears of a build is the caller's function, and may throw wherever something happens: inside a callback of a socket as well, where
// nobody could catch it. So it is caught where it is called, and ends the build as a signal does.

import type { ProgressEvent, ProgressSink } from '../base/index.ts';

/** A caller's function, and the signal that ends the build: the caller's own, or what the function threw. */
export class Hearing {
  readonly signal: AbortSignal;
  readonly #hear: ProgressSink;
  readonly #failed = new AbortController();

  constructor(hear: ProgressSink, signal?: AbortSignal) {
    this.#hear = hear;
    this.signal = signal === undefined ? this.#failed.signal : AbortSignal.any([signal, this.#failed.signal]);
  }

  /** Tells it, unless it has thrown before. */
  readonly progress = (event: ProgressEvent): void => {
    if (this.#failed.signal.aborted) return;
    try {
      this.#hear(event);
    } catch (error) {
      this.#failed.abort(error);
    }
  };

  /** Throws what it threw: perhaps nothing was left to be ended. */
  check(): void {
    this.#failed.signal.throwIfAborted();
  }
}
