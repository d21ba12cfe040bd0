// Lining up an image's config with the layers that the build made: each history entry gets its layer's time or says that it has
// none, as BuildKit's exporters do.

import { type DiffID, SlipwayError } from '../base/index.ts';
import type { GraphEdge, GraphHistory } from '../graph/index.ts';
import type { HistoryEntry, ImageConfig } from '../oci/index.ts';
import type { Layer, RootFS } from '../snapshot/index.ts';

/** Layers lowest first, and the history that goes with them. */
export interface LinedUp {
  readonly layers: readonly Layer[];
  readonly history: readonly HistoryEntry[];
  /** How many of the layers are the base image's. */
  readonly baseLayers: number;
}

interface Draft {
  entry: HistoryEntry;
  readonly own: boolean;
}

/**
 * Matches history to layers. `resultOf` gives what the solver made of an edge; `root` is the target's file system.
 * `epoch` (seconds) caps the times of what this build added that has none yet: with an epoch of the build's own, entries have it, and a
 * layer that was made before it and found again does not change that; `treeName` is what made layers that no entry speaks of. The base's entries
 * speak of the layers of `baseTree`, of which the first `baseLayers` are an image's; without it these are all.
 */
export function lineUp(
  history: readonly GraphHistory[],
  root: RootFS | undefined,
  baseLayers: number,
  resultOf: (edge: GraphEdge) => RootFS,
  epoch: number | undefined,
  treeName: string | undefined,
  baseTree: GraphEdge | undefined,
): LinedUp {
  const layers = root?.layers ?? [];
  const below = baseTree === undefined ? baseLayers : resultOf(baseTree).layers.length;
  const drafts: Draft[] = [];
  let used = 0;
  for (const { entry, output } of history) {
    if (output === 'base') {
      if (entry.empty_layer !== true) used += 1;
      const made = entry.empty_layer !== true && used > baseLayers && entry.created === undefined ? layers[used - 1] : undefined;
      drafts.push({ entry: made === undefined ? entry : { ...entry, created: iso(made.createdAt, epoch) }, own: false });
      continue;
    }
    used = Math.max(used, below);
    const after = output === undefined ? used : resultOf(output).layers.length;
    if (after <= used) drafts.push({ entry: { ...entry, empty_layer: true }, own: true });
    else {
      const made = layers.slice(used, after);
      for (const layer of made.slice(0, -1))
        drafts.push({ entry: { created: iso(layer.createdAt, epoch), comment: 'buildkit.exporter.image.v0' }, own: true });
      const { empty_layer: _none, ...kept } = entry;
      const created = entry.created === undefined ? (made.at(-1) as Layer).createdAt : Date.parse(entry.created);
      drafts.push({ entry: { ...kept, created: iso(created, epoch) }, own: true });
      used = after;
    }
  }
  // A tree that no instruction made (`FROM` a folder) has layers that no entry speaks of.
  const spoken = drafts.some(({ own }) => own) ? Math.max(used, below) : below;
  for (const layer of layers.slice(spoken))
    drafts.push({
      entry: {
        created: iso(layer.createdAt, epoch),
        ...(treeName === undefined ? {} : { created_by: treeName }),
        comment: 'buildkit.exporter.image.v0',
      },
      own: true,
    });
  padBaseHistory(drafts, below);
  return { layers, history: fillTimes(drafts, epoch).map(orderFields), baseLayers };
}

/** A base whose history does not account for all of its layers gets entries for the rest; too many are said to be empty. */
function padBaseHistory(drafts: Draft[], layers: number): void {
  const base = drafts.filter(({ own }) => !own);
  let counted = base.filter(({ entry }) => entry.empty_layer !== true).length;
  for (; counted < layers; counted += 1) drafts.splice(base.length, 0, { entry: { comment: 'buildkit.exporter.image.v0' }, own: false });
  for (const draft of [...base].reverse()) {
    if (counted <= layers) break;
    if (draft.entry.empty_layer === true) continue;
    draft.entry = { ...draft.entry, empty_layer: true };
    counted -= 1;
  }
}

/** Entries without a time get the time of the layer before them, or of the first one that this build made. */
function fillTimes(drafts: readonly Draft[], epoch: number | undefined): HistoryEntry[] {
  const firstGap = drafts.findIndex(({ entry }) => entry.created === undefined);
  let time = firstGap < 0 ? undefined : drafts.slice(firstGap).find(({ entry }) => entry.created !== undefined)?.entry.created;
  time ??= drafts.findLast(({ entry }) => entry.created !== undefined)?.entry.created;
  let inGap = false;
  return drafts.map(({ entry, own }) => {
    if (entry.created === undefined) inGap = true;
    else if (inGap) time = entry.created;
    const known = entry.created ?? time;
    // What this build added is not later than its epoch, whatever the base is of.
    const created = !own || epoch === undefined ? known : iso(known === undefined ? epoch * 1000 : Date.parse(known), epoch);
    return created === undefined ? entry : { ...entry, created };
  });
}

function orderFields(entry: HistoryEntry): HistoryEntry {
  const { created, created_by, author, comment, empty_layer } = entry;
  return {
    ...(created === undefined ? {} : { created }),
    ...(author === undefined ? {} : { author }),
    ...(created_by === undefined ? {} : { created_by }),
    ...(comment === undefined ? {} : { comment }),
    ...(empty_layer === true ? { empty_layer } : {}),
  };
}

function iso(milliseconds: number, epoch: number | undefined): string {
  const capped = epoch === undefined ? milliseconds : Math.min(milliseconds, epoch * 1000);
  return new Date(capped).toISOString().replace(/\.000Z$/, 'Z');
}

/**
 * The config as it is exported: DiffIDs, history and time filled in. Where nothing has a time (no layer, no epoch) there is none, as in
 * BuildKit's: the same image built again is the same.
 */
export function finishConfig(config: ImageConfig, history: readonly HistoryEntry[], diffIds: readonly DiffID[]): ImageConfig {
  if (config.os === '' || config.architecture === '') {
    throw new SlipwayError(
      'IMAGE_CONFIG_INVALID',
      `the image config for export is incomplete: missing ${config.os === '' ? 'os' : 'architecture'}`,
    );
  }
  const last = history.findLast(({ created }) => created !== undefined)?.created;
  return {
    ...config,
    ...(last === undefined ? {} : { created: last }),
    rootfs: { type: 'layers', diff_ids: diffIds },
    history,
  };
}
