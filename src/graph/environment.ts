// The environment that expansion and RUN see: ENV and ARG in one ordered list, the last assignment of a name last.

/** Variables in order. Setting one again moves it to the end (LLB's order of `Meta.env`). */
export class Environment {
  readonly #values: Map<string, string>;

  /** Of equal names the last value counts, at the first one's place. */
  constructor(entries?: Iterable<readonly [string, string]>) {
    this.#values = new Map(entries);
  }

  get(name: string): string | undefined {
    return this.#values.get(name);
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  set(name: string, value: string): void {
    this.#values.delete(name);
    this.#values.set(name, value);
  }

  delete(name: string): void {
    this.#values.delete(name);
  }

  keys(): IterableIterator<string> {
    return this.#values.keys();
  }

  clone(): Environment {
    return new Environment(this.#values);
  }

  /** `NAME=value`, in order. */
  toList(): string[] {
    const list: string[] = [];
    for (const [name, value] of this.#values) list.push(`${name}=${value}`);
    return list;
  }
}

/** Splits `NAME=value`; no `=` gives an empty value. */
export function splitVariable(text: string): readonly [name: string, value: string] {
  const at = text.indexOf('=');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
