// One build: every vertex is keyed as soon as its inputs are solved, looked up, and executed when nothing is known.
// An event-driven machine: state changes only in synchronous methods here; answers that come for an earlier epoch of a node are
// dropped. When an input's bytes turn out to be absent, its producer must execute, and everything after it is keyed anew: one
// result per vertex per build.

import { setMaxListeners } from 'node:events';
import { BuildErrors, type JobContext, locate, SlipwayError } from '../base/index.ts';
import { Execution, type Interest, type Listener, Released } from './execution.ts';
import { findBetterResults } from './follow-results.ts';
import { dependents, gatherNodes, hasRun, inputOutputs, type Node, type NodeResult } from './node.ts';
import type { Places } from './limits.ts';
import { SolveSession } from './session.ts';
import { Steps } from './steps.ts';
import { factsOf, stateOf, type VertexFacts } from './vertex-facts.ts';
import { type CacheMap, type CacheStore, type Edge, KeyChanged, NeedsBytes, type Output } from './types.ts';

/** How often a result may be found without bytes again and again before the store counts as broken. */
const FORCE_LIMIT = 8;

/** How one build wants to be solved. */
export interface SolveOptions<O extends Output> {
  /** The build that this call is a part of; default: it is all of the build. */
  readonly session?: SolveSession<O>;
  /** What this build knows, where that is more than what all builds do (caches that it imports). Default: the solver's. */
  readonly store?: CacheStore<O>;
  /**
   * How long, in milliseconds, running steps may go on after the first failure: what fails soon after it is reported with it. Then they are
   * given up. Default: until they end.
   */
  readonly failureGraceMs?: number;
  /** Whether bytes of an output are here or can be fetched. Default: assumed. */
  readonly hasBytes?: (output: O) => boolean;
  /** The outputs of the roots (true: all; else those of these vertex digests) are going to be read: a root whose bytes are absent executes. */
  readonly rootsNeedBytes?: boolean | ReadonlySet<string>;
}

/** What the builds of one solver share. */
export interface Shared<O extends Output> {
  readonly store: CacheStore<O>;
  readonly places: Places;
  /** Executions that builds may share, by key. */
  readonly running: Map<string, Execution<O>>;
}

/** The machine of one build. Made for one `run`. */
export class Solve<O extends Output> {
  readonly #shared: Shared<O>;
  readonly #store: CacheStore<O>;
  readonly #steps: Steps<O>;
  readonly #roots: readonly Edge<O>[];
  readonly #nodes: readonly Node<O>[];
  readonly #rootNodes: ReadonlySet<Node<O>>;
  readonly #job: JobContext;
  readonly #options: SolveOptions<O>;
  /** Ends questions (keys, look-ups) of this build. */
  readonly #scope = new AbortController();
  readonly #scoped: JobContext;
  readonly #session: SolveSession<O>;
  readonly #began: number;
  readonly #failures = new Set<Error>();
  readonly #tasks = new Set<Promise<void>>();
  /** Executions that this build takes part in. */
  readonly #mine = new Set<Execution<O>>();
  #stopping = false;
  #grace: NodeJS.Timeout | undefined;
  #finish: () => void = () => {};

