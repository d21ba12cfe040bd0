// Layers as what takes room in a store.

import { lstatSync, readdirSync, renameSync, statSync } from 'node:fs';
import { errnoOf } from '../base/index.ts';
import { LayerFiles, layerIds, type LayerSurroundings } from './layer-files.ts';
import type { CollectableLayer, CollectableLayers } from './types.ts';

/** Id of a layer among the entries of the store. */
export function layerUsageId(id: string): string {
  return `layer:${id}`;
}

/** The layers of a store, for listing, collection and checks. */
export function layerUsage(around: LayerSurroundings): CollectableLayers {
  const files = (id: string): LayerFiles => new LayerFiles(around, id);
  const bare = (id: string): string => id.slice('layer:'.length);
  return {
    entries: () => layerIds(around.root).flatMap((id) => entryOf(files(id), id)),
    lastUsedAt: (id) => usedAt(files(bare(id)).path),
    remove: (id, trash) => renameSync(files(bare(id)).path, trash),
    *check(repair) {
      for (const id of layerIds(around.root)) {
        const problem = damageOf(files(id));
        if (problem === undefined) continue;
        if (repair) files(id).discard();
        yield { subject: layerUsageId(id), problem, repaired: repair };
      }
    },
  };
}

function entryOf(files: LayerFiles, id: string): readonly CollectableLayer[] {
  const lastUsedAt = usedAt(files.path);
  if (lastUsedAt === undefined) return [];
  const facts = files.peekFacts();
  const size = sizeOf(files.path, facts?.size ?? 0);
  return [
    {
      id: layerUsageId(id),
      type: 'regular',
      description: facts?.pulled === undefined ? 'layer made by a step' : `layer of an image, ${facts.pulled.digest}`,
      size,
      createdAt: facts?.createdAt === undefined || facts.createdAt === 0 ? lastUsedAt : facts.createdAt,
      lastUsedAt,
      mutable: false,
      needs: [],
    },
  ];
}

/** Files count as they are, packs that several layers share by parts; an unpacked folder counts as what the index says. */
function sizeOf(path: string, unpacked: number): number {
  let size = 0;
  for (const name of readdirSync(path)) {
    const stat = lstatSync(`${path}/${name}`, { throwIfNoEntry: false });
    if (stat === undefined) continue;
    size += stat.isDirectory() ? unpacked : Math.ceil(stat.size / stat.nlink);
  }
  return size;
}

function damageOf(files: LayerFiles): string | undefined {
  const facts = files.peekFacts();
  if (facts === undefined) return 'its facts cannot be read';
  try {
    const index = files.index();
    if (index === undefined) return 'its index is missing';
    if (index.contentDigest !== facts.contentDigest) return 'its index is not what its facts say';
  } catch (error) {
    return (error as Error).message;
  }
  const lost = facts.packs?.find((name) => !files.has(name));
  return lost === undefined ? undefined : `its pack ${lost} is missing`;
}

function usedAt(path: string): number | undefined {
  try {
    return statSync(path).mtimeMs;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
