// Collects the blocks of one blob beside the thread that makes its tar.

import { workerData } from 'node:worker_threads';
import { BlockCollector, type CollectorData, type CollectorReply } from './block-collector.ts';
import { Collecting, COLLECTED, COLLECTING, PipelineSlots, STOPPED } from './pipeline-memory.ts';

const data = workerData as CollectorData;
const slots = new PipelineSlots(data);
const { control } = slots;

/** All blocks; the reason in place of the blob when it cannot be written. */
function collect(): CollectorReply {
  const collector = new BlockCollector(slots, data.output);
  try {
    while (collector.next(goOn));
    return { blob: collector.finish() };
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    return { failed: { message, code } };
  }
}

/** There is nothing to help with. Throws when nobody wants the blob any more. */
function goOn(): boolean {
  if (Atomics.load(control, STOPPED) !== 0) throw new Error('internal: the blob was given up');
  return false;
}

// Else the other thread did not want to wait any longer.
if (Atomics.compareExchange(control, COLLECTING, Collecting.open, Collecting.there) === Collecting.open) {
  Atomics.notify(control, COLLECTING);
  const reply = collect();
  data.port.postMessage(reply);
  Atomics.store(control, COLLECTING, 'blob' in reply ? Collecting.done : Collecting.failed);
  Atomics.notify(control, COLLECTING);
  Atomics.notify(control, COLLECTED);
}
