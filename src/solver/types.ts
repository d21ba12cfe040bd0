// The engine's vocabulary. It knows nothing of containers: an output is something with an identity.

import type { Digest, JobContext, ProgressVertex, StepReason } from '../base/index.ts';
import type { PathList } from './path-list.ts';

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
  readonly resource: Resource;
  /**
   * False: the result belongs to one build and costs nothing to make again (a resolved image, layers stacked, a user's folder). It is
   * neither looked up nor kept, and its step counts as cached. Default: true.
   */
  readonly cacheable?: boolean;
  /**
   * The key. Called once the inputs are solved (their bytes may be absent). A key that needs an input's bytes (a path digest that
   * nobody remembers) rejects with `NeedsBytes` naming that input; the solver makes the producer execute and asks again.
   */
  cacheMap(inputs: readonly O[], job: JobContext): Promise<CacheMap>;
  /** Does the work. May reject with `NeedsBytes` when an input turns out to be remembered but absent, with `KeyChanged` to be keyed anew. */
  exec(inputs: readonly O[], job: JobContext): Promise<readonly O[]>;
  /** Whether a failure is the work's own: other builds that wait for the same work need not try it themselves. Default: never. */
  failsForAll?(error: unknown): boolean;
}

/** What an execution takes room of: processes, disk and processor for files, the network, or nothing worth counting. */
export type Resource = 'process' | 'files' | 'network' | 'none';

/** A key and what went into it, field by field, so that a miss can be explained. Names of fields: src/cache/README.md. */
export interface CacheMap {
  readonly key: Digest;
  /**
   * Same for the "same step" of another build: where the nearest earlier key is looked for. `<group>/<place>`: the group is what
   * stays when lines move (Dockerfile and stage), the place is the instruction's kind and number in it.
   */
  readonly step: string;
  readonly fields: readonly KeyField[];
  /** Facts that are in no key but help to explain one: the base's config, the ignore patterns. */
  readonly notes?: readonly KeyField[];
}

/** One ingredient of a key. `value` is safe to keep and show (a digest where the name looks secret). */
export interface KeyField {
  /** `command`, `arg FOO`, `files`, `input 0`, … */
  readonly name: string;
  readonly value: string;
  /** What `value` is a digest of, path by path. Called only when the step is going to run. */
  readonly list?: () => PathList;
}

/** A path whose content is part of a key, as an item of a `PathList`. */
export interface ListedPath {
  /** As the user would write it. */
  readonly path: string;
  readonly kind: 'file' | 'dir' | 'symlink' | 'other';
  /** Digest of a file's bytes, target of a symlink; empty for the rest. */
  readonly content: string;
  readonly mode: number;
  /** `uid:gid`, when it counts. */
  readonly owner?: string;
}

/** A known result of a key. */
export interface CacheHit<O extends Output> {
  readonly outputs: readonly O[];
  readonly createdAt: number;
}

/** Where a step stands when its reason is asked for. */
export interface StepContext {
  /** When this build began, milliseconds since the epoch: what ran later is no earlier run. */
  readonly since: number;
  readonly vertex: ProgressVertex;
  readonly inputs: readonly StepInput[];
}

/** One input of a step, for its reason. */
export interface StepInput {
  readonly vertex: ProgressVertex;
  /** It has no inputs of its own: an image, a context, a download. */
  readonly source: boolean;
  /** It was executed in this build. */
  readonly executed: boolean;
  /** Why, when it was. */
  readonly reason?: StepReason;
}

/** Where results are kept. Implemented above; a memory one serves the tests. */
export interface CacheStore<O extends Output> {
  /**
   * Results of a key, best first (newest of this store). Empty: a miss. Never throws for a broken record: that is a miss. `inputs` are
   * the vertex's, from which outputs that build on an input are put together.
   */
  lookup(key: Digest, inputs: readonly O[], job: JobContext): Promise<readonly CacheHit<O>[]>;
  /**
   * Keeps a result under a key. Returns what stands for it from now on: an older layer's bytes when identity is the same
   * (unless `replace`, which also drops the older results).
   */
  save(
    map: CacheMap,
    inputs: readonly O[],
    outputs: readonly O[],
    options: { readonly replace: boolean },
    job: JobContext,
  ): Promise<readonly O[]>;
  /** Why there was no result: compares with the nearest earlier key of the same step. May be asked when the step runs already. */
  explain(map: CacheMap, step: StepContext, job: JobContext): Promise<StepReason>;
  /** Remembers that an execution began, or how it ended without a result (`withdrawn`: it never really began). Must not throw. */
  note(map: CacheMap, outcome: 'started' | 'failed' | 'canceled' | 'withdrawn', step: StepContext, job: JobContext): Promise<void>;
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

/** What a step was keyed on changed before it was done: it is keyed anew, once in a build. `cause` is what is said the second time. */
export class KeyChanged extends Error {
  override readonly name = 'KeyChanged';

  constructor(cause: Error) {
    super(`internal: keyed on what is no more: ${cause.message}`, { cause });
  }
}
