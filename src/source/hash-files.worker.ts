// Worker: hashes files of a folder.

import { parentPort, workerData } from 'node:worker_threads';
import type { HashReply } from './digest-files.ts';
import { BatchHasher, type HashBatch, type HashPlace, takeBatch } from './hash-batch.ts';

const hasher = new BatchHasher(workerData as HashPlace);

parentPort?.on('message', (message: HashBatch | 'end') => {
  if (message === 'end') send({ spooled: hasher.finish() });
  else send(takeBatch(message) ? hasher.hash(message) : 'taken');
});

function send(reply: HashReply): void {
  parentPort?.postMessage(reply);
}
