// The LLBBridge service of all builds: each call says in its metadata which build it is for.

import type { SolveHost } from '../control/solver.ts';
import type { LLBBridge } from '../gen/gateway_pb.ts';
import { RpcError } from '../wire/rpc-error.ts';
import type { Handlers, RpcCall } from '../wire/service.ts';
import type { Bridge } from './bridge.ts';

const BUILD_ID = 'buildkit-controlapi-buildid';

const UNARY = [
  'resolveImageConfig',
  'resolveSourceMeta',
  'solve',
  'readFile',
  'readDir',
  'statFile',
  'evaluate',
  'ping',
  'return',
  'inputs',
  'newContainer',
  'releaseContainer',
  'readFileContainer',
  'readDirContainer',
  'statFileContainer',
  'warn',
] as const;

/** `moby.buildkit.v1.frontend.LLBBridge`, call by call. */
export function bridgeHandlers(host: SolveHost): Handlers<typeof LLBBridge> {
  const find = async (call: RpcCall): Promise<Bridge> => {
    const id = call.metadata(BUILD_ID)[0] ?? '';
    if (id === '') throw new RpcError('invalidArgument', 'no buildid found in context');
    const { bridge } = await host.running.get(id, call.signal, (build) => build.bridge !== undefined);
    return bridge as Bridge;
  };
  const handlers: Record<string, unknown> = {
    execProcess: async function* (requests: AsyncIterable<never>, call: RpcCall) {
      const bridge = await find(call);
      yield* (bridge.handlers.execProcess as (requests: AsyncIterable<never>, call: RpcCall) => AsyncIterable<object>)(requests, call);
    },
  };
  for (const name of UNARY) {
    handlers[name] = async (request: never, call: RpcCall) => {
      const bridge = await find(call);
      return (bridge.handlers[name] as (request: never, call: RpcCall) => Promise<object>)(request, call);
    };
  }
  return handlers;
}
