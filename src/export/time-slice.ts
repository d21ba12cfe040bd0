// Synchronous file work in slices: fast as one run, but timers, signals and other work get their turn.

const SLICE_MS = 25;

/** Says when a slice is over. `await pause()` after each piece of work: mostly it returns at once. */
export class TimeSlices {
  readonly #signal: AbortSignal;
  #start = performance.now();

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Whether it is time to pause. */
  get over(): boolean {
    return performance.now() - this.#start > SLICE_MS;
  }

  /** Lets others run. Throws the signal's reason when the work was cancelled. */
  async pause(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#signal.throwIfAborted();
    this.#start = performance.now();
  }
}
