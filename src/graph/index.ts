// The graph room: a Dockerfile to vertices and configs. Pure: asks for images through the resolver that it is handed.

export { buildGraph } from './build-graph.ts';
export {
  describeRequests,
  describeText,
  type LocationDocument,
  type OutlineDocument,
  outlineDocument,
  outlineText,
  type RequestDocument,
  type TargetsDocument,
  targetsOf,
  targetsText,
} from './calls.ts';
export { contextKey } from './contexts.ts';
export { DEFAULT_PATH } from './config-draft.ts';
export { brokenDockerfile } from './fault.ts';
export { type GitRef, gitSource, isHttpAddress, parseGitRef } from './git-ref.ts';
export { goDuration, goQuoteList } from './go-text.ts';
export type * from './op-spec.ts';
export type { GraphOptions, TreeInput } from './options.ts';
export { OWN_RULES, type OwnRuleName } from './own-rules.ts';
export { printGraph } from './print-graph.ts';
export type { Outline, OutlineSecret } from './outline.ts';
export type { ImageResolver, ResolveAbout, ResolvedContext, ResolvedImage } from './resolver.ts';
export type { GraphHistory, GraphResult, InstructionFacts, PlatformGraph, StageFacts, StageRoot } from './result.ts';
export { vertexDigest, VertexPool } from './vertex-pool.ts';
