// Slipway as a library: `import { build } from 'slipway'`.

import { defaultRoot } from './base/index.ts';
import * as engine from './build/index.ts';

export * from './build/index.ts';
export {
  BuildErrors,
  type Diagnostic,
  type Digest,
  isSlipwayError,
  type ProgressEvent,
  type ProgressSink,
  SlipwayError,
  type SourceLocation,
  type SourceRange,
} from './base/index.ts';

const protocol: engine.LoadProtocol = () => import('./api/index.ts');

/** What the command reads at its edge, and a program need not say: where results are kept, and where other programs are found. */
function withSurroundings(options: engine.BuildOptions): engine.BuildOptions {
  const set = Object.entries(process.env).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return {
    root: defaultRoot(process.getuid?.() ?? 0, process.env),
    ...options,
    settings: { programEnv: Object.fromEntries(set), ...options.settings },
  };
}

/**
 * Builds. Rejects with a `SlipwayError` (`DOCKERFILE_INVALID` has all diagnostics in `facts.diagnostics`), with `BuildErrors` for
 * several independent failures, or with the signal's reason.
 */
export function build(options: engine.BuildOptions, how: engine.BuildHow = {}): Promise<engine.BuildResult> {
  return engine.build(withSurroundings(options), { protocol, ...how });
}

/** Answers a call about a Dockerfile: `check`, `outline`, `targets`. Throws `CALL_UNKNOWN`, and what reading the inputs throws. */
export function callDockerfile(options: engine.BuildOptions, call: engine.CallRequest): Promise<engine.CallAnswer> {
  return engine.callDockerfile(withSurroundings(options), call, protocol);
}

/** Checks a Dockerfile without building it. Throws what reading the inputs throws. */
export function checkDockerfile(options: engine.BuildOptions, how: { readonly fix?: boolean } = {}): Promise<engine.Findings> {
  return engine.checkDockerfile(withSurroundings(options), how);
}
