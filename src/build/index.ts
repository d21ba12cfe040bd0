// The build room's door: everything that can be asked of Slipway. What of it the library promises is in ../index.ts.

export { type BuildFailure, type BuildResult, type PlatformResult, type StageFacts, type StepFacts } from './result.ts';
export { build, type BuildHow, buildTogether, checkStore, diskUsage, pruneStore, startImage } from './process.ts';
export type { TogetherOptions, TogetherResult } from './together.ts';
export { buildWith } from './build.ts';
export type { AskFrontend, DescribeSteps, LoadProtocol, Protocol } from './foreign-frontend.ts';
export { answerCall, type CallAnswer, callDockerfile, type CallMethod, type CallRequest } from './calls.ts';
export { checkDockerfile, type Findings } from './findings.ts';
export { Engine, type EngineOptions, openEngine, type PruneRequest } from './engine.ts';
export { familiarName, findImage, type ImageRow, imagesOf, listImages, removeImage, type StoredImage, tagImage } from './images.ts';
export { type Abortable, ImageStore, openImageStore } from './image-store.ts';
export {
  checkImage,
  type FileReport,
  type ImageReport,
  inspectImage,
  type LayerReport,
  type PathReport,
  stageOfImage,
  whyPath,
} from './insight-image.ts';
export { compareReportsOf, reportOf } from './report.ts';
export { addCures } from './insight-fix.ts';
export { type Comparison, type Finding, type Report, reportPage, type TestSuite } from '../insight/index.ts';
export { publishImage } from './publish.ts';
export { runImage, type RunImageRequest, type RunOptions, type RunResult } from './run-image.ts';
export type { CheckStoreOptions, PruneOptions, StoreOptions, UsageOptions } from './upkeep.ts';
export type { Collected, Damage, DiskUsage } from '../store/index.ts';
export { compareBuilds, type HistoryDifference, type HistoryEntry } from '../cache/index.ts';
export { linkedTarget } from './linked-targets.ts';
export { readRemoteFiles, type RemoteFiles } from './remote-files.ts';
export { localPlatform } from './platform.ts';
export { placeOfSteps, type PlaceOfSteps } from './place.ts';
export { isRemoteContext } from './inputs.ts';
export { login, logout } from './logins.ts';
export { type KeyText, signReference, verifyReference } from './signing.ts';
export { parseTrustPolicy, type TrustPolicy, type TrustRule, type VerifiedImage } from '../trust/index.ts';
export { enterRootless, type CommandStart } from './rootless.ts';
export { parseOutput } from '../export/index.ts';
export { isArchive } from '../source/index.ts';
export type { ResourceLimits } from '../base/index.ts';
export { LINT_RULES, type LintRule, renderFrame } from '../dockerfile/index.ts';
export { contextKey, OWN_RULES } from '../graph/index.ts';
export { STORE_SHAPES } from './check-options.ts';
export type * from './options.ts';
