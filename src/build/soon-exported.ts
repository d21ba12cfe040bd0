// Blobs of small layers, made while a later step of their image runs: the export finds them.

import type { JobContext } from '../base/index.ts';
import { ownLayerBlobOptions, type OutputPlan } from '../export/index.ts';
import type { GraphResult } from '../graph/index.ts';
import type { Layer, LayerStore } from '../snapshot/index.ts';

/** Larger ones take their time from the step, bytes; and a step may fail. */
const SMALL = 256 << 10;

/** Makes what the images of a build will have of the layers below a step. Nothing for other steps. */
export type MakeBlobs = (vertex: string, layers: readonly Layer[], job: JobContext) => Promise<void>;

/** For what is exported as `plans` say. */
export function soonExported(graph: GraphResult, plans: readonly OutputPlan[], store: LayerStore): MakeBlobs {
  const baseLayers = new Map<string, number>();
  for (const { history, baseConfig } of graph.platforms) {
    for (const { output } of history)
      if (output !== undefined && output !== 'base') baseLayers.set(output.vertex.digest, baseConfig?.rootfs.diff_ids.length ?? 0);
  }
  const options = plans.flatMap((plan) => ('image' in plan ? [ownLayerBlobOptions(plan.image)] : []));
  const begun = new Set<string>();
  return async (vertex, layers, job) => {
    for (const layer of layers.slice(baseLayers.get(vertex) ?? layers.length)) {
      if ((layer.size ?? Infinity) > SMALL || begun.has(layer.id)) continue;
      begun.add(layer.id);
      for (const each of options) await store.blob(layer, each, job);
    }
  };
}
