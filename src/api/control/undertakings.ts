// What a server does for its clients at the moment: it is given up when the server ends, with a reason that the clients hear.

import { waitAtMost } from '../../base/index.ts';
import { RpcError } from '../wire/rpc-error.ts';

/** Builds and calls that take long. */
export class Undertakings {
  readonly #running = new Set<Promise<unknown>>();
  readonly #end = new AbortController();

  /** Does `work` until it is done, the client is `gone`, or the server ends: its signal is aborted then, with the reason. */
  async run<T>(gone: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#end.signal.throwIfAborted();
    // Listeners that are taken off again: a signal joined from one that lives as long as the server would stay in its list.
    const abort = new AbortController();
    const onGone = (): void => abort.abort(gone.reason);
    const onEnd = (): void => abort.abort(this.#end.signal.reason);
    gone.addEventListener('abort', onGone, { once: true });
    this.#end.signal.addEventListener('abort', onEnd, { once: true });
    if (gone.aborted) onGone();
    const running = work(abort.signal);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
      gone.removeEventListener('abort', onGone);
      this.#end.signal.removeEventListener('abort', onEnd);
    }
  }

  /** Gives everything up and waits for it, at most `limitMs`. Resolves with whether there was anything. */
  async end(limitMs: number): Promise<boolean> {
    const reason = new RpcError('unavailable', 'the server was told to end before this was done; try again when it is back');
    this.#end.abort(reason);
    if (this.#running.size === 0) return false;
    await waitAtMost(Promise.allSettled([...this.#running]), limitMs);
    return true;
  }
}
