// A small world for the engine's tests: vertices that read parts of each other, bytes that can be lost, a cache in memory, and a
// scheduler that lets waiting work go on in a random order.

import { canonicalJson, type Digest, digestOf, type JobContext, type StepReason } from '../../base/index.ts';
import type { CacheHit, CacheMap, CacheStore, Edge, Op, Output, Vertex } from '../index.ts';
import { NeedsBytes } from '../index.ts';

/** mulberry32: a small seeded generator; the seed is printed when a test fails. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Two paths of content; `tokens` stand for the bytes. */
export interface Tree extends Output {
  readonly content: { readonly a: string; readonly b: string };
  readonly tokens: readonly string[];
  /** What it was made from, input by input: the identity, or the content of one path. */
  readonly madeFrom: readonly string[];
}

/** How an input is used: the whole of it, or one path. */
export type Use = 'whole' | 'a' | 'b';

/** What a vertex does, as data. */
export interface Spec {
  readonly name: string;
  readonly inputs: readonly { readonly index: number; readonly use: Use }[];
  /** Changes the key and the content. */
  readonly text: string;
  readonly kind: 'step' | 'source' | 'merge';
  /** Content of path `a` differs in every run. */
  readonly random: boolean;
  readonly ignoreCache: boolean;
  readonly fails: boolean;
}

/** Lets waiters go on one by one, in an order drawn from `draw`. */
export class Shuffler {
  readonly #draw: () => number;
  readonly #waiting: (() => void)[] = [];
  #pumping = false;

  constructor(draw: () => number) {
    this.#draw = draw;
  }

  turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (!this.#pumping) {
        this.#pumping = true;
        setImmediate(() => this.#pump());
      }
    });
  }

  #pump(): void {
    const [next] = this.#waiting.splice(Math.floor(this.#draw() * this.#waiting.length), 1);
    next?.();
    if (this.#waiting.length > 0) setImmediate(() => this.#pump());
    else this.#pumping = false;
  }
}

/** Which bytes exist, what is remembered about paths, and what was counted. */
export class World {
  readonly shuffler: Shuffler;
  readonly bytes = new Set<string>();
  readonly paths = new Map<string, string>();
  readonly results = new Map<Digest, CacheHit<Tree>[]>();
  /** Finished or failed executions: key and job. */
  readonly executions: { readonly key: Digest; readonly name: string }[] = [];
  running = 0;
  locks = 0;
  #clock = 0;
  #runs = 0;

  constructor(draw: () => number) {
    this.shuffler = new Shuffler(draw);
  }

  hasBytes = (tree: Tree): boolean => tree.tokens.every((token) => this.bytes.has(token));

  time(): number {
    return (this.#clock += 1);
  }

  /** Forgets some bytes and records. */
  lose(draw: () => number, share: number): void {
    for (const token of [...this.bytes]) if (draw() < share) this.bytes.delete(token);
    for (const key of [...this.results.keys()]) if (draw() < share / 3) this.results.delete(key);
    for (const path of [...this.paths.keys()]) if (draw() < share / 3) this.paths.delete(path);
  }

  copy(draw: () => number): World {
    const world = new World(draw);
    for (const token of this.bytes) world.bytes.add(token);
    for (const [key, value] of this.paths) world.paths.set(key, value);
    for (const [key, value] of this.results) world.results.set(key, [...value]);
    world.#clock = this.#clock;
    world.#runs = this.#runs;
    return world;
  }

  /** The key of a spec over its inputs. Throws NeedsBytes. */
  keyOf(spec: Spec, inputs: readonly Tree[]): Digest {
    const parts = spec.inputs.map(({ use }, index) => this.#part(inputs[index] as Tree, use, index));
    return digestOf(canonicalJson([spec.kind, spec.text, spec.random, spec.fails, spec.inputs.map(({ use }) => use), parts]));
  }

  /** What a step makes. Throws NeedsBytes when bytes it reads are absent. */
  make(spec: Spec, inputs: readonly Tree[]): Tree {
    if (spec.kind === 'merge') {
      return tree(
        spec,
        inputs,
        { a: inputs.map(({ content }) => content.a).join('|'), b: spec.text },
        inputs.flatMap(({ tokens }) => tokens),
      );
    }
    const lacking = inputs.findIndex((input) => !this.hasBytes(input));
    if (lacking >= 0) throw new NeedsBytes(lacking);
    const run = `run ${(this.#runs += 1)}`;
    this.bytes.add(run);
    const read = spec.inputs.map(({ use }, index) => partOf(inputs[index] as Tree, use));
    const base = spec.inputs[0]?.use === 'whole' ? (inputs[0]?.tokens ?? []) : [];
    const content = { a: spec.random ? run : digestOf(canonicalJson(['a', spec.text, read])), b: digestOf(`b ${spec.text}`) };
    return tree(spec, inputs, content, [...base, run]);
  }

  #part(input: Tree, use: Use, index: number): string {
    if (use === 'whole') return input.identity;
    const known = this.paths.get(`${input.identity} ${use}`);
    if (known !== undefined) return known;
    if (!this.hasBytes(input)) throw new NeedsBytes(index);
    this.paths.set(`${input.identity} ${use}`, input.content[use]);
    return input.content[use];
  }
}

function tree(spec: Spec, inputs: readonly Tree[], content: Tree['content'], tokens: readonly string[]): Tree {
  const madeFrom = spec.inputs.map(({ use }, index) => partOf(inputs[index] as Tree, use));
  return { identity: digestOf(canonicalJson([spec.kind, madeFrom, content])), content, tokens, madeFrom };
}

/** The part of an input that a use looks at. */
export function partOf(input: Tree, use: Use): string {
  return use === 'whole' ? input.identity : input.content[use];
}

/** The world's cache: a same identity keeps the older result while its bytes are there. */
export class WorldCache implements CacheStore<Tree> {
  readonly #world: World;
  readonly #locks = new Map<Digest, Promise<unknown>>();

