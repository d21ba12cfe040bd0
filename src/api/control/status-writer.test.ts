// What clients are told of how far something is: they show every number as bytes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StatusWriter } from './status-writer.ts';

void test('bytes are told, files are not counted', () => {
  const writer = new StatusWriter();
  writer.add({ type: 'vertex', vertex: { id: 'v', name: 'exporting', inputs: [] }, time: 0 });
  writer.add({ type: 'status', id: 'v', status: 'sending', current: 7, total: 9, unit: 'bytes', done: false, time: 1 });
  writer.add({ type: 'status', id: 'v', status: 'copying files', current: 299, total: 300, unit: 'files', done: true, time: 1 });
  const told = writer.take().flatMap(({ statuses = [] }) => statuses.map(({ id, current, total }) => [id, current, total]));
  assert.deepEqual(told, [
    ['sending', 7n, 9n],
    ['copying files', 0n, 0n],
  ]);
});
