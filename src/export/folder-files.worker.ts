// A thread that writes batches of files into directories that the main thread holds open, or that it makes itself.

import { parentPort, workerData } from 'node:worker_threads';
import type { FileBatches, FileCrewData } from './file-crew.ts';
import { BatchWriter } from './write-batch.ts';

const { stopped, temporary } = workerData as FileCrewData;
const stop = new Int32Array(stopped);
const writer = new BatchWriter(temporary);

parentPort?.on('message', (batches: FileBatches | 'end') => {
  if (batches === 'end') return void parentPort?.close();
  parentPort?.postMessage(batches.map((batch) => (Atomics.load(stop, 0) === 0 ? writer.write(batch) : {})));
});
