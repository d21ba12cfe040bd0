// The environment that expansion and RUN see: ENV and ARG in one ordered list, the last assignment of a name last.

/**
 * Variables in order. Setting one again moves it to the end (LLB's order of `Meta.env`). (Its members are no private names, of which each
 * costs a look-up at every use.)
 */
export class Environment {
  /** `NAME=value` by name. */
  readonly variables: Map<string, string>;
  /** `toList` as it was last asked for; a file has many steps that see the same. */
  list: readonly string[] | undefined;

  /** Of equal names the last value counts, at the first one's place. */
  constructor(entries?: Iterable<readonly [string, string]>) {
    this.variables = new Map();
    this.list = undefined;
    if (entries !== undefined) for (const [name, value] of entries) this.variables.set(name, `${name}=${value}`);
  }

  get(name: string): string | undefined {
    return this.variables.get(name)?.slice(name.length + 1);
  }

  has(name: string): boolean {
    return this.variables.has(name);
  }

  set(name: string, value: string): void {
    this.enter(name, `${name}=${value}`);
  }

  /** The same with `text`, which is `NAME=value`. */
  enter(name: string, text: string): void {
    this.list = undefined;
    this.variables.delete(name);
    this.variables.set(name, text);
  }

  /** The same with each `NAME=value`; without `=` the value is empty. */
  addAll(texts: readonly string[]): void {
    this.list = undefined;
    const variables = this.variables;
    texts.forEach((text) => {
      const at = text.indexOf('=');
      const name = at < 0 ? text : text.slice(0, at);
      variables.delete(name);
      variables.set(name, at < 0 ? `${text}=` : text);
    });
  }

  delete(name: string): void {
    this.list = undefined;
    this.variables.delete(name);
  }

  keys(): IterableIterator<string> {
    return this.variables.keys();
  }

  clone(): Environment {
    const copy = new Environment();
    this.variables.forEach((text, name) => copy.variables.set(name, text)); // a map made of a map makes a list of each entry
    copy.list = this.list;
    return copy;
  }

  /** What `addAll` makes of a copy. */
  cloneWith(texts: readonly string[]): Environment {
    const added = new Environment();
    added.addAll(texts);
    const copy = new Environment();
    // A map has its entries in the order in which they came: to set one again at its end means a larger map every time.
    this.variables.forEach((text, name) => {
      if (!added.has(name)) copy.variables.set(name, text);
    });
    if (copy.variables.size === 0) return added;
    added.variables.forEach((text, name) => copy.variables.set(name, text));
    return copy;
  }

  /** `NAME=value`, in order. The same list as long as nothing changes: by it one can tell that nothing did. */
  toList(): readonly string[] {
    return (this.list ??= [...this.variables.values()]);
  }
}
