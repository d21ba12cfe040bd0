// Compresses groups that a BlockPipeline puts into shared memory, until it says stop.

import { workerData } from 'node:worker_threads';
import { claimSlot, compressSlot, type CompressorData, STOPPED, SUBMITTED } from './block-pipeline.ts';
import { openCodec } from './codec.ts';

const data = workerData as CompressorData;
const control = new Int32Array(data.control);
const codec = await openCodec(data.choice);

while (Atomics.load(control, STOPPED) === 0) {
  const submitted = Atomics.load(control, SUBMITTED);
  const sequence = claimSlot(control, submitted);
  if (sequence !== undefined) compressSlot(control, data.memory, sequence, codec);
  else Atomics.wait(control, SUBMITTED, submitted, 1000);
}
