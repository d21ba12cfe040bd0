// The history of an image whose config came from a frontend that we know nothing else of: entries and layers are matched by counting.

import type { HistoryEntry } from '../oci/index.ts';
import type { Layer } from '../snapshot/index.ts';
import type { LinedUp } from './line-up.ts';

/** One entry for each layer, in order; surplus entries are said to be empty, missing ones are added; times are filled in. */
export function lineUpPlain(
  history: readonly HistoryEntry[],
  layers: readonly Layer[],
  countedFrom: number,
  epoch: number | undefined,
): LinedUp {
  const baseLayers = Math.min(countedFrom, layers.length);
  const result: HistoryEntry[] = [];
  let used = 0;
  for (const entry of history) {
    if (entry.empty_layer === true) {
      result.push(entry);
      continue;
    }
    if (used >= layers.length) {
      result.push({ ...entry, empty_layer: true });
      continue;
    }
    const layer = layers[used] as Layer;
    used += 1;
    result.push(entry.created !== undefined || used <= baseLayers ? entry : { ...entry, created: iso(layer.createdAt, epoch) });
  }
  for (const layer of layers.slice(used)) result.push({ created: iso(layer.createdAt, epoch), comment: 'buildkit.exporter.image.v0' });
  return { layers, history: fillTimes(result, epoch), baseLayers };
}

function fillTimes(entries: readonly HistoryEntry[], epoch: number | undefined): HistoryEntry[] {
  let last: string | undefined = entries.find(({ created }) => created !== undefined)?.created;
  return entries.map((entry) => {
    const created = entry.created ?? last;
    last = created ?? last;
    return created === undefined ? entry : { ...entry, created: clamp(created, epoch) };
  });
}

function iso(milliseconds: number, epoch: number | undefined): string {
  const capped = epoch === undefined ? milliseconds : Math.min(milliseconds, epoch * 1000);
  return new Date(capped).toISOString().replace(/\.000Z$/, 'Z');
}

/** Times after the epoch come down to it. */
function clamp(created: string, epoch: number | undefined): string {
  return epoch !== undefined && Date.parse(created) > epoch * 1000 ? new Date(epoch * 1000).toISOString().replace(/\.000Z$/, 'Z') : created;
}
