import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { quietJob } from '../base/index.ts';
import { openSocketPair } from '../sys/index.ts';
import type { Container, ContainerEnd } from './container.ts';
import type { ProcessSpec } from './process-spec.ts';
import { execute } from './step.ts';

test('a step that ended in time took no longer because the builder was too busy to hear of it', async () => {
  const [process, builder] = openSocketPair().map((fd) => new Socket({ fd })) as [Socket, Socket];
  try {
    // From here on in the turn of the loop in which ends are heard of.
    process.write('started');
    await once(builder, 'data');
    const end: ContainerEnd = { state: 'exited', code: 0 };
    const container = { ended: once(builder, 'data').then(() => end), signal: () => Promise.resolve() } as unknown as Container;
    const spec = { stdio: 'inherit', limits: { timeoutMs: 20 } } as ProcessSpec;
    const ended = execute(spec, quietJob(), () => container);
    process.write('ended');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60);
    assert.deepEqual((await ended).container, end);
  } finally {
    for (const socket of [process, builder]) socket.destroy();
  }
});
