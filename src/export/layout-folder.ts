// An image into an OCI layout folder: blobs that are missing, then the index, under a lock that BuildKit's client takes too.

import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf, type JobContext, SlipwayError } from '../base/index.ts';
import {
  addToLayoutIndex,
  type Descriptor,
  type Index,
  LAYOUT_CONTENT,
  LAYOUT_FILE,
  LAYOUT_INDEX_FILE,
  layoutBlobPath,
  parseLayoutIndex,
  serializeIndex,
  tagAnnotations,
} from '../oci/index.ts';
import type { LayerBlob } from '../snapshot/index.ts';
import { claimLayout, lockLayout, removeUnfinished } from '../store/index.ts';
import { makeFolders } from '../sys/index.ts';
import { layoutEntries } from './archive-members.ts';
import type { AssembledImage } from './assemble.ts';
import { blobStream } from './blob-bytes.ts';
import { writeFault } from './sink.ts';

/** Adds an image to a layout; what the layout has besides stays. Throws `EXPORT_LAYOUT_LOCKED`, `EXPORT_WRITE`. */
export async function writeLayoutFolder(
  folder: string,
  image: AssembledImage,
  names: readonly string[],
  created: Date,
  job: JobContext,
): Promise<void> {
  try {
    for (const path of ['blobs', 'blobs/sha256', LAYOUT_FILE, `${LAYOUT_INDEX_FILE}.lock`]) refuseLink(join(folder, path));
    using claim = await claimLayout(folder, job.signal);
    for (const layer of image.layers) {
      job.signal.throwIfAborted();
      await putBlob(folder, layer.descriptor, (path) => writeLayerFile(layer, path, job));
    }
    for (const { descriptor, bytes } of image.documents) {
      await putBlob(folder, descriptor, (path) => Promise.resolve(writeFileSync(path, bytes, { mode: 0o644, flag: 'wx' })));
    }
    const entries = layoutEntries(image.root, names, created);
    // As BuildKit's client: what has no name is the layout's `latest`, in the place of an earlier one.
    await addEntries(folder, names.length > 0 ? entries : entries.map(asLatest), job);
    if (claim.alone() === true) removeUnfinished(folder);
  } catch (cause) {
    throw writeFault(folder, cause);
  }
}

function asLatest(entry: Descriptor): Descriptor {
  return { ...entry, annotations: { ...entry.annotations, ...tagAnnotations('latest') } };
}

/** Whoever left something in the folder must not choose what is written elsewhere. */
function refuseLink(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return;
  throw new SlipwayError('EXPORT_WRITE', `${path} is a symlink, which is not followed`, { hint: 'remove it, or name another folder' });
}

async function putBlob(folder: string, descriptor: Descriptor, write: (path: string) => Promise<void>): Promise<void> {
  const path = join(folder, layoutBlobPath(descriptor.digest));
  if (statSync(path, { throwIfNoEntry: false })?.size === descriptor.size) return;
  makeFolders(dirname(path));
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await write(temporary);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

async function writeLayerFile(blob: LayerBlob, path: string, job: JobContext): Promise<void> {
  if (blob.path !== undefined) {
    // Shares the store's bytes where the file system can.
    copyFileSync(blob.path, path, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    if (statSync(path).size !== blob.descriptor.size) {
      throw new SlipwayError('BLOB_TRUNCATED', `${blob.descriptor.digest} in the store is cut short`, {
        hint: 'run `slipway store check --repair`',
      });
    }
    return;
  }
  const fd = openSync(path, 'wx', 0o644);
  try {
    for await (const chunk of blobStream(blob, job)) for (let done = 0; done < chunk.length;) done += writeSync(fd, chunk, done);
  } finally {
    closeSync(fd);
  }
}

async function addEntries(folder: string, entries: readonly Descriptor[], job: JobContext): Promise<void> {
  const indexPath = join(folder, LAYOUT_INDEX_FILE);
  using _lock = await lockLayout(folder, job.signal);
  if (!existsSync(join(folder, LAYOUT_FILE))) writeFileSync(join(folder, LAYOUT_FILE), LAYOUT_CONTENT);
  const temporary = `${indexPath}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    writeFileSync(temporary, serializeIndex(addToLayoutIndex(readIndex(indexPath), entries), 0), { flag: 'wx' });
    renameSync(temporary, indexPath);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function readIndex(path: string): Index | undefined {
  try {
    const bytes = readFileSync(path);
    return bytes.length === 0 ? undefined : parseLayoutIndex(bytes);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    if (!(error instanceof SlipwayError)) throw error;
    throw new SlipwayError('EXPORT_WRITE', `nothing can be added to ${path}: ${error.message}`, {
      cause: error,
      hint: 'it is damaged, or no OCI layout: remove it, or name another folder',
    });
  }
}
