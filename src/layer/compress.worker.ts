// Compresses groups that a BlockPipeline puts into shared memory, until it says stop.

import { workerData } from 'node:worker_threads';
import { openCodec } from './codec.ts';
import { type CompressorData, PipelineSlots, STOPPED, SUBMITTED } from './pipeline-memory.ts';

const data = workerData as CompressorData;
const slots = new PipelineSlots(data);
const { control } = slots;

void openCodec(data.choice).then((codec) => {
  while (Atomics.load(control, STOPPED) === 0) {
    const submitted = Atomics.load(control, SUBMITTED);
    if (!slots.compressOne(codec)) Atomics.wait(control, SUBMITTED, submitted, 1000);
  }
});
