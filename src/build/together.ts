// Several builds at once on one engine: `slipway bake`. They go on side by side, may stand on each other's results (`target:NAME` as a
// named context), and what one of them executes no other executes again. The first that fails ends the others.

import { BuildErrors, type JobContext, quietJob, SlipwayError } from '../base/index.ts';
import { CacheParts } from '../cache/index.ts';
import { Timeline } from '../insight/index.ts';
import type { RootFS } from '../snapshot/index.ts';
import { SolveSession } from '../solver/index.ts';
import { buildWith, openImages, type Together } from './build.ts';
import { type Engine, openEngine } from './engine.ts';
import type { LoadProtocol } from './foreign-frontend.ts';
import { Hearing } from './hearing.ts';
import { LinkedTargets, linkedTarget } from './linked-targets.ts';
import type { BuildOptions, BuildRequest } from './options.ts';
import { recordBuild } from './record-build.ts';
import type { BuildFailure, BuildResult } from './result.ts';
import { TargetProgress } from './target-progress.ts';

/** Options of `buildTogether()`. */
export interface TogetherOptions extends Pick<BuildOptions, 'root' | 'settings' | 'signal' | 'onProgress'> {
  /** Builds by name. A named context of one may be `target:NAME`, the result of another. */
  readonly builds: Readonly<Record<string, BuildRequest>>;
  /** Told what each build left behind that failed. */
  readonly onFailure?: (failure: BuildFailure, name: string) => void;
}

/** Results by the names of the builds. */
export type TogetherResult = Readonly<Record<string, BuildResult>>;

/**
 * Builds them all in this process. Rejects with the failure of the first that fails (`facts.build` is its name), or with the signal's
 * reason; `OPTION_INVALID` when they stand on each other in a circle or on what is not there.
 */
export async function buildTogetherHere(
  options: TogetherOptions,
  protocol: LoadProtocol | undefined,
  exits = false,
): Promise<TogetherResult> {
  const { builds, root = '/var/lib/slipway', settings = {}, signal, onProgress = () => {}, onFailure } = options;
  const requests = withWhatTheyStandOn(builds);
  await using engine = openEngine({ root, settings, endsWithProcess: exits });
  const stop = new AbortController();
  const hearing = new Hearing(onProgress, signal);
  const outer = AbortSignal.any([hearing.signal, stop.signal]);
  const progress = new TargetProgress(hearing.progress);
  const shared = {
    images: openImages(engine, { signal: outer, progress: hearing.progress, now: engine.now }),
    solved: new SolveSession<RootFS>(),
    links: new LinkedTargets(requests.keys()),
    caches: new CacheParts([...requests.values()].flatMap(({ cacheTo = [] }) => cacheTo)),
  };
  let failure: { readonly error: unknown; readonly target: string } | undefined;
  const results = new Map<string, BuildResult>();
  {
    using _lease = engine.store.lease(); // what one has for a shared cache is written when the last one ends
    await Promise.all(
      [...requests].map(async ([name, request]) => {
        const work = { engine, protocol, shared, progress, signal: outer, onFailure };
        try {
          results.set(name, await buildOne(name, request, work));
        } catch (error) {
          shared.links.refuse(name, error);
          // What several stand on fails in each of them: it is the lowest's.
          if (failure === undefined || (failure.error === error && standsOn(requests, failure.target, name)))
            failure = { error, target: name };
          stop.abort(Object.assign(new Error('another target failed'), { name: 'AbortError' }));
        }
      }),
    );
  }
  signal?.throwIfAborted();
  hearing.check();
  if (failure !== undefined) throw ofTarget(failure.error, failure.target);
  const ran = [...results.values()].some(({ steps }) => steps.some(({ state }) => state === 'executed'));
  if (ran) await engine.collectGarbage(quietJob(signal));
  return Object.fromEntries([...requests.keys()].map((name) => [name, results.get(name) as BuildResult]));
}

