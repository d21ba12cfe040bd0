import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { openSocketPair } from '../sys/index.ts';
import { Arrivals } from './arrivals.ts';

const { signal } = new AbortController();

test('what came in time is found, also by a server that was too busy to hear of it', async () => {
  const [client, server] = openSocketPair().map((fd) => new Socket({ fd })) as [Socket, Socket];
  try {
    // From here on in the turn of the loop in which messages are read.
    client.write('first');
    await once(server, 'data');
    const arrivals = new Arrivals();
    let here: string | undefined;
    server.on('data', (data: Buffer) => {
      here = data.toString();
      arrivals.announce();
    });
    const found = arrivals.await(() => here, 20, signal);
    client.write('second');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60);
    assert.equal(await found, 'second');
  } finally {
    for (const end of [client, server]) end.destroy();
  }
});

test('what does not come is not waited for for ever', async () => {
  const awake = setInterval(() => {}, 1000);
  assert.equal(await new Arrivals().await(() => undefined, 5, signal), undefined);
  clearInterval(awake);
});
