// Layers as what takes room in a store.

import { createHash } from 'node:crypto';
import { lstatSync, readSync, renameSync, statSync } from 'node:fs';
import { type Digest, errnoOf, fromBytePath, sha256Digest } from '../base/index.ts';
import type { FileBytes, LayerIndex } from '../layer/index.ts';
import { openBytes } from './layer-bytes.ts';
import { type LayerFacts, LayerFiles, layerIds, type LayerSurroundings, namesIn } from './layer-files.ts';
import { FORM_PREFIX } from './layer-rights.ts';
import type { LayerForms } from './layer-tasks.ts';
import type { CollectableLayer, CollectableLayers } from './types.ts';

/** Id of a layer among the entries of the store. */
function layerUsageId(id: string): string {
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
        // Collected meanwhile, it is not broken.
        if (problem === undefined || usedAt(files(id).path) === undefined) continue;
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
      description: facts?.pulled === undefined ? 'layer' : `layer of an image, ${facts.pulled.digest}`,
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
  for (const name of namesIn(path)) {
    const stat = lstatSync(`${path}/${name}`, { throwIfNoEntry: false });
    if (stat === undefined) continue;
    size += stat.isDirectory() ? unpacked : Math.ceil(stat.size / stat.nlink);
  }
  return size;
}

function damageOf(files: LayerFiles): string | undefined {
  const facts = files.peekFacts();
  if (facts === undefined) return 'its facts cannot be read';
  let index: LayerIndex | undefined;
  try {
    index = files.index();
  } catch (error) {
    return (error as Error).message;
  }
  if (index === undefined) return 'its index is missing';
  if (index.contentDigest !== facts.contentDigest) return 'its index is not what its facts say';
  const lost = facts.packs?.find((name) => !files.has(name));
  if (lost !== undefined) return `its pack ${lost} is missing`;
  for (const forms of formsOf(files, facts)) {
    const problem = damagedFile(index, forms);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** Everywhere that the layer's files have their bytes. */
function formsOf({ path }: LayerFiles, { packs }: LayerFacts): readonly LayerForms[] {
  const folders = namesIn(path).filter((name) => name.startsWith(FORM_PREFIX));
  return [
    ...(packs === undefined ? [] : [{ packs: packs.map((name) => `${path}/${name}`) }]),
    ...folders.map((name) => ({ folder: `${path}/${name}` })),
  ];
}

/** The first file whose bytes are not those of the index. */
function damagedFile({ entries }: LayerIndex, forms: LayerForms): string | undefined {
  const where = forms.folder === undefined ? 'its packs' : 'its folder';
  using bytes = openBytes(forms);
  const buffer = Buffer.allocUnsafe(1 << 20);
  for (const entry of entries) {
    if (entry.kind !== 'file' || entry.digest === undefined || (forms.folder === undefined && entry.offset === undefined)) continue;
    try {
      using file = bytes.open(entry);
      if (digestOfFile(file, buffer) !== entry.digest) return `${where} has other bytes for ${fromBytePath(entry.path)}`;
    } catch (error) {
      return `${where} lacks ${fromBytePath(entry.path)}: ${(error as Error).message}`;
    }
  }
  return undefined;
}

function digestOfFile({ fd, offset, size }: FileBytes, buffer: Buffer): Digest {
  const hash = createHash('sha256');
  for (let at = 0; at < size;) {
    const count = readSync(fd, buffer, 0, Math.min(buffer.length, size - at), offset + at);
    if (count === 0) break;
    hash.update(buffer.subarray(0, count));
    at += count;
  }
  return sha256Digest(hash.digest('hex'));
}

function usedAt(path: string): number | undefined {
  try {
    return statSync(path).mtimeMs;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
