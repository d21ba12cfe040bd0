// `slipway serve`: BuildKit's and Docker's build APIs on a socket.

import { ParsedFlags } from '../flags.ts';
import { readConfiguration, startRootless } from '../settings.ts';
import type { World } from '../world.ts';

/** Runs until SIGINT or SIGTERM. The server is loaded only here: no other command needs gRPC. */
export async function run(args: readonly string[], world: World): Promise<number> {
  const { runServer } = await import('../../api/index.ts');
  const { env, uid, stdout, stderr, signal } = world;
  return runServer(args, {
    ...{ env, uid, stdout, stderr, signal },
    configure: (flags) => readConfiguration(new ParsedFlags(flags, []), world),
    startInside: (flags, more) => startRootless(new ParsedFlags(flags, []), world, more),
  });
}
