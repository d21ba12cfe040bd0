// Which layers of an image each step made, as provenance tells it.

import type { JobContext } from '../base/index.ts';
import type { AttestedImage } from '../export/index.ts';
import type { GraphVertex } from '../graph/index.ts';
import type { StepLayers } from '../insight/index.ts';
import type { ImageSources } from './image-sources.ts';
import type { BuildSession } from './session.ts';

/**
 * Descriptors of each step's layers, as far as they are in the image. `numbers`: of the steps; `layers`: ids of the layers that the image
 * has, lowest first. Bases that nobody looked into are told as their registry has them.
 */
export async function stepLayers(
  { session, images, job }: { readonly session: BuildSession; readonly images: ImageSources; readonly job: JobContext },
  numbers: ReadonlyMap<GraphVertex, number>,
  layers: readonly string[],
  image: AttestedImage,
): Promise<StepLayers> {
  const found: Record<string, object[][]> = {};
  const descriptors = image.layers.map(({ descriptor: { mediaType, digest, size, annotations } }) => ({
    mediaType,
    digest,
    size,
    ...(annotations !== undefined && { annotations }),
  }));
  for (const [vertex, number] of numbers) {
    const known = session.outputsOf(vertex);
    for (const [output, { layers: made }] of known.entries()) {
      const all = made.map(({ id }, index) => (layers[index] === id ? descriptors[index] : undefined));
      if (all.length > 0 && all.every((one) => one !== undefined)) found[`step${number}:${output}`] = [all];
    }
    const { op } = vertex;
    if (known.length > 0 || op.type !== 'source' || (op.source.kind !== 'image' && op.source.kind !== 'oci-layout')) continue;
    const { manifest } = await images.find(op.source, job);
    const base = manifest.layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size }));
    if (base.length > 0) found[`step${number}:0`] = [base];
  }
  return found;
}