  constructor(world: World) {
    this.#world = world;
  }

  async lookup(key: Digest): Promise<readonly CacheHit<Tree>[]> {
    await this.#world.shuffler.turn();
    return [...(this.#world.results.get(key) ?? [])];
  }

  async save(
    { key }: CacheMap,
    _inputs: readonly Tree[],
    outputs: readonly Tree[],
    { replace }: { readonly replace: boolean },
  ): Promise<readonly Tree[]> {
    await this.#world.shuffler.turn();
    return keep(this.#world, key, outputs, replace);
  }

  explain(): Promise<StepReason> {
    return Promise.resolve({ cause: 'first', text: 'new' });
  }

  note(): Promise<void> {
    return Promise.resolve();
  }

  async exclusive<T>(key: Digest, job: JobContext, work: () => Promise<T>): Promise<T> {
    for (let other = this.#locks.get(key); other !== undefined; other = this.#locks.get(key)) await other;
    job.signal.throwIfAborted();
    this.#world.locks += 1;
    const running = work();
    const settled = running
      .catch(() => {})
      .finally(() => {
        this.#world.locks -= 1;
        this.#locks.delete(key);
      });
    this.#locks.set(key, settled);
    return await running;
  }
}

/** What `save` means, for the cache and for the reference. */
export function keep(world: World, key: Digest, outputs: readonly Tree[], replace: boolean): readonly Tree[] {
  const known = world.results.get(key) ?? [];
  const same = known.find((hit) => hit.outputs[0]?.identity === outputs[0]?.identity);
  if (same !== undefined && !replace && same.outputs.every(world.hasBytes)) return same.outputs;
  const others = replace ? [] : known.filter((hit) => hit !== same);
  world.results.set(key, [{ outputs, createdAt: world.time() }, ...others]);
  return outputs;
}

/** Vertices of specs. `salt` tells builds' progress ids apart. */
export function verticesOf(specs: readonly Spec[], world: World): readonly Vertex<Tree>[] {
  const vertices: Vertex<Tree>[] = [];
  for (const spec of specs) {
    const inputs: Edge<Tree>[] = spec.inputs.map(({ index }) => ({ vertex: vertices[index] as Vertex<Tree>, output: 0 }));
    const digest = digestOf(
      canonicalJson({
        spec: { ...spec, name: '', inputs: spec.inputs.map(({ use }) => use) },
        inputs: inputs.map(({ vertex }) => vertex.digest),
      }),
    );
    vertices.push({
      digest,
      inputs,
      op: opOf(spec, world),
      progress: { id: digest, name: spec.name, inputs: [] },
      ignoreCache: spec.ignoreCache,
    });
  }
  return vertices;
}

function opOf(spec: Spec, world: World): Op<Tree> {
  return {
    resource: spec.kind === 'step' ? 'process' : 'none',
    cacheable: spec.kind === 'step',
    cacheMap: async (inputs, job) => {
      await world.shuffler.turn();
      job.signal.throwIfAborted();
      return { key: world.keyOf(spec, inputs), step: `test/${spec.name}`, fields: [] };
    },
    exec: async (inputs, job) => {
      world.running += 1;
      try {
        await world.shuffler.turn();
        const made = world.make(spec, inputs); // NeedsBytes comes before anything is done
        if (spec.kind === 'step') world.executions.push({ key: world.keyOf(spec, inputs), name: spec.name });
        await world.shuffler.turn();
        await world.shuffler.turn();
        job.signal.throwIfAborted();
        if (spec.fails) throw new Error(`${spec.name} fails`);
        return [made];
      } finally {
        world.running -= 1;
      }
    },
  };
}
