// Which frontend answers a request.

import type { Build, FrontendRequest } from '../control/build.ts';
import { type FrontendOutcome, outcome, Ref } from '../gateway/ref.ts';
import { captureOf } from '../provenance/of-result.ts';
import type { AskedFor, RequestNode } from '../provenance/request-node.ts';
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
    for (const ref of result.refs.values()) if (ref !== undefined) remember(build, request.node, ref);
    return result;
  }

  async #run(build: Build, request: FrontendRequest): Promise<FrontendOutcome> {
    if (request.definition !== undefined && request.frontend !== '')
      throw new RpcError('invalidArgument', 'cannot solve with both Definition and Frontend specified');
    if (request.definition !== undefined) {
      const edge = await build.decode(request.definition, request.policies);
      build.engine.importCaches(request.cacheImports);
      const ref = edge === undefined ? undefined : new Ref(edge, request.definition);
      request.node.addRef(ref);
      return outcome(new Map([['', ref]]), true);
    }
    const { frontend } = request;
    if (frontend === '') return outcome(new Map([['', undefined]]), true);
    const node = request.node.child({
      frontend,
      attributes: request.attributes,
      inputs: await requestsBehind(build, request.inputs, request.policies),
    });
    const answer = await this.#frontend(build, { ...request, node });
    for (const ref of answer.refs.values()) node.addRef(ref);
    return answer;
  }

  #frontend(build: Build, request: FrontendRequest): Promise<FrontendOutcome> {
    switch (request.frontend) {
      case 'dockerfile.v0':
        return solveDockerfile(build, request, this);
      case 'gateway.v0':
        return solveGateway(build, request, this);
      default:
        throw new RpcError('invalidArgument', `invalid frontend: ${request.frontend}`);
    }
  }
}

/** Which requests gave the inputs of another. */
export async function requestsBehind(
  build: Build,
  inputs: FrontendRequest['inputs'],
  policies: FrontendRequest['policies'],
): Promise<AskedFor['inputs']> {
  const edges = await Promise.all(
    Object.entries(inputs).map(async ([name, definition]) => [name, await build.decode(definition, policies)] as const),
  );
  return build.host.provenance.findAll(Object.fromEntries(edges));
}

/** A build on this result will know where it came from. */
function remember(build: Build, node: RequestNode, ref: Ref): void {
  const { provenance } = build.host;
  build.share(ref.edge);
  const capture = captureOf(ref.edge, (vertex) => build.engine.pinOf(vertex));
  const request = node.find(ref)?.provenance(capture);
  if (request !== undefined) build.atEnd(provenance.register(ref.edge, request));
}
