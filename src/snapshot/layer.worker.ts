// A thread for one large task on a layer.

import { parentPort } from 'node:worker_threads';
import { openCodec } from '../layer/index.ts';
import { errorToWire, type FromWorker, type ToWorker } from './layer-runner.ts';
import { type LayerTask, performTask } from './layer-tasks.ts';

const port = parentPort;
if (port === null) throw new Error('internal: not a worker');
const send = (message: FromWorker): void => port.postMessage(message);

/** So many bytes are taken before the other side is told: every message wakes it. */
const TOLD = 1 << 20;

const queue: Uint8Array[] = [];
let ended: 'whole' | 'failed' | undefined;
let wake = (): void => {};

async function* stream(): AsyncGenerator<Uint8Array, void, void> {
  let taken = 0;
  for (;;) {
    const bytes = queue.shift();
    if (bytes !== undefined) {
      yield bytes;
      taken += bytes.length;
      if (taken < TOLD && queue.length > 0) continue;
      send({ type: 'taken', bytes: taken });
      taken = 0;
    } else if (ended === 'failed') throw new Error('the source failed');
    else if (ended === 'whole') return;
    else await new Promise<void>((resolve) => (wake = resolve));
  }
}

async function perform(task: LayerTask): Promise<void> {
  try {
    send({ type: 'done', result: await performTask(task, { stream: stream(), signal: new AbortController().signal }) });
  } catch (error) {
    send({ type: 'failed', error: errorToWire(error) });
  }
}

port.on('message', (message: ToWorker) => {
  if (message.type === 'task') void perform(message.task);
  else if (message.type === 'expect') openCodec({ codec: 'gzip', reproducible: false }).catch(() => {});
  else if (message.type === 'bytes') queue.push(message.bytes);
  else ended = message.failed ? 'failed' : 'whole';
  wake();
});
