// The engine's words as this room uses them. One place to see what is taken from below.

export type * from '../graph/op-spec.ts';
export type { GraphOptions, TreeInput } from '../graph/options.ts';
export type { ImageResolver, ResolvedContext, ResolvedImage } from '../graph/resolver.ts';
export type { GraphResult } from '../graph/result.ts';
export type { Tree, Entry } from '../layer/index.ts';
export type { ImageConfig, Platform } from '../oci/index.ts';
