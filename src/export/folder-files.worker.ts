// A thread that writes batches of files into directories that the main thread holds open, or that it makes itself.

import { closeSync, constants, mkdirSync, openSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { type BytePath, errnoOf, fsPath } from '../base/index.ts';
import { FACTS, type FileBatch, type FileBatchEnd, type FileBatches, type FileCrewData } from './file-crew.ts';
import { type FilePlace, putFile, settleFile } from './put-file.ts';

const { stopped, temporary } = workerData as FileCrewData;
const stop = new Int32Array(stopped);
let count = 0;

parentPort?.on('message', (batches: FileBatches | 'end') => {
  if (batches === 'end') return void parentPort?.close();
  parentPort?.postMessage(batches.map((batch) => (Atomics.load(stop, 0) === 0 ? write(batch) : {})));
});

function write(batch: FileBatch): FileBatchEnd {
  const { folder, isNew, directory } = batch;
  if (directory === undefined) return writeFiles(batch, placeIn(folder, isNew));
  let fd: number | undefined;
  try {
    const path = pathIn(folder, directory.name);
    const made = makeDirectory(path);
    fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    const end = writeFiles(batch, placeIn(fd, made));
    if (end.failed === undefined) settleFile(fd, directory.facts);
    return end;
  } catch (error) {
    return failure('', error);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function writeFiles({ names, facts, xattrs }: FileBatch, place: FilePlace): FileBatchEnd {
  for (const [index, name] of names.entries()) {
    const [size = 0, mode = 0, mtime = 0, mtimeNs = 0, fd = -1, offset = 0] = facts.subarray(index * FACTS, (index + 1) * FACTS);
    const attributes = xattrs?.[index];
    const file = { size, mode, mtime, mtimeNs, ...(attributes === undefined ? {} : { xattrs: attributes }) };
    try {
      putFile(place, name, file, fd < 0 ? undefined : { fd, offset, size, [Symbol.dispose]: () => {} });
    } catch (error) {
      return failure(name, error);
    }
  }
  return {};
}

function placeIn(folder: number, isNew: boolean): FilePlace {
  return { at: (name) => pathIn(folder, name), isNew, temporary: () => `${temporary}-${(count += 1)}` };
}

function pathIn(folder: number, name: BytePath): string | Buffer {
  return fsPath(`/proc/self/fd/${folder}/${name}`);
}

/** False: somebody else made it meanwhile, so that there may be something in it. */
function makeDirectory(path: string | Buffer): boolean {
  try {
    mkdirSync(path, 0o700);
    return true;
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    return false;
  }
}

function failure(name: BytePath, error: unknown): FileBatchEnd {
  const code = errnoOf(error);
  return { failed: { name, message: (error as Error).message, ...(code === undefined ? {} : { code }) } };
}
