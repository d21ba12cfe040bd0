import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setNewest } from './inner-terminal.ts';

test('a size that could not be set yet is not set any more when a newer one was', async () => {
  const done: number[] = [];
  let ready = false;
  let goOn: () => void = () => {};
  const resized = setNewest<number>(
    (size) => ready && done.push(size) > 0,
    () => new Promise<void>((resolve) => (goOn = resolve)),
  );
  const first = resized(1);
  ready = true;
  await resized(2);
  goOn();
  await first;
  assert.deepEqual(done, [2]);
});
