// From a plan to what is built: each target read, after it was asked what it wants to reach.

import { SlipwayError } from '../../base/index.ts';
import type { BakePlan, BakeTarget } from '../../bake/index.ts';
import type { BuildRequest } from '../../build/index.ts';
import type { DockerfileCall } from '../call.ts';
import { HELP } from '../fields.ts';
import type { Surroundings } from '../surroundings.ts';
import { type BakeRights, checkRights, grant } from './rights.ts';
import { readTarget, type TargetRequest } from './target-request.ts';

/** What a target asks of its Dockerfile in place of a build (`call = "check"`): the two arguments of `callDockerfile()`. */
export interface BakeCall {
  readonly request: BuildRequest;
  readonly call: DockerfileCall;
}

/** What a plan comes to, by the names of the targets. */
export interface BakeRequests {
  /** For `buildTogether()`. Targets that are only the context of others export nothing. */
  readonly builds: Readonly<Record<string, BuildRequest>>;
  readonly calls: Readonly<Record<string, BakeCall>>;
}

/**
 * Reads the targets. Throws `BAKE_NOT_ALLOWED` before anything that they name is looked at, `BAKE_POLICY`, and with the place of the
 * target: `BAKE_INVALID`, `CONTEXT_NOT_FOUND`, `SECRET_…`, `SSH_…`.
 */
export function requestsOf(plan: BakePlan, allow: BakeRights, around: Surroundings): BakeRequests {
  const granted = grant(allow, plan.allowed, around);
  checkRights(plan.targets.values(), granted, around);
  const targets = [...plan.targets].map(([name, target]) => {
    refusePolicy(target);
    return [name, located(target, () => readTarget(target, granted.entitlements, around))] as const;
  });
  refuseMixing(targets);
  const builds = targets.flatMap(([name, { request, call }]) =>
    call === undefined ? [[name, plan.linked.has(name) ? { ...request, tags: [], outputs: NOTHING } : request] as const] : [],
  );
  const calls = targets.flatMap(([name, { request, call }]) => (call === undefined ? [] : [[name, { request, call }] as const]));
  return { builds: Object.fromEntries(builds), calls: Object.fromEntries(calls) };
}

/** Of a target that is only there for others. */
const NOTHING = [{ type: 'cacheonly', attributes: {} }] as const;

/** Policies in Rego are evaluated by Docker's client. What they would refuse must not be built as if there were none. */
function refusePolicy({ name, location, policy = [] }: BakeTarget): void {
  if (policy.every(({ disabled }) => disabled)) return;
  throw new SlipwayError('BAKE_POLICY', `target ${name} has a policy, which is not evaluated here`, {
    hint: "say what images must have by --trust FILE, or let Docker's client evaluate it: docker buildx bake with slipway serve",
    ...(location === undefined ? {} : { location }),
  });
}

/** Two archives in one stream are none. */
function refuseMixing(targets: readonly (readonly [string, TargetRequest])[]): void {
  const [first, second] = targets.filter(
    ([, { request }]) => request.outputs?.some(({ attributes }) => attributes['dest'] === '-') === true,
  );
  if (first === undefined || second === undefined) return;
  throw new SlipwayError('BAKE_INVALID', `targets ${first[0]} and ${second[0]} both write to standard output`, {
    hint: 'give all but one a file: dest=FILE',
  });
}

const FROM_HERE = 'paths start at the current folder, not at the Bake file: go there, or set BUILDX_BAKE_FILE_RELATIVE_PATHS=1';

/** A mistake in a target is told at the target. */
function located<T>({ name, location }: BakeTarget, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof SlipwayError)) throw error;
    const isElsewhere = error.code === 'CONTEXT_NOT_FOUND' && location?.source.filename.includes('/') === true;
    const hint = isElsewhere ? FROM_HERE : error.hint === HELP ? undefined : error.hint;
    throw new SlipwayError(error.code === 'USAGE' ? 'BAKE_INVALID' : error.code, `target ${name}: ${error.message}`, {
      cause: error,
      ...(hint === undefined ? {} : { hint }),
      ...(location === undefined ? {} : { location }),
    });
  }
}
