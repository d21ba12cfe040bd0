// The ground floor: what every room may use. Imports no other room.

export { hideLogin, hideLogins, hideLoginsIn, splitLogin } from './address.ts';
export { putBytes, putHex, putNumber } from './byte-text.ts';
export { baseName, type BytePath, fromBytePath, fsPath, parentPath, toBytePath } from './bytes.ts';
export { mapLimit, Semaphore, SingleFlight, waitAtMost } from './concurrency.ts';
export { defaultRoot, homeFolder, withoutVaguePlaces } from './default-root.ts';
export {
  type Diagnostic,
  type Fix,
  lineRanges,
  type Position,
  type SourceLocation,
  type SourceRange,
  type SourceText,
} from './diagnostic.ts';
export {
  canonicalJson,
  type DiffID,
  type Digest,
  digestAlgorithm,
  digestHex,
  digestOf,
  isDigest,
  parseDigest,
  sha256Digest,
} from './digest.ts';
export { editDistance } from './edit-distance.ts';
export {
  BuildErrors,
  errnoOf,
  firstFailure,
  isSlipwayError,
  locate,
  SlipwayError,
  type SlipwayErrorOptions,
  unreachable,
} from './errors.ts';
export { compileGoPattern, type GoPattern } from './go-pattern.ts';
export { type JobContext, quietJob } from './job.ts';
export { AsyncDisposableStack } from './lifetime.ts';
export {
  byNameShape,
  checkFields,
  fieldsShape,
  isFields,
  listShape,
  oneOfShape,
  said,
  type Shape,
  SHAPES,
  wordShape,
  wrongOption,
} from './option-shapes.ts';
export { delayOptimizing } from './optimizing.ts';
export { growYoungSpace } from './young-space.ts';
export type { ProgressEvent, ProgressSink, ProgressVertex, StepReason, Timestamp } from './progress.ts';
export type { ResourceLimits } from './resource-limits.ts';
export { suggest } from './suggest.ts';
export { builtFile, workerUrl } from './worker.ts';
