// What each vertex does: how it is keyed and how it is run.

export type { LocalFolder, OpDeps, PathDigests } from './deps.ts';
export { baseIdentity, EMPTY_IDENTITY, mergeIdentity, stepIdentity } from './identity.ts';
export { createImageOp, type ImageLayers, imageIdentity } from './image-op.ts';
export { createMergeOp } from './merge-op.ts';
