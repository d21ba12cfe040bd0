// The heavy work on layers, as tasks that run in this thread when they are small and in a worker when they are large. Files in,
// files out: nothing big crosses between threads.

import { closeSync, createReadStream, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import type { DiffID, Digest } from '../base/index.ts';
import {
  assembleEstargz,
  assembleTarOf,
  type BlockPipeline,
  type BlockSource,
  type CodecChoice,
  decodeEntries,
  decodeLayerIndex,
  diffFolder,
  encodeBlocks,
  encodeLayerIndex,
  IndexColumns,
  type EstargzTable,
  type FolderRights,
  makeLayerIndex,
  materializeLayer,
  measureIndex,
  openPipeline,
  type OverlayNamespace,
  readLayer,
  regroupLayer,
  sha256Of,
  type TarLimits,
} from '../layer/index.ts';
import { openBytes } from './layer-bytes.ts';

/** Where a layer's files have their bytes. */
export interface LayerForms {
  /** Pack files, as entries count them. */
  readonly packs?: readonly string[];
  /** Folder in overlay's form. */
  readonly folder?: string;
}

/** Walks an overlay upper folder into an index file. `budget` set: gives up (`undefined`) when it is larger. */
export interface DiffTask {
  readonly kind: 'diff';
  readonly folder: string;
  readonly overlay: OverlayNamespace;
  /** See `DiffOptions.noted`. */
  readonly noted: boolean;
  readonly secrets: readonly Uint8Array[];
  readonly indexFile: string;
  readonly budget?: { readonly entries: number; readonly bytes: number };
}

/** Makes a layer's blob. */
export interface BlobTask {
  readonly kind: 'blob';
  readonly indexFile: string;
  readonly forms: LayerForms;
  /** Undefined: the plain tar. */
  readonly choice?: CodecChoice;
  readonly clampMtime?: number;
  /** With a table of contents for lazy readers; `choice` is a gzip one then. */
  readonly estargz?: boolean;
  readonly output: string;
  readonly reuse: readonly BlockSource[];
  readonly threads: number;
}

/** Makes a layer's folder from packs. */
export interface FolderTask {
  readonly kind: 'folder';
  readonly indexFile: string;
  readonly forms: LayerForms;
  readonly target: string;
  readonly rights: FolderRights;
}

/** A blob that is read: a file, or a stream that is handed in. */
export interface BlobInput {
  /** Undefined: a stream. */
  readonly file?: string;
  readonly digest: Digest;
  readonly size: number;
  readonly diffID?: DiffID;
  /** The stream ends well only if it has this digest: it is not hashed again. */
  readonly verified?: boolean;
}

/** Reads a blob: makes its index, its folder when wanted, and a copy of a stream when wanted. */
export interface ReadTask {
  readonly kind: 'read';
  readonly input: BlobInput;
  readonly indexFile: string;
  readonly target?: string;
  readonly rights: FolderRights;
  readonly keep?: string;
  readonly limits?: Partial<TarLimits>;
}

/** Compresses a pulled layer's tar anew, byte by byte. */
export interface RecompressTask {
  readonly kind: 'recompress';
  readonly input: BlobInput;
  readonly choice?: CodecChoice;
  readonly output: string;
  readonly threads: number;
}

export type LayerTask = DiffTask | BlobTask | FolderTask | ReadTask | RecompressTask;

/** An index that was written. */
export interface IndexMade {
  /** Digest of the index file. */
  readonly digest: Digest;
  readonly contentDigest: Digest;
  /** Bytes of all files. */
  readonly size: number;
  readonly entries: number;
}

export interface BlobMade {
  readonly digest: Digest;
  readonly size: number;
  readonly diffID: DiffID;
  readonly blocks: Uint8Array;
  readonly reused: number;
  /** Of the tar. */
  readonly uncompressedSize: number;
  /** Digest of an eStargz table of contents. */
  readonly tocDigest?: Digest;
}

export interface LayerRead extends IndexMade {
  readonly diffID: DiffID;
  /** How many directories the layer only implies. */
  readonly implied: number;
}

/** What a task gives back. */
export interface TaskResults {
  readonly diff: IndexMade | undefined;
  readonly blob: BlobMade;
  readonly folder: true;
  readonly read: LayerRead;
  readonly recompress: BlobMade;
}

export type TaskResult<T extends LayerTask> = TaskResults[T['kind']];

/** Surroundings of a task in its thread. */
export interface TaskContext {
  /** The stream of a BlobInput without file. */
  readonly stream?: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
}

/** Does the task in this thread. */
export async function performTask<T extends LayerTask>(task: T, context: TaskContext): Promise<TaskResult<T>> {
  return (await perform(task, context)) as TaskResult<T>;
}

function perform(task: LayerTask, context: TaskContext): Promise<unknown> | unknown {
  switch (task.kind) {
    case 'diff':
      return diff(task);
    case 'blob':
      return makeBlob(task, context);
    case 'folder':
      return makeFolder(task, context);
    case 'read':
      return readBlob(task, context);
    case 'recompress':
      return recompress(task, context);
  }
}

function diff(task: DiffTask): IndexMade | undefined {
  const { folder, overlay, noted, secrets, budget } = task;
  const entries = diffFolder(folder, { overlay, noted, secrets, ...(budget === undefined ? {} : { budget }) });
  return entries === undefined ? undefined : writeIndex(makeLayerIndex(entries), task.indexFile);
}

/** Writes an index file and tells what is in it. */
export function writeIndex(index: ReturnType<typeof makeLayerIndex>, file: string): IndexMade {
  const bytes = encodeLayerIndex(index);
  writeFileSync(file, bytes, { flag: 'wx' });
  return { digest: sha256Of(bytes), contentDigest: index.contentDigest, ...measureIndex(index) };
}

async function makeBlob(task: BlobTask, { signal }: TaskContext): Promise<BlobMade> {
  using bytes = openBytes(task.forms);
  const options = { ...(task.clampMtime === undefined ? {} : { clampMtime: task.clampMtime }), check: () => signal.throwIfAborted() };
  return await intoBlob({ ...task, placing: task.estargz === true }, (pipeline) => {
    // Beside the start of the pipeline's threads.
    const file = readFileSync(task.indexFile);
    if (task.estargz === true) return assembleEstargz(decodeEntries(file), bytes, pipeline, options);
    assembleTarOf(IndexColumns.read(file), bytes, pipeline, options);
    return undefined;
  });
}

async function recompress(task: RecompressTask, context: TaskContext): Promise<BlobMade> {
  const { input } = task;
  return await intoBlob({ ...task, reuse: [] }, async (pipeline) => {
    await regroupLayer(inputBytes(input, context), pipeline, {
      expected: { digest: input.digest, size: input.size },
      verified: input.verified === true,
      signal: context.signal,
      ...(input.diffID === undefined ? {} : { diffID: input.diffID }),
    });
    return undefined;
  });
}

async function intoBlob(
  task: Pick<BlobTask, 'choice' | 'output' | 'reuse' | 'threads'> & { readonly placing?: boolean },
  fill: (pipeline: BlockPipeline) => EstargzTable | undefined | Promise<undefined>,
): Promise<BlobMade> {
  const output = openSync(task.output, 'wx');
  try {
    using pipeline = await openPipeline({
      choice: task.choice,
      output,
      workers: task.threads,
      reuse: task.reuse,
      placing: task.placing === true,
    });
    const table = await fill(pipeline);
    const { digest, size, diffID, blocks, reused, uncompressedSize } = pipeline.finish();
    return { digest, size, diffID, reused, uncompressedSize, blocks: encodeBlocks(blocks), ...table };
  } finally {
    closeSync(output);
  }
}

function makeFolder(task: FolderTask, { signal }: TaskContext): true {
  const index = decodeLayerIndex(readFileSync(task.indexFile));
  using bytes = openBytes(task.forms);
  mkdirSync(task.target);
  materializeLayer(index, bytes, { folder: task.target, rights: task.rights, check: () => signal.throwIfAborted() });
  return true;
}

async function readBlob(task: ReadTask, context: TaskContext): Promise<LayerRead> {
  const { input, target, keep } = task;
  if (target !== undefined) mkdirSync(target);
  const kept = keep === undefined ? undefined : openSync(keep, 'wx');
  try {
    const read = await readLayer(inputBytes(input, context), {
      expected: { digest: input.digest, size: input.size },
      verified: input.verified === true,
      signal: context.signal,
      rights: task.rights,
      ...(input.diffID === undefined ? {} : { diffID: input.diffID }),
      ...(target === undefined ? {} : { folder: target }),
      ...(task.limits === undefined ? {} : { limits: task.limits }),
      ...(kept === undefined ? {} : { keep: (bytes) => writeAll(kept, bytes) }),
    });
    return { ...writeIndex(read.index, task.indexFile), diffID: read.diffID, implied: read.implied.length };
  } finally {
    if (kept !== undefined) closeSync(kept);
  }
}

function inputBytes(input: BlobInput, { stream }: TaskContext): AsyncIterable<Uint8Array> {
  if (input.file !== undefined) return createReadStream(input.file, { highWaterMark: 1 << 20 });
  if (stream === undefined) throw new Error('internal: a blob without bytes');
  return stream;
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
}
