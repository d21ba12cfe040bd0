// Which frontend answers a request.

import type { Build, FrontendRequest } from '../control/build.ts';
import { type FrontendOutcome, outcome, Ref } from '../gateway/ref.ts';
import { RpcError } from '../wire/rpc-error.ts';
import { solveDockerfile } from './dockerfile.ts';
import { solveGateway } from './gateway-image.ts';

/** How deep frontends may ask each other. */
const MAX_DEPTH = 16;

/** The frontends of one build. */
export class Frontends {
  /** Answers a request: an LLB definition as it is, or what a frontend makes of its options. */
  async solve(build: Build, request: FrontendRequest): Promise<FrontendOutcome> {
    if (request.depth > MAX_DEPTH) throw new RpcError('failedPrecondition', 'frontends call each other without end');
    const result = await this.#run(build, request);
    if (request.evaluate) await build.engine.solve([...result.refs.values()].flatMap((ref) => ref?.edge ?? []));
    return result;
  }

  async #run(build: Build, request: FrontendRequest): Promise<FrontendOutcome> {
    if (request.definition !== undefined && request.frontend !== '')
      throw new RpcError('invalidArgument', 'cannot solve with both Definition and Frontend specified');
    if (request.definition !== undefined) {
      const edge = await build.decode(request.definition, request.policies);
      build.engine.importCaches(request.cacheImports);
      const ref = edge === undefined ? undefined : new Ref(edge, request.definition);
      return outcome(new Map([['', ref]]), true);
    }
    switch (request.frontend) {
      case '':
        return outcome(new Map([['', undefined]]), true);
      case 'dockerfile.v0':
        return solveDockerfile(build, request, this);
      case 'gateway.v0':
        return solveGateway(build, request, this);
      default:
        throw new RpcError('invalidArgument', `invalid frontend: ${request.frontend}`);
    }
  }
}
