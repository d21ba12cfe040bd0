// What each vertex does: how it is keyed and how it is run.

export { type Container, type ContainerProcess, type ContainerProcessSpec, type ContainerSpec, openContainer } from './container.ts';
export { AskedSources } from './asked-sources.ts';
export type { FailedStep, LeftOver, LocalFolder, OpDeps, PathDigests, Sandbox, SourceNetwork } from './deps.ts';
export { COPY_EVERYTHING } from './copy.ts';
export { createDiffOp } from './diff-op.ts';
export { createExecOp } from './exec-op.ts';
export { createFileOp } from './file-op.ts';
export { createGitOp, type GitFacts, gitFacts } from './git-op.ts';
export { createHttpOp, httpFacts } from './http-op.ts';
export { createLocalOp } from './local-op.ts';
export { keepFolders, treeOf } from './trees.ts';
export { baseIdentity, EMPTY_IDENTITY, mergeIdentity, stepIdentity } from './identity.ts';
export { createImageOp, type ImageLayers, imageIdentity } from './image-op.ts';
export { createMergeOp } from './merge-op.ts';
export { createPassOp } from './pass-op.ts';
export { readTreeFile } from './read-file.ts';
export { materialize, snapshotFolder } from './selection.ts';
