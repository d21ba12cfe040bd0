// The builds that run: found by their ref by whoever wants their progress or talks to them as a frontend.

import { Arrivals } from '../arrivals.ts';
import { RpcError } from '../wire/rpc-error.ts';
import type { Bridge } from '../gateway/bridge.ts';
import type { StatusSpool } from './spool.ts';

/** Milliseconds that a client may ask for a build before it was started. */
const WAIT_MS = 6000;
/** Milliseconds that the progress of a build without history stays for a client whose question came late: builds may be quick. */
const LATE_MS = 10_000;

export interface RunningBuild {
  readonly spool: StatusSpool;
  /** Set when the frontend is in the client. */
  readonly bridge?: Bridge;
}

/** Found by ref, also by those who ask a moment too early or too late. */
export class RunningBuilds {
  readonly #builds = new Map<string, RunningBuild>();
  readonly #ended = new Map<string, { readonly build: RunningBuild; readonly timer: NodeJS.Timeout }>();
  readonly #arrivals = new Arrivals();

  /** Makes a build known until it is removed. */
  add(ref: string, build: RunningBuild): void {
    this.#builds.set(ref, build);
    this.#arrivals.announce();
  }

  remove(ref: string): void {
    this.#builds.delete(ref);
  }

  /** Removes a build that no history will know. Its progress can be asked for a little longer; then it is thrown away. */
  retire(ref: string, spool: StatusSpool): void {
    this.#builds.delete(ref);
    const timer = setTimeout(() => {
      this.#ended.delete(ref);
      spool.remove();
    }, LATE_MS);
    timer.unref();
    this.#ended.set(ref, { build: { spool }, timer });
    this.#arrivals.announce();
  }

  /** A new build takes the ref of one that was retired. */
  reuse(ref: string): void {
    clearTimeout(this.#ended.get(ref)?.timer);
    this.#ended.delete(ref);
  }

  has(ref: string): boolean {
    return this.#builds.has(ref);
  }

  find(ref: string): RunningBuild | undefined {
    return this.#builds.get(ref);
  }

  get size(): number {
    return this.#builds.size;
  }

  /** The build, once `ready` says so; NotFound after a few seconds. */
  async get(ref: string, signal: AbortSignal, ready: (build: RunningBuild) => boolean = () => true): Promise<RunningBuild> {
    const find = (): RunningBuild | undefined => {
      const build = this.#builds.get(ref) ?? this.#ended.get(ref)?.build;
      return build !== undefined && ready(build) ? build : undefined;
    };
    const build = await this.#arrivals.await(find, WAIT_MS, signal);
    if (build === undefined) throw new RpcError('notFound', `no such job ${ref}`);
    return build;
  }
}
