// A thread that writes batches of files into directories that the main thread holds open.

import { parentPort, workerData } from 'node:worker_threads';
import { errnoOf, fsPath } from '../base/index.ts';
import { FACTS, type FileBatch, type FileBatchEnd, type FileCrewData } from './file-crew.ts';
import { putFile } from './put-file.ts';

const { stopped, temporary } = workerData as FileCrewData;
const stop = new Int32Array(stopped);
let count = 0;

parentPort?.on('message', (batch: FileBatch | 'end') => {
  if (batch === 'end') return void parentPort?.close();
  const end = Atomics.load(stop, 0) === 0 ? write(batch) : {};
  parentPort?.postMessage(end);
});

function write({ folder, isNew, names, facts, xattrs }: FileBatch): FileBatchEnd {
  const place = {
    at: (name: string) => fsPath(`/proc/self/fd/${folder}/${name}`),
    isNew,
    temporary: () => `${temporary}-${(count += 1)}`,
  };
  for (const [index, name] of names.entries()) {
    const [size = 0, mode = 0, mtime = 0, mtimeNs = 0, fd = -1, offset = 0] = facts.subarray(index * FACTS, (index + 1) * FACTS);
    const attributes = xattrs?.[index];
    const file = { size, mode, mtime, mtimeNs, ...(attributes === undefined ? {} : { xattrs: attributes }) };
    try {
      putFile(place, name, file, fd < 0 ? undefined : { fd, offset, size, [Symbol.dispose]: () => {} });
    } catch (error) {
      const code = errnoOf(error);
      return { failed: { name, message: (error as Error).message, ...(code === undefined ? {} : { code }) } };
    }
  }
  return {};
}
