// Two ends of one call, in memory: what one sends the other reads.

import type { RpcStream } from '../wire/channel.ts';
import { RpcError } from '../wire/rpc-error.ts';

class Queue {
  readonly #items: Buffer[] = [];
  #ended = false;
  #wake: () => void = () => {};
  failed: unknown;

  push(item: Uint8Array): void {
    this.#items.push(Buffer.from(item));
    this.#wake();
  }

  end(error?: unknown): void {
    this.failed ??= error;
    this.#ended = true;
    this.#wake();
  }

  async *read(): AsyncGenerator<Buffer> {
    for (;;) {
      const item = this.#items.shift();
      if (item !== undefined) yield item;
      else if (this.failed !== undefined) throw this.failed as Error;
      else if (this.#ended) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

/** The two ends. */
export function streamPair(): readonly [RpcStream, RpcStream] {
  const there = new Queue();
  const back = new Queue();
  const end = (out: Queue, into: Queue): RpcStream => ({
    send: (message) => {
      if (out.failed !== undefined) return Promise.reject(out.failed);
      out.push(message);
      return Promise.resolve();
    },
    closeSend: () => out.end(),
    messages: into.read(),
    cancel: () => {
      out.end(new RpcError('canceled', 'given up'));
      into.end(new RpcError('canceled', 'given up'));
    },
  });
  return [end(there, back), end(back, there)];
}
