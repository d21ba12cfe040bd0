// What the API server takes of the rooms below: it takes a build apart (frontend, solving, export are separate calls of a client)
// where `build()` does it in one go.

export { AsyncDisposableStack } from '../base/index.ts';
export {
  type BlobSource,
  type BuiltForCaches,
  type CacheExports,
  type CacheSharing,
  type CacheTransport,
  exportCaches,
  importCaches,
  CACHE_TYPES,
  knownCacheAttributes,
  planCacheExports,
  prepareCaches,
} from '../cache/index.ts';
export { compileGlob, detectSyntax, parseDockerfile, parseIgnore, PatternMatcher } from '../dockerfile/index.ts';
export {
  type Attestation,
  type AttestedImage,
  exportOutput,
  type ExportContext,
  type ExportSource,
  imagePurl,
  type OutputPlan,
  type OutputResult,
  outputTitle,
  planOutputs,
  type PlatformResult,
} from '../export/index.ts';
export {
  buildGraph,
  describeRequests,
  describeText,
  type GraphEdge,
  type GraphOptions,
  type GraphResult,
  gitSource,
  type ImageResolver,
  outlineDocument,
  outlineText,
  parseGitRef,
  type PlatformGraph,
  targetsOf,
  targetsText,
  type TreeInput,
  vertexDigest,
} from '../graph/index.ts';
export type * from '../graph/index.ts';
export type { ResolvedContext, ResolvedImage } from '../graph/index.ts';
export { compareEntryPaths, type Entry, type Tree } from '../layer/index.ts';
export { type DiffID, type Digest } from '../base/index.ts';
export {
  type Descriptor,
  familiarReference,
  formatPlatform,
  formatWholePlatform,
  formatReference,
  type HistoryEntry,
  type ImageConfig,
  normalizePlatform,
  parseImageConfig,
  parsePlatform,
  parseReference,
  type Platform,
  platformOfConfig,
  withDefaultTag,
} from '../oci/index.ts';
export {
  type Container,
  type ContainerProcess,
  type ContainerProcessSpec,
  type ContainerSpec,
  COPY_EVERYTHING,
  type SourceNetwork,
  treeOf,
} from '../ops/index.ts';
export type { SignalName } from '../runtime/index.ts';
export { isArchive } from '../source/index.ts';
export { type CredentialSource, openRegistry, type RegistryClient } from '../registry/index.ts';
export type { Layer, RootFS } from '../snapshot/index.ts';
export { fileBytes } from '../store/index.ts';
export {
  makeFolders,
  mknod,
  openSocketPair,
  peerUser,
  readXattrs,
  removeTree,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  S_IFSOCK,
  setTimes,
  setXattr,
} from '../sys/index.ts';
export { buildWith } from './build.ts';
export { answerCall, type CallAnswer } from './calls.ts';
export { Engine, openEngine } from './engine.ts';
export { type FoundImage, ImageSources } from './image-sources.ts';
export { stepLayers } from './step-layers.ts';
export { type Material, PROVENANCE_PREDICATES, type StepLayers, writePredicate } from '../insight/index.ts';
export { familiarName, findImage, imagesOf, listImages, removeImage, tagImage } from './images.ts';
export type { AskFrontend, FrontendAnswer, FrontendPart, FrontendQuestion, LoadProtocol } from './foreign-frontend.ts';
export { isOwnFrontend } from './foreign-frontend.ts';
export { emptyConfig } from './frontend-graph.ts';
export { finishConfig, lineUp } from './line-up.ts';
export { lineUpPlain } from './plain-history.ts';
export type { BuildRequest, RegistrySettings, Settings } from './options.ts';
export { BuildSession } from './session.ts';
export { withInlineCache } from './share-cache.ts';
export { soonShared } from './soon-exported.ts';
export { publishImage } from './publish.ts';
export { type SourceFacts, sourceFacts } from './source-facts.ts';
export { clientMessage } from './client-message.ts';
