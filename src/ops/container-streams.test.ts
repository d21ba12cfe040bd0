import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { text } from 'node:stream/consumers';
import { openTerminalStreams, type Streams } from './container-streams.ts';

test('a terminal gives the last words of a process that ended before they were read', async () => {
  for (let round = 0; round < 40; round += 1) {
    const { streams, ended } = onTerminal('echo first; echo second; sh -c "echo third"; echo last');
    // Somebody who looks at it only when all is over, every other time.
    if (round % 2 === 1) streams.ours.stdout.pause();
    await ended;
    assert.equal(await text(streams.ours.stdout), 'first\r\nsecond\r\nthird\r\nlast\r\n');
  }
});

test('a terminal gives all of much output, however slowly it is read', async () => {
  const { streams, ended } = onTerminal('i=0; while [ $i -lt 9999 ]; do i=$((i+1)); echo $i; done');
  let length = 0;
  for await (const chunk of streams.ours.stdout as AsyncIterable<Buffer>) {
    length += chunk.length;
    await new Promise((resolve) => setImmediate(resolve));
  }
  await ended;
  assert.equal(length, 9 * 3 + 90 * 4 + 900 * 5 + 9000 * 6);
});

test('a process that does not read what is typed holds nobody up', async () => {
  const { streams, ended, kill } = onTerminal('stty raw -echo; echo ready; exec sleep 60');
  await once(streams.ours.stdout, 'data');
  const typed = new Promise((resolve) => streams.ours.stdin.write(Buffer.alloc(1 << 20, 'x'), resolve));
  // The loop goes on: a write that waits inside the kernel would end here.
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setTimeout(resolve, 5));
  kill();
  await ended;
  assert.ok(!(await typed), 'no error');
});

function onTerminal(script: string): { streams: Streams; ended: Promise<void>; kill: () => void } {
  const streams = openTerminalStreams();
  const { stdin, stdout, stderr } = streams.theirs;
  const child = spawn('/bin/sh', ['-c', script], { stdio: [stdin, stdout, stderr], detached: true });
  streams.handedOver();
  const ended = once(child, 'exit').then(() => streams.over());
  return { streams, ended, kill: () => void child.kill('SIGKILL') };
}
