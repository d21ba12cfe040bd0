// SourceOp of an image: its layers become known, none is fetched. Which manifest it is was decided when the graph was made.

import { canonicalJson, type Digest, digestOf, type JobContext } from '../base/index.ts';
import type { ImageSource, OciLayoutSource } from '../graph/index.ts';
import { chainId, type Platform } from '../oci/index.ts';
import type { Op } from '../solver/index.ts';
import { type Layer, type LayerStore, type RemoteBlob, type RootFS, shownAs } from '../snapshot/index.ts';
import type { DiffID } from '../base/index.ts';
import { baseIdentity, EMPTY_IDENTITY } from './identity.ts';

/** An image as it was resolved for this build: where each layer's bytes are. */
export interface ImageLayers {
  readonly platform: Platform;
  readonly diffIds: readonly DiffID[];
  /** One for each DiffID, lowest first. */
  readonly blobs: readonly RemoteBlob[];
}

/** Makes the layers of an image known; whoever fetches one later reports it as the step `vertex`. `resolve` gives what the graph's resolver found for this source. */
export function createImageOp(
  vertex: string,
  source: ImageSource | OciLayoutSource,
  layers: LayerStore,
  resolve: (source: ImageSource | OciLayoutSource, job: JobContext) => Promise<ImageLayers>,
): Op<RootFS> {
  let found: Promise<ImageLayers> | undefined;
  const image = (job: JobContext): Promise<ImageLayers> =>
    (found ??= resolve(source, job).then((whole) => lowest(whole, source.layerLimit)));
  return {
    resource: 'none',
    cacheable: false,
    cacheMap: async (_inputs, job) => {
      const { diffIds, platform } = await image(job);
      const identity = imageIdentity(diffIds, platform);
      return {
        key: digestOf(canonicalJson({ op: 'image', identity })),
        step: `image ${source.ref}`,
        fields: [{ name: 'image', value: identity }],
      };
    },
    exec: async (_inputs, job) => {
      const { diffIds, blobs, platform } = await image(job);
      const known: Layer[] = diffIds.map((diffId, index) => layers.addRemote(diffId, shownAs(vertex, blobs[index] as RemoteBlob)));
      return [{ identity: imageIdentity(diffIds, platform), layers: known }];
    },
  };
}

/** The image up to its `limit`th layer. */
function lowest(image: ImageLayers, limit: number | undefined): ImageLayers {
  if (limit === undefined) return image;
  return { platform: image.platform, diffIds: image.diffIds.slice(0, limit), blobs: image.blobs.slice(0, limit) };
}

/** Identity of an image's root filesystem. */
export function imageIdentity(diffIds: readonly DiffID[], platform: Platform): Digest {
  return diffIds.length === 0 ? EMPTY_IDENTITY : baseIdentity(chainId(diffIds) ?? 'none', platform);
}
