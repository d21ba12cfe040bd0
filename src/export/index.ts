// The export room: from layers and a config to an image, and from an image or its files to where the user wants them.

export { type Annotation, parseAnnotation } from './annotations.ts';
export { type AssembledImage, type AssembledManifest, assembleImage, needsIndex, ownLayerBlobOptions } from './assemble.ts';
export { attachedTo, imagePurl } from './attestation.ts';
export { archiveMembers, writeArchive } from './archive-members.ts';
export { findEngine, loadArchive } from './engine.ts';
export { type OutputRequest, type OutputType, parseOutput } from './output-request.ts';
export { exportOutput, outputTitle } from './outputs.ts';
export {
  type ArchivePlan,
  type ImageOptions,
  type ImagePlan,
  type OutputPlan,
  type PlanFacts,
  planOutputs,
  type TreePlan,
} from './plan.ts';
export { imageIdOf, outputMetadata } from './result-files.ts';
export { openFileSink, openStreamSink, type Sink } from './sink.ts';
export type { AttestedImage, Attestation, ExportContext, ExportSource, OutputResult, PlatformResult, StatusSink } from './source.ts';
