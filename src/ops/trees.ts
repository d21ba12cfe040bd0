// Root filesystems as trees, and trees as layers.

import { mkdirSync, rmSync } from 'node:fs';
import { digestOf, type JobContext } from '../base/index.ts';
import { openLayerWriter, type PackedLayer, type Tree } from '../layer/index.ts';
import { NeedsBytes } from '../solver/index.ts';
import type { FolderRef, Layer, RootFS, TreeNeed } from '../snapshot/index.ts';
import type { OpDeps } from './deps.ts';
import { type ByteSource, type DraftEntry, EMPTY_TREE, openSource } from './file-draft.ts';
import { FolderTrees } from './folders.ts';

const folders = new WeakMap<OpDeps, FolderTrees>();

/** The folder trees of a build: one set for all its ops. */
export function foldersOf(deps: OpDeps): FolderTrees {
  let known = folders.get(deps);
  if (known === undefined) folders.set(deps, (known = new FolderTrees(deps.stateFolder('folders'), deps.spool)));
  return known;
}

/**
 * What an op sees of input `index`. Undefined stands for the empty filesystem. Throws NeedsBytes when the layers are remembered but
 * nowhere at hand.
 */
export async function treeOf(input: RootFS | undefined, index: number, need: TreeNeed, deps: OpDeps, job: JobContext): Promise<Tree> {
  if (input === undefined) return EMPTY_TREE;
  if (input.folder !== undefined) return foldersOf(deps).tree(input.folder, job);
  if (input.layers.length === 0) return EMPTY_TREE;
  if (input.layers.some((layer) => !deps.layers.hasBytes(layer))) throw new NeedsBytes(index);
  return await deps.layers.tree(input.layers, need, job);
}

/** So much is written before others get a turn. */
const SLICE_FILES = 256;
const SLICE_BYTES = 8 << 20;
/** Copies of more files than this are reported as they go. */
const REPORTED = 2000;

export interface WriteOptions {
  /** The step that the progress belongs to. */
  readonly vertex: string;
  /** A layer that likely has much of the same: what it has is referred to. */
  readonly previous?: PackedLayer | undefined;
}

/** Writes change-set entries as a layer. Throws `FILE_CHANGED` when a source is not what it was when it was keyed. */
export async function writeLayer(entries: readonly DraftEntry[], options: WriteOptions, deps: OpDeps, job: JobContext): Promise<Layer> {
  const folder = deps.tempFolder();
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    using writer = openLayerWriter({ folder, ...(options.previous === undefined ? {} : { previous: options.previous }) });
    const report = entries.length > REPORTED;
    if (report) deps.onLargeLayer?.();
    let bytes = 0;
    for (const [at, { entry, bytes: source }] of entries.entries()) {
      if (source === undefined) writer.add(entry);
      else {
        writer.add(entry, openerOf(source));
        bytes += entry.size;
      }
      if ((at + 1) % SLICE_FILES === 0 || bytes > SLICE_BYTES) {
        bytes = 0;
        await turn(job.signal);
        if (report) reportCopied(options.vertex, at + 1, entries.length, job);
      }
    }
    if (report) reportCopied(options.vertex, entries.length, entries.length, job);
    return await deps.layers.commitWritten(writer.finish(), job);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function openerOf(source: ByteSource): (() => ReturnType<typeof openSource>) | Uint8Array {
  return source.kind === 'data' ? source.data : () => openSource(source);
}

function reportCopied(id: string, current: number, total: number, job: JobContext): void {
  job.progress({
    type: 'status',
    id,
    status: 'copying files',
    current,
    total,
    unit: 'files',
    done: current === total,
    time: job.now().getTime(),
  });
}

async function turn(signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
  signal.throwIfAborted();
}

/** Content and times of a layer's entries: what a snapshot of a folder is remembered by. */
export function snapshotDigest(content: string, entries: readonly DraftEntry[]): string {
  return digestOf([content, ...entries.map(({ entry }) => `${entry.mtime}.${entry.mtimeNs}`)].join('\n'));
}

/** After a change was noticed: the folder is looked at anew. True when there was a folder to forget. */
export function forgetFolders(inputs: readonly (RootFS | undefined)[], deps: OpDeps): boolean {
  const refs = inputs.flatMap((input): FolderRef[] => (input?.folder === undefined ? [] : [input.folder]));
  for (const ref of refs) foldersOf(deps).forget(ref);
  return refs.length > 0;
}

/** What a context is called in messages. */
export function placeName(input: RootFS | undefined, name: string | undefined): string {
  if (input?.folder !== undefined)
    return input.folder.name === 'context' ? 'the build context' : `the context ${JSON.stringify(input.folder.name)}`;
  return name === undefined ? 'the source' : JSON.stringify(name);
}
