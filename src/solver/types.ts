// The engine's vocabulary. It knows nothing of containers: an output is something with an identity.

import type { Digest, JobContext, ProgressVertex } from '../base/index.ts';

/** Output of a vertex. Its identity is known even when its bytes are nowhere at hand. */
export interface Output {
  /** Equal identities may stand for each other in every key. */
  readonly identity: Digest;
}

/** A node of the solver's graph. Equal digests mean equal work. */
export interface Vertex<O extends Output> {
  readonly digest: string;
  readonly inputs: readonly Edge<O>[];
  readonly op: Op<O>;
  readonly progress: ProgressVertex;
  /** Execute though a result is known (`--no-cache`); joined only inside one build. */
  readonly ignoreCache: boolean;
}

export interface Edge<O extends Output> {
  readonly vertex: Vertex<O>;
  readonly output: number;
}

/** Two questions, kept apart: how is it keyed, how is it run. */
export interface Op<O extends Output> {
  /** Which limit counts its execution. */
  readonly resource: 'process' | 'files' | 'network' | 'none';
  /** False: `exec` costs nothing (an image's layers become known, trees are stacked); no result is looked up, saved or explained. Default true. */
  readonly cacheable?: boolean;
  /**
   * The key. Called once the inputs are solved (their bytes may be absent). A key that needs an input's bytes (a path digest that
   * nobody remembers) rejects with `NeedsBytes` naming that input; the solver makes the producer execute and asks again.
   */
  cacheMap(inputs: readonly O[], job: JobContext): Promise<CacheMap>;
  /** Does the work. May reject with `NeedsBytes` when an input turns out to be remembered but absent. */
  exec(inputs: readonly O[], job: JobContext): Promise<readonly O[]>;
}

/** A key and what went into it, field by field, so that a miss can be explained. */
export interface CacheMap {
  readonly key: Digest;
  /**
   * Same for the "same step" of another build (stage name, instruction kind, position): where the nearest earlier key is looked for.
   */
  readonly step: string;
  readonly fields: readonly KeyField[];
}

/** One ingredient of a key. `value` is safe to keep and show (a digest where the name looks secret). */
export interface KeyField {
  /** `command`, `env FOO`, `file src/a.ts`, `base`, … */
  readonly name: string;
  readonly value: string;
}

/** A known result of a key. */
export interface CacheHit<O extends Output> {
  readonly outputs: readonly O[];
  readonly createdAt: number;
}

/** Where results are kept. Implemented above; a memory one serves the tests. */
export interface CacheStore<O extends Output> {
  /** Results of a key, best first (newest of this store). Empty: a miss. Never throws for a broken record: that is a miss. */
  lookup(key: Digest, job: JobContext): Promise<readonly CacheHit<O>[]>;
  /**
   * Keeps a result under a key. Returns what stands for it from now on: an older layer's bytes when identity is the same
   * (unless `replace`).
   */
  save(map: CacheMap, outputs: readonly O[], options: { readonly replace: boolean }, job: JobContext): Promise<readonly O[]>;
  /** Why there was no result: compares with the nearest earlier key of the same step. */
  explain(map: CacheMap, job: JobContext): Promise<import('../base/index.ts').StepReason>;
  /** Runs `work` while no other process executes the same key; when another one did meanwhile, its result is in the store. */
  exclusive<T>(key: Digest, job: JobContext, work: () => Promise<T>): Promise<T>;
}

/** An input is remembered but its bytes are nowhere: its producer must execute in this build. */
export class NeedsBytes extends Error {
  override readonly name = 'NeedsBytes';
  /** Index into the asking vertex's inputs. */
  readonly input: number;

  constructor(input: number) {
    super(`internal: input ${input} is known but its bytes are absent`);
    this.input = input;
  }
}
