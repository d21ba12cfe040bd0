// Lifetime is syntax: `using` and `await using`. Node 20 has the symbols; the stack class it lacks is here.

/** Disposes what was handed to it, last first. One failure does not stop the others; the first one is thrown at the end. */
export class AsyncDisposableStack implements AsyncDisposable {
  #items: (() => unknown)[] = [];

  /** Takes over a resource and returns it. */
  use<T extends AsyncDisposable | Disposable>(resource: T): T {
    this.defer(() => (Symbol.asyncDispose in resource ? resource[Symbol.asyncDispose]() : resource[Symbol.dispose]()));
    return resource;
  }

  /** Calls `release` at the end. */
  defer(release: () => unknown): void {
    this.#items.push(release);
  }

  /** Hands everything to a new stack; this one is empty afterwards. */
  move(): AsyncDisposableStack {
    const moved = new AsyncDisposableStack();
    moved.#items = this.#items;
    this.#items = [];
    return moved;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    let failure: { error: unknown } | undefined;
    for (let release = this.#items.pop(); release !== undefined; release = this.#items.pop()) {
      try {
        await release();
      } catch (error) {
        failure ??= { error };
      }
    }
    if (failure !== undefined) throw failure.error;
  }
}
