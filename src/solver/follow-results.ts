// A key may have several results: two machines that are not deterministic, their records merged. The newest is taken first; when
// something after it is not known, perhaps it is known after another one.

import type { JobContext } from '../base/index.ts';
import { ancestors, dependents, hasRun, type Node } from './node.ts';
import { type CacheStore, NeedsBytes, type Output } from './types.ts';

/** How many combinations of results are tried for one miss. */
const TRIES = 32;

type Choices<O extends Output> = ReadonlyMap<Node<O>, string>;

/**
 * For a node whose key is not known: other results of vertices before it with which it would be, while nothing that is known now
 * would become unknown. Undefined: there are none. Only results that nobody's execution relies on are changed.
 */
export async function findBetterResults<O extends Output>(
  missed: Node<O>,
  store: CacheStore<O>,
  job: JobContext,
): Promise<Choices<O> | undefined> {
  const forks = [...ancestors(missed)].filter(isFork);
  if (forks.length === 0) return undefined;
  for (const choices of combinations(forks)) {
    const imagined = new Imagination(choices, store, job);
    if (await imagined.holds(missed)) return choices;
  }
  return undefined;
}

function isFork<O extends Output>(node: Node<O>): boolean {
  return node.phase === 'solved' && node.result?.how === 'hit' && node.hits.length > 1 && ![...dependents(node)].some(hasRun);
}

/** Fewest changes first. */
function* combinations<O extends Output>(forks: readonly Node<O>[]): Generator<Choices<O>> {
  const others = forks.map((fork) =>
    fork.hits.map(({ outputs }) => outputs[0]?.identity ?? '').filter((identity) => identity !== fork.result?.outputs[0]?.identity),
  );
  let tries = 0;
  let layer: { readonly from: number; readonly choices: Choices<O> }[] = [{ from: 0, choices: new Map() }];
  while (layer.length > 0) {
    const next: typeof layer = [];
    for (const { from, choices } of layer) {
      for (let index = from; index < forks.length; index += 1) {
        for (const identity of others[index] ?? []) {
          if ((tries += 1) > TRIES) return;
          const more = new Map(choices).set(forks[index] as Node<O>, identity);
          next.push({ from: index + 1, choices: more });
          yield more;
        }
      }
    }
    layer = next;
  }
}

/** The graph as it would be with other results of some nodes. */
class Imagination<O extends Output> {
  readonly #choices: Choices<O>;
  readonly #store: CacheStore<O>;
  readonly #job: JobContext;
  readonly #outputs = new Map<Node<O>, Promise<readonly O[] | undefined>>();
  readonly #touched: ReadonlySet<Node<O>>;

  constructor(choices: Choices<O>, store: CacheStore<O>, job: JobContext) {
    this.#choices = choices;
    this.#store = store;
    this.#job = job;
    this.#touched = new Set([...choices.keys()].flatMap((fork) => [fork, ...dependents(fork)]));
  }

  /** Whether `missed` would be known, and everything that is known now too. */
  async holds(missed: Node<O>): Promise<boolean> {
    if ((await this.#outputsOf(missed)) === undefined) return false;
    for (const node of this.#touched) {
      if (node.phase === 'solved' && (await this.#outputsOf(node)) === undefined) return false;
    }
    return true;
  }

  #outputsOf(node: Node<O>): Promise<readonly O[] | undefined> {
    if (!this.#touched.has(node)) return Promise.resolve(node.result?.outputs);
    let outputs = this.#outputs.get(node);
    if (outputs === undefined) this.#outputs.set(node, (outputs = this.#imagine(node)));
    return outputs;
  }

  async #imagine(node: Node<O>): Promise<readonly O[] | undefined> {
    const { op } = node.vertex;
    const inputs: O[] = [];
    for (const input of node.inputs) {
      const output = (await this.#outputsOf(input.node))?.[input.output];
      if (output === undefined) return undefined;
      inputs.push(output);
    }
    try {
      if (op.cacheable === false) return await op.exec(inputs, this.#job);
      const hits = await this.#store.lookup((await op.cacheMap(inputs, this.#job)).key, inputs, this.#job);
      const wanted = this.#choices.get(node);
      return (hits.find(({ outputs }) => outputs[0]?.identity === wanted) ?? hits[0])?.outputs;
    } catch (error) {
      if (error instanceof NeedsBytes) return undefined;
      throw error;
    }
  }
}
