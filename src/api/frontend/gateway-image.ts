// The frontend `gateway.v0`: runs a frontend that is shipped as an image, and answers what it asks over its standard streams.

import type { Build, FrontendRequest } from '../control/build.ts';
import type { FrontendOutcome } from '../gateway/ref.ts';
import { RpcError } from '../wire/rpc-error.ts';
import type { Frontends } from './runner.ts';

/** Runs the frontend image that `source` names. */
export async function solveGateway(build: Build, request: FrontendRequest, frontends: Frontends): Promise<FrontendOutcome> {
  const source = request.attributes['source'] ?? '';
  if (source === '') throw new RpcError('invalidArgument', 'no source specified for gateway');
  if (source === 'dockerfile.v0') {
    const { source: _, ...attributes } = request.attributes;
    return frontends.solve(build, { ...request, frontend: source, attributes, depth: request.depth + 1 });
  }
  throw new RpcError('unimplemented', `frontend image ${source} cannot be run yet`);
}
