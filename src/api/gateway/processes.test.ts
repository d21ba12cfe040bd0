// What happens to the messages of a client that come faster than its process can be had.

import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { ContainerProcess } from '../engine.ts';
import { type ExecMessage, ExecMessageSchema } from '../gen/gateway_pb.ts';
import { runProcesses } from './processes.ts';

const INPUTS: readonly MessageInitShape<typeof ExecMessageSchema>['input'][] = [
  { case: 'init', value: { containerId: 'c', fds: [0, 1, 2], tty: true, meta: { args: ['sh'] } } },
  { case: 'resize', value: { rows: 30, cols: 100 } },
  { case: 'file', value: { fd: 0, data: Buffer.from('stty size') } },
];

async function* messages(): AsyncGenerator<ExecMessage> {
  for (const input of INPUTS) yield create(ExecMessageSchema, { processId: 'p', ...(input !== undefined && { input }) });
}

test('what is typed waits until the terminal has the size that was told before', async () => {
  const seen: string[] = [];
  let sized: () => void = () => {};
  let end: (code: number) => void = () => {};
  const stdin = new PassThrough();
  stdin.on('data', (data: Buffer) => {
    seen.push(data.toString());
    end(0);
  });
  const [stdout, stderr] = [new PassThrough().end(), new PassThrough().end()];
  const process: ContainerProcess = {
    ...{ stdin, stdout, stderr },
    ended: new Promise((resolve) => (end = resolve)),
    signal: () => Promise.resolve(),
    resize: (columns, rows) => {
      seen.push(`told of ${rows} ${columns}`);
      setImmediate(() => setImmediate(() => sized()));
      return new Promise((resolve) => {
        sized = () => {
          seen.push('set');
          resolve();
        };
      });
    },
  };
  const answers: string[] = [];
  for await (const { input } of runProcesses(messages(), () => Promise.resolve(process), new AbortController().signal))
    answers.push(input?.case ?? '');
  assert.deepEqual(seen, ['told of 30 100', 'set', 'stty size']);
  assert.equal(answers.at(-1), 'done');
});

test('a process that does not start has ended, and what was meant for it goes nowhere', async () => {
  const denied = (): Promise<ContainerProcess> => Promise.reject(new Error('not allowed'));
  const answers: string[] = [];
  let said = '';
  for await (const { input } of runProcesses(messages(), denied, new AbortController().signal)) {
    answers.push(input?.case ?? '');
    if (input?.case === 'exit') said = input.value.error?.message ?? '';
  }
  assert.deepEqual(answers, ['started', 'exit', 'done']);
  assert.equal(said, 'not allowed');
});
