// Slipway as a library: `import { build } from 'slipway'`.

import { resolve } from 'node:path';
import { defaultRoot, homeFolder, withoutVaguePlaces } from './base/index.ts';
import * as engine from './build/index.ts';
import { checkCheckStore, checkOptions, checkPrune, checkRun, checkTogether, checkUsage } from './build/check-options.ts';
import { checkListBake, checkReadBake } from './request/bake/check-options.ts';
import type { Bake, BakeList, Caller, ListBakeOptions, ReadBakeOptions } from './request/bake.ts';

export type {
  BuildFailure,
  BuildHow,
  BuildResult,
  CallAnswer,
  CallMethod,
  CallRequest,
  CheckStoreOptions,
  Collected,
  Comparison,
  Damage,
  DiskUsage,
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
  PruneOptions,
  Report,
  ResourceLimits,
  RunOptions,
  RunResult,
  StageFacts,
  StepFacts,
  StoreOptions,
  TestSuite,
  TogetherOptions,
  TogetherResult,
  TrustPolicy,
  TrustRule,
  UsageOptions,
  VerifiedImage,
} from './build/index.ts';
export { parseOutput, parseTrustPolicy, renderFrame, reportPage } from './build/index.ts';
export type * from './build/options.ts';
export type { BakeAgent, BakeGroup, BakeListed, BakePolicy, BakeTarget, BakeVariable } from './bake/index.ts';
export type {
  Bake,
  BakeCall,
  BakeList,
  BakeRequests,
  BakeRights,
  BakeText,
  BakeWarning,
  ListBakeOptions,
  ReadBakeOptions,
} from './request/bake.ts';
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
  return { ...options, root: resolve(root), settings: { ...settings, programEnv: settings?.programEnv ?? Object.fromEntries(set) } };
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

/**
 * Reads Bake files and Compose projects: what they say of `targets`, and the builds that `buildTogether()` makes of them. Nothing is built,
 * but contexts and secrets that targets name must be there. Throws `BAKE_FILE_NOT_FOUND`; `BAKE_INVALID` and `HCL_INVALID` with the place;
 * `BAKE_TARGET_UNKNOWN`; `BAKE_NOT_ALLOWED`, whose `facts.missing` are the rights (`BakeRights`) that would have to be added to `allow`;
 * `BAKE_CONTEXT`, `BAKE_POLICY`, `CONTEXT_NOT_FOUND`, `SECRET_…`, `SSH_…` at the target; `OPTION_INVALID`, and what fetching from `url` throws.
 */
export async function readBake(options: ReadBakeOptions = {}): Promise<Bake> {
  const whole = withSurroundings(options, checkReadBake);
  const bake = await import('./request/bake.ts');
  return await bake.readBake(whole, callerOf(options));
}

/** Tells what Bake files and Compose projects define, whatever of it can be built. Throws what reading the files throws; see `readBake()`. */
export async function listBake(options: ListBakeOptions = {}): Promise<BakeList> {
  const whole = withSurroundings(options, checkListBake);
  const bake = await import('./request/bake.ts');
  return await bake.listBake(whole, callerOf(options));
}

/** Paths start at the folder; the files know of the environment what the program gives them. */
function callerOf({ folder = '.', env = {} }: ListBakeOptions): Caller {
  return {
    env,
    cwd: resolve(folder),
    home: homeFolder(process.getuid?.() ?? 0, withoutVaguePlaces({ ...process.env, ...env })),
    now: () => new Date(),
  };
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

/**
 * Lists what a store holds: layers, blobs, records, cache mounts, … Like a build this runs in a process of its own. Throws `FILTER_INVALID`,
 * `STORE_…` and `OPTION_INVALID`.
 */
export async function diskUsage(options: engine.UsageOptions = {}): Promise<readonly engine.DiskUsage[]> {
  return await engine.diskUsage(withSurroundings(options, checkUsage));
}

/**
 * Takes away what no name of an image and no running build needs, the longest unused first, until the limits are met; without limits all of
 * it. Aborting the signal ends it early: what is gone is gone. Throws as `diskUsage()` does.
 */
export async function pruneStore(options: engine.PruneOptions = {}): Promise<engine.Collected> {
  return await engine.pruneStore(withSurroundings(options, checkPrune));
}

/**
 * Reads everything in a store and says what is broken; with `repair` it is taken away, and the next build makes it anew. Builds may go on
 * meanwhile. Throws `STORE_…` and `OPTION_INVALID`.
 */
export async function checkStore(options: engine.CheckStoreOptions = {}): Promise<readonly engine.Damage[]> {
  return await engine.checkStore(withSurroundings(options, checkCheckStore));
}

/**
 * Starts an image of a store for a look; what it writes is thrown away. What it prints goes where this program's output goes and its input
 * is this program's, unless `onProgress` hears the output as `log` events; then it has no input. Aborting the signal ends it. Throws
 * `IMAGE_UNKNOWN`, `NO_COMMAND`, `EXEC_START` (`facts.exitCode` as Docker has it: 126, 127), `STORE_…` and `OPTION_INVALID`.
 */
export async function runImage(options: engine.RunOptions): Promise<engine.RunResult> {
  return await engine.startImage(withSurroundings(options, checkRun));
}
