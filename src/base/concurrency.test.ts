import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SingleFlight } from './concurrency.ts';

/** Work that ends when it is told to, or when its caller is stopped. */
function controlled(signal?: AbortSignal): { readonly work: () => Promise<string>; readonly end: (value: string) => void; runs: number } {
  const made = {
    runs: 0,
    end: (_value: string): void => {},
    work: (): Promise<string> => {
      made.runs += 1;
      return new Promise((resolve, reject) => {
        made.end = resolve;
        signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      });
    },
  };
  return made;
}

test('work of one key runs once, and its failure is everybody\u2019s', async () => {
  const flights = new SingleFlight<string, string>();
  const first = controlled();
  const outcomes = [flights.run('a', first.work), flights.run('a', first.work)];
  first.end('done');
  assert.deepEqual(await Promise.all(outcomes), ['done', 'done']);
  assert.equal(first.runs, 1);
  const failing = [1, 2].map(() => flights.run('a', () => Promise.reject(new Error('it broke')), new AbortController().signal));
  for (const outcome of failing) await assert.rejects(outcome, /it broke/);
});

test('when whoever ran it is stopped, one of the others runs it', async () => {
  const flights = new SingleFlight<string, string>();
  const stopped = new AbortController();
  const first = controlled(stopped.signal);
  const second = controlled();
  const running = flights.run('a', first.work, stopped.signal);
  const others = [1, 2].map(() => flights.run('a', second.work, new AbortController().signal));
  const alike = flights.run('a', second.work, stopped.signal);
  stopped.abort(new Error('another step failed'));
  await assert.rejects(running, /another step failed/);
  await assert.rejects(alike, /another step failed/);
  await new Promise(setImmediate);
  second.end('done');
  assert.deepEqual(await Promise.all(others), ['done', 'done']);
  assert.equal(second.runs, 1);
});
