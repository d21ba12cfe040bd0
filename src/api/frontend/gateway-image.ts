// The frontend `gateway.v0`: runs a frontend that is shipped as an image, and answers what it asks over its standard streams.

import type { Build, FrontendRequest } from '../control/build.ts';
import type { FrontendOutcome } from '../gateway/ref.ts';
import { RpcError } from '../wire/rpc-error.ts';
import type { Frontends } from './runner.ts';

/** Docker's own frontend images: whatever version is asked for, this is the one that answers. */
const OWN = /^docker\.io\/docker\/dockerfile(?:-upstream)?(?:[:@]|$)/;

/** Whether an image is the Dockerfile frontend that is built in here. */
export function isDockerfileFrontend(build: Build, ref: string): boolean {
  try {
    return OWN.test(build.engine.parseReference(ref).canonical);
  } catch {
    return false; // no reference: whoever needs one says so
  }
}

/** Runs the frontend image that `source` names. */
export async function solveGateway(build: Build, request: FrontendRequest, frontends: Frontends): Promise<FrontendOutcome> {
  const source = request.attributes['source'] ?? '';
  if (source === '') throw new RpcError('invalidArgument', 'no source specified for gateway');
  if (source === 'dockerfile.v0' || isDockerfileFrontend(build, source)) {
    const { source: _, ...attributes } = request.attributes;
    return frontends.solve(build, { ...request, frontend: 'dockerfile.v0', attributes, depth: request.depth + 1 });
  }
  throw new RpcError('unimplemented', `frontend image ${source} cannot be run yet`);
}
