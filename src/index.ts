// Slipway as a library: `import { build } from 'slipway'`.

import * as engine from './build/index.ts';

export * from './build/index.ts';

const frontends: engine.LoadFrontends = async () => (await import('./api/index.ts')).askFrontend;

/**
 * Builds. Rejects with a `SlipwayError` (`DOCKERFILE_INVALID` has all diagnostics in `facts.diagnostics`), with `BuildErrors` for
 * several independent failures, or with the signal's reason.
 */
export function build(options: engine.BuildOptions, how: engine.BuildHow = {}): Promise<engine.BuildResult> {
  return engine.build(options, { frontends, ...how });
}

/** Answers a call about a Dockerfile: `check`, `outline`, `targets`. Throws `CALL_UNKNOWN`, and what reading the inputs throws. */
export function callDockerfile(options: engine.BuildOptions, call: engine.CallRequest): Promise<engine.CallAnswer> {
  return engine.callDockerfile(options, call, frontends);
}