  constructor(shared: Shared<O>, roots: readonly Edge<O>[], job: JobContext, options: SolveOptions<O>) {
    this.#shared = shared;
    this.#store = options.store ?? shared.store;
    this.#steps = new Steps(this.#store, shared.places);
    this.#roots = roots;
    this.#nodes = gatherNodes(roots);
    const digests = new Set(roots.map(({ vertex }) => vertex.digest));
    this.#rootNodes = new Set(this.#nodes.filter(({ vertex }) => digests.has(vertex.digest)));
    this.#job = job;
    this.#options = options;
    setMaxListeners(0, this.#scope.signal); // each question in flight listens
    this.#scoped = { ...job, signal: this.#scope.signal };
    this.#session = options.session ?? new SolveSession<O>();
    this.#began = this.#session.began ??= job.now().getTime();
    for (const node of this.#nodes) this.#session.recall(node);
  }

  /** Outputs of the roots. Rejects with the one failure, with `BuildErrors` for several, or with the job's abort reason. */
  async run(): Promise<readonly O[]> {
    const finished = new Promise<void>((resolve) => (this.#finish = resolve));
    const onAbort = (): void => this.#stop(true);
    this.#job.signal.addEventListener('abort', onAbort, { once: true });
    try {
      for (const { vertex, phase } of this.#nodes) {
        if (phase !== 'solved') this.#job.progress({ type: 'vertex', vertex: vertex.progress, time: this.#time() });
      }
      if (this.#job.signal.aborted) this.#stop(true);
      for (const node of this.#nodes) this.#lacksBytes(node); // those that an earlier call solved
      for (const node of this.#nodes) this.#advance(node);
      this.#settleMaybe(); // a build of nothing, or of what is known
      await finished;
    } finally {
      this.#job.signal.removeEventListener('abort', onAbort);
      clearTimeout(this.#grace);
      this.#release();
    }
    await this.#quiet();
    return this.#outcome();
  }

  /** What became of every vertex, producers first. */
  facts(): readonly VertexFacts<O>[] {
    return this.#nodes.map(factsOf);
  }

  /** Starts what can be started on a node. */
  #advance(node: Node<O>): void {
    if (this.#stopping || node.phase !== 'waiting') return;
    const inputs = inputOutputs(node);
    if (inputs === undefined) return;
    node.phase = 'keying';
    this.#task(this.#solveNode(node, node.epoch, inputs), node, node.epoch);
  }

  async #solveNode(node: Node<O>, epoch: number, inputs: readonly O[]): Promise<void> {
    const { op } = node.vertex;
    const map = await op.cacheMap(inputs, this.#scoped);
    if (this.#isStale(node, epoch)) return;
    node.map = map;
    if (op.cacheable !== false) {
      const known = this.#session.executed.get(map.key);
      if (known !== undefined) {
        if ('failure' in known) throw known.failure;
        return this.#settle(node, known);
      }
      if (!node.ignoreCache) {
        const hits = await this.#store.lookup(map.key, inputs, this.#scoped);
        if (this.#isStale(node, epoch)) return;
        const hit = hits.find(({ outputs }) => outputs[0]?.identity === node.choice) ?? hits[0];
        if (hit !== undefined && this.#serves(node, hit.outputs)) {
          node.hits = hits;
          return this.#settle(node, { outputs: hit.outputs, how: 'hit', key: map.key });
        }
      }
      if (!node.ignoreCache && node.forcedBy === undefined) {
        const better = await findBetterResults(node, this.#store, this.#scoped);
        if (this.#isStale(node, epoch)) return;
        if (better !== undefined && this.#follow(better)) return;
      }
    }
    node.phase = 'executing';
    await this.#execute(node, epoch, map, inputs);
  }

  /** Whether a known result will do: it need not have bytes, unless somebody asked for them. */
  #serves(node: Node<O>, outputs: readonly O[]): boolean {
    if (node.forcedBy === undefined) return true;
    return this.#options.hasBytes !== undefined && node.forces === 1 && this.#hasTaken(node, outputs);
  }

  /** Executes, or takes part in an execution that is going on. */
  async #execute(node: Node<O>, epoch: number, map: CacheMap, inputs: readonly O[]): Promise<void> {
    const interest = this.#join(node, map, inputs);
    node.interest = interest;
    this.#drop(node, 'held');
    try {
      const result = await interest.result;
      const how = node.vertex.op.cacheable === false ? 'made' : result.adopted ? 'adopted' : 'executed';
      const done: NodeResult<O> = { outputs: result.outputs, how, key: map.key, ...(result.reason && { reason: result.reason }) };
      // Kept although the node may have moved on: it may come back to this key.
      if (how === 'executed') this.#session.executed.set(map.key, done);
      if (node.epoch === epoch) this.#settle(node, done);
    } catch (error) {
      if (error instanceof NeedsBytes && node.epoch === epoch && this.#mayTryAgain(node, error.input, interest.execution, inputs)) {
        return await this.#execute(node, epoch, map, inputs);
      }
      if (node.epoch === epoch && this.#mayDoItself(node, error, interest.execution)) {
        return await this.#execute(node, epoch, map, inputs);
      }
      const failed = !(error instanceof Released) && !(error instanceof NeedsBytes) && !(error instanceof KeyChanged);
      if (failed && node.vertex.op.cacheable !== false) this.#session.executed.set(map.key, { failure: error });
      throw error;
    } finally {
      if (node.interest === interest) node.interest = undefined;
      interest.release();
    }
  }

  /**
   * An execution that was begun with other inputs of the same identities (by another build, or in an earlier epoch) lacked the
   * bytes of its own input; ours may be better.
   */
  #mayTryAgain(node: Node<O>, index: number, execution: Execution<O>, inputs: readonly O[]): boolean {
    const [theirs, ours] = [execution.inputs[index], inputs[index]];
    if (this.#stopping || ours === undefined || theirs === ours) return false;
    return this.#options.hasBytes?.(ours) ?? node.inputs[index]?.node.result?.how === 'executed';
  }

  /**
   * Another build's execution failed. That build may have asked its own client, or been given up: then this one tries. Once, while there
   * is somebody who would be told of the failure first: it may well be the work's.
   */
  #mayDoItself(node: Node<O>, error: unknown, execution: Execution<O>): boolean {
    const ended = error instanceof Released || error instanceof NeedsBytes || error instanceof KeyChanged;
    if (this.#stopping || ended || this.#session.own.has(execution)) return false;
    if (execution.orphaned) return true;
    if (node.retried || node.vertex.op.failsForAll?.(error) === true) return false;
    node.retried = true;
    return true;
  }

  #join(node: Node<O>, map: CacheMap, inputs: readonly O[]): Interest<O> {
    const { vertex } = node;
    const listener: Listener = {
      id: vertex.progress.id,
      signal: this.#job.signal,
      progress: this.#job.progress,
      onStarted: () => {
        node.startedAt ??= this.#time();
        this.#job.progress({ type: 'started', id: vertex.progress.id, time: this.#time() });
      },
      onExplained: (reason) => (node.reason = reason),
    };
    const execution = this.#found(node, map.key) ?? this.#begin(node, map, inputs, listener);
    this.#mine.add(execution);
    return execution.join(listener);
  }

  /** An execution to take part in: of this build by any vertex with that key; of another build unless the cache is to be ignored. */
  #found(node: Node<O>, key: string): Execution<O> | undefined {
    if (node.vertex.op.cacheable === false) return undefined;
    const candidates = [this.#session.running.get(key), node.ignoreCache ? undefined : this.#shared.running.get(key)];
    return candidates.find((execution) => execution?.joinable === true);
  }

  #begin(node: Node<O>, map: CacheMap, inputs: readonly O[], listener: Listener): Execution<O> {
    const execution = new Execution<O>(listener, inputs, this.#job.now, this.#steps.workFor(node, map, inputs, this.#time(), this.#began));
    this.#session.own.add(execution);
    if (node.vertex.op.cacheable === false) return execution;
    this.#session.begin(map.key, execution);
    if (node.ignoreCache) return execution;
    const { running } = this.#shared;
    running.set(map.key, execution);
    void execution.ended.then(() => {
      if (running.get(map.key) === execution) running.delete(map.key);
    });
    return execution;
  }

  /** Runs a task of a node; what goes wrong in it becomes the node's failure. */
  #task(work: Promise<void>, node: Node<O>, epoch: number): void {
    const task = work
      .catch((error: unknown) => {
        if (node.epoch !== epoch) return;
        if (error instanceof NeedsBytes && !this.#stopping) this.#needBytes(node, error.input);
        else if (error instanceof KeyChanged && !this.#stopping) this.#keyAnew(node, error);
        else this.#fail(node, error);
      })
      .catch((error: unknown) => this.#fail(node, error))
      .finally(() => {
        this.#tasks.delete(task);
        this.#settleMaybe();
      });
    this.#tasks.add(task);
  }

  #settle(node: Node<O>, result: NodeResult<O>): void {
    node.phase = 'solved';
    node.result = result;
    node.reason = result.reason ?? node.reason;
    node.completedAt = this.#time();
    this.#drop(node, 'held');
    const { id } = node.vertex.progress;
    const cached = stateOf(node) !== 'executed';
    const reason = !cached && node.reason !== undefined ? { reason: node.reason } : {};
    this.#job.progress({ type: 'completed', id, time: node.completedAt, cached, ...reason });
    this.#session.remember(node);
    if (this.#stopping || this.#lacksBytes(node)) return;
    for (const consumer of node.consumers) this.#advance(consumer);
  }

  /** Forces a root that will be read when its bytes are absent. */
  #lacksBytes(node: Node<O>): boolean {
    if (node.result?.how !== 'hit' || !this.#willBeRead(node) || this.#bytesOf(node)) return false;
    this.#force(node, node);
    return true;
  }

  #willBeRead(node: Node<O>): boolean {
    const { rootsNeedBytes } = this.#options;
    if (!this.#rootNodes.has(node)) return false;
    return typeof rootsNeedBytes === 'object' ? rootsNeedBytes.has(node.vertex.digest) : rootsNeedBytes === true;
  }

  #bytesOf(node: Node<O>): boolean {
    return node.result === undefined || this.#hasTaken(node, node.result.outputs);
  }

  /** Whether the bytes are here of those outputs that anybody takes: a cache need not have brought the others. */
  #hasTaken(node: Node<O>, outputs: readonly O[]): boolean {
    const { hasBytes } = this.#options;
    if (hasBytes === undefined) return true;
    const read = this.#roots.filter(({ vertex }) => vertex.digest === node.vertex.digest);
    const used = [...node.consumers].flatMap(({ inputs }) => inputs.filter((input) => input.node === node));
    const taken = new Set([...read, ...used].map(({ output }) => output));
    return outputs.every((output, index) => !taken.has(index) || hasBytes(output));
  }

  /** A vertex says that the bytes of one of its inputs are absent. */
  #needBytes(node: Node<O>, index: number): void {
    const producer = node.inputs[index]?.node;
    if (producer === undefined) throw new Error(`internal: ${node.vertex.progress.name} asks for the bytes of input ${index}`);
    this.#retreat(node);
    this.#force(producer, node);
    this.#advance(node);
  }

  /** What a vertex was keyed on changed while it ran. Twice is a failure. */
  #keyAnew(node: Node<O>, error: KeyChanged): void {
    if (node.rekeyed) throw error.cause;
    node.rekeyed = true;
    this.#retreat(node);
    this.#advance(node);
  }

  /** Makes a vertex execute in this build; what is not cacheable passes the wish on to those of its inputs that lack bytes. */
  #force(producer: Node<O>, by: Node<O>): void {
    if (producer.phase !== 'solved') return; // it is being made anew already
    const how = producer.result?.how;
    if ((producer.forces += 1) > FORCE_LIMIT || how === 'executed') throw lostBytes(producer, by);
    if (how !== 'made') {
      this.#retreatAll(producer);
      producer.forcedBy = by;
      this.#advance(producer);
      return;
    }
    const absent = producer.inputs
      .map((input) => input.node)
      .filter(({ result, inputs }) => result?.how !== 'executed' && !(result?.how === 'made' && inputs.length === 0))
      .filter((input) => this.#options.hasBytes === undefined || !this.#bytesOf(input));
    if (absent.length === 0) throw lostBytes(producer, by);
    for (const input of new Set(absent)) this.#force(input, by);
  }

  /** Takes other results of some ancestors, with which more is known. False: somebody relies on the present ones by now. */
  #follow(choices: ReadonlyMap<Node<O>, string>): boolean {
    const forks = [...choices.keys()];
    const free = forks.every((fork) => fork.phase === 'solved' && fork.result?.how === 'hit' && fork.switches <= fork.hits.length);
    if (!free || forks.some((fork) => [...dependents(fork)].some(hasRun))) return false;
    for (const [fork, choice] of choices) {
      fork.switches += 1;
      fork.choice = choice;
    }
    for (const fork of forks) this.#retreatAll(fork);
    for (const node of this.#nodes) this.#advance(node);
    return true;
  }

  /** A node and everything after it are solved anew. */
  #retreatAll(node: Node<O>): void {
    this.#retreat(node);
    for (const dependent of dependents(node)) this.#retreat(dependent);
  }

  #retreat(node: Node<O>): void {
    node.epoch += 1;
    node.phase = 'waiting';
    this.#session.forget(node);
    node.result = undefined;
    node.hits = [];
    if (node.interest === undefined) return;
    this.#drop(node, 'held');
    node.held = node.interest;
    node.interest = undefined;
  }

  #drop(node: Node<O>, which: 'held' | 'interest'): void {
    const interest = node[which];
    node[which] = undefined;
    interest?.release();
  }

  #isStale(node: Node<O>, epoch: number): boolean {
    return this.#stopping || node.epoch !== epoch;
  }

  #fail(node: Node<O>, error: unknown): void {
    // What ends because it was given up has no failure of its own.
    if (this.#scope.signal.aborted || error instanceof NeedsBytes || error instanceof Released) return;
    const failure = locate(error instanceof Error ? error : new Error(String(error)), node.vertex.progress.location) as Error;
    node.phase = 'failed';
    node.error = failure;
    node.completedAt = this.#time();
    this.#failures.add(failure);
    this.#job.progress({ type: 'failed', id: node.vertex.progress.id, time: node.completedAt, error: failure });
    const { failureGraceMs } = this.#options;
    this.#stop(failureGraceMs === 0);
    if (failureGraceMs !== undefined && failureGraceMs > 0) this.#grace ??= setTimeout(() => this.#stop(true), failureGraceMs);
  }

  /** Nothing new begins. `now`: what runs is given up too; else it may finish, unless it only serves an earlier epoch. */
  #stop(now: boolean): void {
    this.#stopping = true;
    for (const node of this.#nodes) {
      this.#drop(node, 'held');
      if (now) this.#drop(node, 'interest');
    }
    if (now) {
      this.#scope.abort(this.#job.signal.aborted ? this.#job.signal.reason : new Error('internal: another step failed'));
      this.#finish();
    } else this.#settleMaybe();
  }

  #settleMaybe(): void {
    if (this.#stopping) {
      if (this.#tasks.size === 0) this.#finish();
    } else if (this.#nodes.every(({ phase }) => phase === 'solved')) this.#finish();
    else if (this.#tasks.size === 0) this.#stuck();
  }

  #stuck(): void {
    const waiting = this.#nodes.filter(({ phase }) => phase !== 'solved').map(({ vertex, phase }) => `${vertex.progress.name} (${phase})`);
    this.#failures.add(new Error(`internal: nothing runs, but these are not solved: ${waiting.join(', ')}`));
    this.#finish();
  }

  /** At the end: nothing stays wanted. */
  #release(): void {
    for (const node of this.#nodes) {
      this.#drop(node, 'held');
      this.#drop(node, 'interest');
    }
    this.#scope.abort(new Error('internal: the build is over'));
  }

  /** Waits until nothing runs any more that only this build wanted. */
  async #quiet(): Promise<void> {
    await Promise.all([...this.#tasks]);
    await Promise.all([...this.#mine].filter(({ abandoned }) => abandoned).map(({ ended }) => ended));
  }

  #outcome(): readonly O[] {
    const unsolved = this.#nodes.filter(({ phase }) => phase !== 'solved' && phase !== 'failed');
    for (const node of unsolved) {
      node.phase = 'canceled';
      this.#job.progress({ type: 'canceled', id: node.vertex.progress.id, time: this.#time() });
    }
    if (this.#job.signal.aborted && this.#failures.size === 0) throw this.#job.signal.reason;
    const [first, ...more] = this.#failures;
    if (first !== undefined) throw more.length === 0 ? first : new BuildErrors([first, ...more]);
    const byDigest = new Map(this.#nodes.map((node) => [node.vertex.digest, node]));
    return this.#roots.map(({ vertex, output }) => {
      const found = byDigest.get(vertex.digest)?.result?.outputs[output];
      if (found === undefined) throw new Error(`internal: ${vertex.progress.name} has no output ${output}`);
      return found;
    });
  }

  #time(): number {
    return this.#job.now().getTime();
  }
}

function lostBytes<O extends Output>(producer: Node<O>, by: Node<O>): SlipwayError {
  return new SlipwayError(
    'RESULT_LOST',
    `the result of ${producer.vertex.progress.name} is gone though it was made in this build; ${by.vertex.progress.name} needs it`,
    { hint: 'something deletes files of the store while it is in use; run `slipway store check --repair`' },
  );
}
