// What the files of an image say: what it lacks, what should not be in it, where everything came from, what it is made of.

export { checkRuntime } from './check-runtime.ts';
export { type Edit, type Finding, type FoundAt, sortFindings } from './finding.ts';
export { maySay, type PathOrigin, type RuntimeOptions, type StageTree, type TextMemory } from './runtime-context.ts';
export {
  entryText,
  type ImageOrigins,
  type KnownLayer,
  type LayerOrigin,
  originText,
  pathHistory,
  type PathStep,
  readOrigins,
  sameFiles,
  shortImage,
  type StageOrigin,
} from './origin.ts';
export { PackageDatabase, readPackages } from './packages.ts';
export { checkContents, type ContentsOptions } from './check-contents.ts';
export { resolveInTree, walkTree } from './tree-files.ts';
export {
  type Material,
  PROVENANCE_PREDICATES,
  type ProvenanceFacts,
  provenancePredicate,
  type ProvenanceUse,
  type StepLayers,
  writePredicate,
} from './provenance.ts';
export { type FoundPackage, scanPackages } from './scan-packages.ts';
export { SPDX_PREDICATE, spdxDocument } from './spdx.ts';
export { compareReports } from './report/compare.ts';
export { type DescribedLayer, describeImage } from './report/describe-image.ts';
export { reportPage } from './report/html.ts';
export { isResultName, type ResultFile, resultsIn, testResults } from './report/junit.ts';
export { Timeline } from './report/timeline.ts';
export type {
  Comparison,
  FileTable,
  Report,
  ReportBuild,
  ReportFlow,
  ReportImage,
  ReportLayer,
  ReportStage,
  ReportStep,
  TestCase,
  TestSuite,
} from './report/types.ts';
