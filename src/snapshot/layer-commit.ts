// New layers: what a step left in an overlay folder, or what a LayerWriter wrote, becomes a layer of the store.

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { JobContext } from '../base/index.ts';
import {
  decodeLayerIndex,
  type LayerIndex,
  makeLayerIndex,
  type Tree,
  trimUnchanged,
  withKeptOwner,
  type WrittenLayer,
} from '../layer/index.ts';
import { type LayerFacts, layerId, layerOf } from './layer-files.ts';
import { formName } from './layer-rights.ts';
import type { LayerWork } from './layer-work.ts';
import { type IndexMade, writeIndex } from './layer-tasks.ts';
import type { Layer } from './types.ts';

/** A step's changes up to this are looked through in this thread. */
const INLINE = { entries: 1500, bytes: 8 << 20 };

/** A layer, with its index where that was looked through. */
export interface CommittedFolder {
  readonly layer: Layer;
  readonly index: LayerIndex | undefined;
}

/** Moves an overlay upper folder in. `below` is what it was mounted over. */
export async function commitFolder(
  work: LayerWork,
  upper: string,
  secrets: readonly Uint8Array[],
  below: Tree | undefined,
  job: JobContext,
): Promise<CommittedFolder> {
  const folder = work.around.temp.path('layer');
  mkdirSync(folder, { mode: 0o755 });
  try {
    const indexFile = `${folder}/index`;
    const { made, index } = trimmed(await walk(work, upper, indexFile, secrets, job), indexFile, below, work.rights().owners);
    renameSync(upper, `${folder}/${formName(work.rights())}`);
    return { layer: publish(work, folder, made, {}, job), index };
  } catch (error) {
    work.dropLater(folder);
    throw error;
  }
}

/** Moves a written layer's folder in. */
export function commitWritten(work: LayerWork, written: WrittenLayer, job: JobContext): Layer {
  const made = writeIndex(written.index, `${written.folder}/index`);
  const previous = written.previous === undefined ? {} : { previous: written.previous };
  return publish(work, written.folder, made, { packs: written.packs, ...previous }, job);
}

async function walk(
  work: LayerWork,
  folder: string,
  indexFile: string,
  secrets: readonly Uint8Array[],
  job: JobContext,
): Promise<IndexMade> {
  const { overlay, owners } = work.rights();
  const task = { kind: 'diff', folder, overlay, noted: !owners, secrets, indexFile } as const;
  const made = (await work.runner.run({ ...task, budget: INLINE }, false, job)) ?? (await work.runner.run(task, true, job));
  if (made === undefined) throw new Error('internal: a walk without budget gave up');
  return made;
}

/** Leaves out what is the same below. `owners`: the disk holds everybody's files as such. */
function trimmed(
  made: IndexMade,
  indexFile: string,
  below: Tree | undefined,
  owners: boolean,
): { readonly made: IndexMade; readonly index: LayerIndex | undefined } {
  if (below === undefined || made.entries === 0) return { made, index: undefined };
  const index = decodeLayerIndex(readFileSync(indexFile));
  const { entries } = index;
  const kept = trimUnchanged(owners ? entries : entries.map((entry) => withKeptOwner(entry, below)), below);
  if (kept.length === entries.length && kept.every((entry, at) => entry === entries[at])) return { made, index };
  rmSync(indexFile);
  const rest = makeLayerIndex(kept);
  return { made: writeIndex(rest, indexFile), index: rest };
}

function publish(work: LayerWork, folder: string, made: IndexMade, more: Pick<LayerFacts, 'packs' | 'previous'>, job: JobContext): Layer {
  const id = layerId(made.digest);
  const facts: LayerFacts = { contentDigest: made.contentDigest, size: made.size, createdAt: job.now().getTime(), ...more };
  writeFileSync(`${folder}/layer.json`, JSON.stringify(facts));
  const files = work.files(id);
  for (;;) {
    if (files.publish(folder)) {
      work.learn(id, facts);
      return layerOf(id, facts);
    }
    // The same layer was made before, or by another process: that one stays, with the forms it lacks. Asking for its facts claims it;
    // until then a collector may take it, and then ours is published after all.
    const known = work.facts(id);
    if (known === undefined) continue;
    const name = formName(work.rights());
    if (more.packs === undefined && !files.has(name)) files.publishForm(`${folder}/${name}`, name);
    work.dropLater(folder);
    return layerOf(id, known);
  }
}
