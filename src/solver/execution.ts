// Work that is going on: one execution of a key at a time in a process, for everybody who wants its result.

import { setMaxListeners } from 'node:events';
import type { JobContext, ProgressEvent, StepReason } from '../base/index.ts';
import type { Output } from './types.ts';

/** What came of it, for a build that is interested. */
export interface ExecutionResult<O extends Output> {
  readonly outputs: readonly O[];
  /** Another process made it meanwhile. */
  readonly adopted: boolean;
  readonly reason?: StepReason;
}

/** What the work is given beside its key. */
export interface ExecutionScope {
  readonly job: JobContext;
  /** It has its place and begins. */
  readonly started: () => void;
  /** Why it had to: known before it ends. */
  readonly explained: (reason: StepReason) => void;
}

/** One build's share in an execution. */
export interface Interest<O extends Output> {
  readonly execution: Execution<O>;
  /** Settles like the execution; rejects with `Released` when this interest is released before. */
  readonly result: Promise<ExecutionResult<O>>;
  /** This build no longer wants it; the last one to say so aborts it. Twice is once. */
  release(): void;
}

/** What a build wants to hear of an execution. */
export interface Listener {
  /** Progress id that stands for this execution in the listener's build. */
  readonly id: string;
  /** Ends the listener's build. */
  readonly signal: AbortSignal;
  readonly progress: (event: ProgressEvent) => void;
  readonly onStarted: () => void;
  readonly onExplained: (reason: StepReason) => void;
}

/** Nobody waits for it any more. */
export class Released extends Error {
  override readonly name = 'Released';

  constructor() {
    super('internal: nobody wants this execution any more');
  }
}

/** Running work. Ends when it settles, or when nobody is interested any more. */
export class Execution<O extends Output> {
  /** Settles when the work has truly ended (also after an abort): nothing of it runs any more. Never rejects. */
  readonly ended: Promise<void>;
  /** What it was begun with: those who join have inputs of the same identities, but perhaps not the same bytes. */
  readonly inputs: readonly O[];
  readonly #result: Promise<ExecutionResult<O>>;
  readonly #abort = new AbortController();
  readonly #listeners = new Set<Listener>();
  readonly #owner: Listener;
  #started = false;
  #reason: StepReason | undefined;
  #settled = false;
  #orphaned = false;

  constructor(owner: Listener, inputs: readonly O[], now: () => Date, work: (scope: ExecutionScope) => Promise<ExecutionResult<O>>) {
    this.#owner = owner;
    this.inputs = inputs;
    setMaxListeners(0, this.#abort.signal); // each download of an execution listens
    const job: JobContext = { signal: this.#abort.signal, progress: (event) => this.#broadcast(event), now };
    this.#result = Promise.resolve().then(() => work({ job, started: () => this.#start(), explained: (reason) => this.#explain(reason) }));
    this.ended = this.#result.then(
      () => this.#settle(),
      () => this.#settle(),
    );
  }

  /** Whether nobody wants it any more, so that it is being given up. */
  get abandoned(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Whether it can still be joined. */
  get joinable(): boolean {
    return !this.#settled && !this.abandoned;
  }

  /**
   * Whether the build that began it was given up before it ended. What its op asked of that build (files, secrets, credentials) nobody
   * answered any more.
   */
  get orphaned(): boolean {
    return this.#orphaned;
  }

  join(listener: Listener): Interest<O> {
    this.#listeners.add(listener);
    if (this.#started) listener.onStarted();
    if (this.#reason !== undefined) listener.onExplained(this.#reason);
    let leave: (reason: Error) => void = () => {};
    const left = new Promise<never>((_, reject) => (leave = reject));
    const result = Promise.race([this.#result, left]);
    result.catch(() => {}); // whoever released it does not listen
    return {
      execution: this,
      result,
      release: () => {
        if (!this.#listeners.delete(listener)) return;
        leave(new Released());
        if (this.#listeners.size === 0 && !this.#settled) this.#abort.abort(new Released());
      },
    };
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    for (const listener of this.#listeners) listener.onStarted();
  }

  #explain(reason: StepReason): void {
    this.#reason = reason;
    for (const listener of this.#listeners) listener.onExplained(reason);
  }

  #settle(): void {
    this.#settled = true;
    this.#orphaned = this.#owner.signal.aborted || !this.#listeners.has(this.#owner);
  }

  /** Events of the work carry the id of the vertex it was started for; each build hears its own vertex's. */
  #broadcast(event: ProgressEvent): void {
    for (const { id, progress } of this.#listeners) {
      progress(id !== this.#owner.id && 'id' in event && event.id === this.#owner.id ? { ...event, id } : event);
    }
  }
}
