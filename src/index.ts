// Slipway as a library: `import { build } from 'slipway'`.

import { defaultRoot, withoutVaguePlaces } from './base/index.ts';
import * as engine from './build/index.ts';
import { checkOptions, checkTogether } from './build/check-options.ts';

export type {
  BuildFailure,
  BuildHow,
  BuildResult,
  CallAnswer,
  CallMethod,
  CallRequest,
  Comparison,
  Finding,
  Findings,
  HistoryDifference,
  HistoryEntry,
  ImageReport,
  ImageRow,
  ImageStore,
  KeyText,
  PathReport,
  PlatformResult,
  Report,
  ResourceLimits,
  StageFacts,
  StepFacts,
  TestSuite,
  TogetherOptions,
  TogetherResult,
  TrustPolicy,
  TrustRule,
  VerifiedImage,
} from './build/index.ts';
export { parseOutput, parseTrustPolicy, renderFrame, reportPage } from './build/index.ts';
export type * from './build/options.ts';
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
function withSurroundings<T extends Pick<engine.BuildOptions, 'root' | 'settings'>>(
  options: T,
  check = checkOptions,
): T & Required<Pick<engine.BuildOptions, 'root' | 'settings'>> {
  check(options);
  const set = Object.entries(process.env).filter((pair): pair is [string, string] => pair[1] !== undefined);
  const { SLIPWAY_ROOT: named, ...env } = withoutVaguePlaces(process.env);
  const { root = named ?? defaultRoot(process.getuid?.() ?? 0, env), settings } = options;
  return { ...options, root, settings: { ...settings, programEnv: settings?.programEnv ?? Object.fromEntries(set) } };
}

/**
 * Builds. Rejects with a `SlipwayError` (`DOCKERFILE_INVALID` has all diagnostics in `facts.diagnostics`, `OPTION_INVALID` is a mistake in
 * the call), with `BuildErrors` for several independent failures, or with the signal's reason.
 */
export async function build(options: engine.BuildOptions, how: engine.BuildHow = {}): Promise<engine.BuildResult> {
  return await engine.build(withSurroundings(options), { protocol, ...how });
}

/**
 * Builds several at once. They share what they execute, and the named context `target:NAME` of one is the result of another. Rejects as
 * `build` does when the first fails, which ends the others: `facts.build` of the error is its name.
 */
export async function buildTogether(options: engine.TogetherOptions, how: engine.BuildHow = {}): Promise<engine.TogetherResult> {
  return await engine.buildTogether(withSurroundings(options, checkTogether), { protocol, ...how });
}

/** Answers a call about a Dockerfile: `check`, `outline`, `targets`. Throws `CALL_UNKNOWN`, and what reading the inputs throws. */
export async function callDockerfile(options: engine.BuildOptions, call: engine.CallRequest): Promise<engine.CallAnswer> {
  return await engine.callDockerfile(withSurroundings(options), call, protocol);
}

/** Checks a Dockerfile without building it. Throws what reading the inputs throws. */
export async function checkDockerfile(options: engine.BuildOptions, how: { readonly fix?: boolean } = {}): Promise<engine.Findings> {
  return await engine.checkDockerfile(withSurroundings(options), how);
}

/**
 * Opens the images and past builds of a store: the one that `build()` uses, unless `root` names another. Throws what opening a store
 * throws (`STORE_…`), and `OPTION_INVALID`.
 */
export function openImageStore(options: Pick<engine.BuildOptions, 'root' | 'settings'> = {}): engine.ImageStore {
  return engine.openImageStore(withSurroundings(options));
}
