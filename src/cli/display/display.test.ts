// Which display a terminal gets, and what it does with lines that are longer than the terminal.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProgressEvent } from '../../base/index.ts';
import type { World } from '../world.ts';
import { openDisplay } from './index.ts';

const EVENTS: readonly ProgressEvent[] = [
  { type: 'vertex', vertex: { id: 'v', name: '[1/1] RUN make', inputs: [], stage: 'build', instruction: 'RUN make' }, time: 0 },
  { type: 'started', id: 'v', time: 0 },
  { type: 'log', id: 'v', stream: 1, data: Buffer.from(`${'long '.repeat(40)}\n`), time: 10 },
  { type: 'completed', id: 'v', time: 1000, cached: false },
];

/** What is written to a terminal 40 columns wide. */
async function shown(mode: string, env: World['env'], isTTY = true): Promise<string> {
  const written: string[] = [];
  const stderr = { write: (text: string) => written.push(text), isTTY, columns: 40, rows: 10 } as unknown as NodeJS.WriteStream;
  const world = { env, stderr, now: () => new Date(1000) } as unknown as World;
  const display = await openDisplay(mode, world, {});
  for (const event of EVENTS) display.event(event);
  display.close();
  return written.join('');
}

const ESCAPE = '\u001b';
const widest = (text: string): number =>
  Math.max(
    ...text
      .replaceAll(/\u001b\[[0-9;]*[A-Za-z]/g, '')
      .split(/\r?\n/)
      .map((line) => line.length),
  );

test('auto draws on a terminal that can move its cursor; elsewhere lines are written once', async () => {
  assert.ok((await shown('auto', { TERM: 'xterm' })).includes(`${ESCAPE}[`));
  for (const plain of [await shown('auto', { TERM: 'dumb' }), await shown('auto', { TERM: 'xterm' }, false)]) {
    assert.ok(!plain.includes(ESCAPE), plain);
    assert.match(plain, /^#1 \[1\/1\] RUN make\n#1 0\.010 long long [^\n]*\n#1 DONE 1\.0s\n$/m);
  }
});

test('a drawing keeps to the width; without colours only the cursor moves', async () => {
  const drawn = await shown('tty', { TERM: 'xterm', NO_COLOR: '1' });
  assert.ok(widest(drawn) <= 40, drawn);
  assert.doesNotMatch(drawn, /\u001b\[[0-9;]*m/);
});