/** What one of the builds needs of all. */
interface Work {
  readonly engine: Engine;
  readonly protocol: LoadProtocol | undefined;
  readonly shared: Pick<Together, 'images' | 'solved' | 'caches'> & { readonly links: LinkedTargets };
  readonly progress: TargetProgress;
  readonly signal: AbortSignal;
  readonly onFailure: TogetherOptions['onFailure'];
}

async function buildOne(
  name: string,
  request: BuildRequest,
  { engine, protocol, shared, progress, signal, onFailure }: Work,
): Promise<BuildResult> {
  const folders = new Map<string, string>();
  const links = shared.links.of(name);
  const show = progress.of({ target: name, folders, originOf: links.originOf });
  const timeline = new Timeline();
  const job: JobContext = {
    signal,
    now: engine.now,
    progress: (event) => {
      timeline.event(event);
      show(event);
    },
  };
  const together = { ...shared, links, folders };
  return await recordBuild(engine, { name, ...request }, timeline, {
    run: (failed) => buildWith(engine.forBuild(), request, job, { failed, together, ...(protocol === undefined ? {} : { protocol }) }),
    ...(onFailure === undefined ? {} : { onFailure: (failure) => onFailure(failure, name) }),
  });
}

/** The requests, each with the secrets, agents and rights of those that it stands on: their steps are its own, too. */
function withWhatTheyStandOn(builds: Readonly<Record<string, BuildRequest>>): ReadonlyMap<string, BuildRequest> {
  const whole = new Map<string, BuildRequest>();
  const add = (name: string, users: readonly string[]): BuildRequest => {
    const known = whole.get(name);
    if (known !== undefined) return known;
    const request = Object.hasOwn(builds, name) ? builds[name] : undefined;
    const via = users.at(-1);
    if (request === undefined) throw new SlipwayError('OPTION_INVALID', `target ${via} stands on ${name}, and there is no such target`);
    if (users.includes(name))
      throw new SlipwayError('OPTION_INVALID', `targets stand on each other: ${[...users.slice(users.indexOf(name)), name].join(' → ')}`, {
        hint: 'take one of these contexts away',
      });
    const complete = targetsOf(request)
      .map((other) => add(other, [...users, name]))
      .reduce(joined, request);
    whole.set(name, complete);
    return complete;
  };
  for (const name of Object.keys(builds)) add(name, []);
  return new Map(Object.keys(builds).map((name) => [name, whole.get(name) as BuildRequest]));
}

/** The builds whose results a request takes. */
function targetsOf({ namedContexts = {} }: BuildRequest): readonly string[] {
  return Object.values(namedContexts).flatMap((value) => linkedTarget(value) ?? []);
}

function standsOn(requests: ReadonlyMap<string, BuildRequest>, user: string, other: string): boolean {
  const below = targetsOf(requests.get(user) ?? {});
  return below.includes(other) || below.some((one) => standsOn(requests, one, other));
}

function joined(request: BuildRequest, below: BuildRequest): BuildRequest {
  const { secrets = [], ssh = [], entitlements = [] } = request;
  return {
    ...request,
    // Of equal ids the last counts among secrets, the first among agents: always the request's own.
    secrets: [...(below.secrets ?? []), ...secrets],
    ssh: [...ssh, ...(below.ssh ?? [])],
    entitlements: [...new Set([...entitlements, ...(below.entitlements ?? [])])],
  };
}

/** A failure with the name of its target. */
function ofTarget(error: unknown, build: string): unknown {
  if (error instanceof BuildErrors) return new BuildErrors(error.errors.map((one) => ofTarget(one, build) as Error));
  if (!(error instanceof SlipwayError)) return error;
  const { code, message, hint, facts, location } = error;
  return new SlipwayError(code, message, {
    cause: error,
    facts: { ...facts, build },
    ...(hint === undefined ? {} : { hint }),
    ...(location === undefined ? {} : { location }),
  });
}
