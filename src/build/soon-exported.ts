// Blobs that are going to be wanted, made while a later step runs: whoever exports them finds them.

import { availableParallelism } from 'node:os';
import type { JobContext } from '../base/index.ts';
import type { CacheExports } from '../cache/index.ts';
import { ownLayerBlobOptions, type OutputPlan } from '../export/index.ts';
import type { GraphResult } from '../graph/index.ts';
import type { Layer, LayerStore } from '../snapshot/index.ts';

/** Larger ones take their time from the step, bytes; and a step may fail. */
const SMALL = 256 << 10;

/** Makes blobs of the layers below a step that runs. */
export type MakeBlobs = (vertex: string, layers: readonly Layer[], job: JobContext) => Promise<void>;

/** For all that a build is going to export. */
export function soonWanted(
  graph: GraphResult,
  plans: readonly OutputPlan[],
  caches: CacheExports,
  store: LayerStore,
): readonly MakeBlobs[] {
  return [soonExported(graph, plans, store), soonShared(caches, store)].filter((make) => make !== undefined);
}

/** For the images that `plans` say, of small layers: what else is made while a step runs takes its time from the step, which may fail. */
function soonExported(graph: GraphResult, plans: readonly OutputPlan[], store: LayerStore): MakeBlobs | undefined {
  const options = plans.flatMap((plan) => ('image' in plan ? [ownLayerBlobOptions(plan.image)] : []));
  if (options.length === 0) return undefined;
  const baseLayers = new Map<string, number>();
  for (const { history, baseConfig } of graph.platforms) {
    for (const { output } of history)
      if (output !== undefined && output !== 'base') baseLayers.set(output.vertex.digest, baseConfig?.rootfs.diff_ids.length ?? 0);
  }
  const begun = new Set<string>();
  return async (vertex, layers, job) => {
    for (const layer of layers.slice(baseLayers.get(vertex) ?? layers.length)) {
      if ((layer.size ?? Infinity) > SMALL || begun.has(layer.id)) continue;
      begun.add(layer.id);
      for (const each of options) await store.blob(layer, each, job);
    }
  };
}

/**
 * For shared caches of every step. These are made of layers of all sizes: a step that runs leaves processors alone, and after the last one
 * the compression of all that was built is what everybody waits for. With one processor there is nothing to be won.
 */
export function soonShared({ plans }: CacheExports, store: LayerStore): MakeBlobs | undefined {
  // What is forced into another form includes pulled layers, and only the export knows which of those belong to the cache.
  const options = plans.flatMap(({ mode, blobs }) => (mode === 'max' && !blobs.force ? [blobs] : []));
  if (options.length === 0 || availableParallelism() === 1) return undefined;
  const begun = new Set<string>();
  let last = Promise.resolve();
  return (_, layers, job) => {
    const fresh = layers.filter(({ id }) => !begun.has(id));
    for (const { id } of fresh) begun.add(id);
    const make = async (): Promise<void> => {
      for (const layer of fresh) for (const each of options) await store.blob(layer, each, job);
    };
    last = last.then(make, make); // one at a time, which takes several threads already
    return last;
  };
}
