// What the parts of the layer store share.

import type { DiffID, JobContext } from '../base/index.ts';
import type { FolderRights, LayerIndex } from '../layer/index.ts';
import type { LayerFacts, LayerFiles, LayerSurroundings } from './layer-files.ts';
import type { LayerRunner } from './layer-runner.ts';
import type { BlobInput, LayerForms } from './layer-tasks.ts';
import type { Layer, RemoteBlob } from './types.ts';

/** The store, as its parts see it. */
export interface LayerWork {
  readonly around: LayerSurroundings;
  readonly runner: LayerRunner;
  readonly threads: number;
  readonly rights: () => FolderRights;
  files(id: string): LayerFiles;
  facts(id: string): LayerFacts | undefined;
  /** The facts of a layer changed on disk. */
  learn(id: string, facts: LayerFacts): void;
  /** Where this build can fetch the layer: as the blob that its image or cache named, if it is known which. */
  remote(layer: Layer): RemoteBlob | undefined;
  index(layer: Layer, job: JobContext): Promise<LayerIndex>;
  /** Forms with all files' bytes; undefined: only blobs, or nothing, are here. */
  forms(id: string): LayerForms | undefined;
  /** Makes sure that `forms` is defined. */
  localForms(layer: Layer, job: JobContext): Promise<LayerForms>;
  /** Whether making something of the layer's files is worth a worker. */
  isLarge(facts: LayerFacts, indexBytes: number): boolean;
  dropLater(path: string): void;
}

/** What a remote blob must be. */
export function inputOf(layer: Layer, remote: RemoteBlob): BlobInput {
  const diffID: DiffID | undefined = layer.diffID ?? remote.diffID;
  const { digest, size } = remote.descriptor;
  return { digest, size, verified: remote.verifies === true, ...(diffID === undefined ? {} : { diffID }) };
}
