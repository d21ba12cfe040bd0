// Which display a terminal gets, and what it does with lines that are longer than the terminal.

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
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
async function shown(
  mode: string,
  env: World['env'],
  isTTY = true,
  { events = EVENTS, explain = false }: { readonly events?: readonly ProgressEvent[]; readonly explain?: boolean } = {},
): Promise<string> {
  const written: string[] = [];
  const display = await openDisplay(mode, worldOf(written, env, isTTY, 10), { explain });
  for (const event of events) display.event(event);
  display.close();
  return written.join('');
}

function worldOf(written: string[], env: World['env'], isTTY: boolean, rows: number): World {
  const stderr = { write: (text: string) => written.push(text), isTTY, columns: 40, rows };
  return { env, stderr, now: () => new Date(1000) } as unknown as World;
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

test('what steps, findings and reasons are called does nothing to a terminal', async () => {
  const evil = '\u001b]0;x\u0007\u001b[2J\u009b31m\r';
  const source = { filename: `F${evil}`, text: '' };
  const range = { start: { line: 1, column: 0 }, end: { line: 1, column: 0 } };
  const events: readonly ProgressEvent[] = [
    { type: 'vertex', vertex: { id: 'v', name: `RUN ${evil}`, inputs: [], stage: `s${evil}`, instruction: 'RUN' }, time: 0 },
    { type: 'vertex', vertex: { id: 'w', name: 'RUN', inputs: [], stage: `s${evil}`, instruction: 'RUN' }, time: 0 },
    { type: 'started', id: 'v', time: 0 },
    { type: 'started', id: 'w', time: 0 },
    { type: 'status', id: 'v', status: `pull ${evil}`, current: 1, done: false, time: 1 },
    { type: 'warning', diagnostic: { rule: 'R', severity: 'warning', message: evil, range }, source, time: 1 },
    { type: 'completed', id: 'w', time: 2, cached: false, reason: { cause: 'command', text: `file ${evil}` } },
    { type: 'failed', id: 'v', time: 2, error: new Error(evil) },
  ];
  for (const [mode, own] of [
    ['plain', /never/],
    ['rawjson', /never/],
    ['tty', /\u001b\[(\d+A|J|[0-9;]*m)/g],
  ] as const) {
    const text = (await shown(mode, { TERM: 'xterm' }, true, { events, explain: true })).replaceAll('\n', '');
    assert.match(text, /x1b|u001b/, mode);
    assert.doesNotMatch(text.replaceAll(new RegExp(own, 'g'), ''), /[\x00-\x1f\x7f-\x9f]/, mode);
  }
});

test('a drawing keeps to the width; without colours only the cursor moves', async () => {
  const drawn = await shown('tty', { TERM: 'xterm', NO_COLOR: '1' });
  assert.ok(widest(drawn) <= 40, drawn);
  assert.doesNotMatch(drawn, /\u001b\[[0-9;]*m/);
});

test('what is fetched of a base that was known already is shown at its line, also on a terminal that tells no size', async () => {
  const events: readonly ProgressEvent[] = [
    { type: 'vertex', vertex: { id: 'base', name: '[1/2] FROM x', inputs: [], stage: 'build' }, time: 0 },
    { type: 'vertex', vertex: { id: 'v', name: '[2/2] RUN make', inputs: ['base'], stage: 'build' }, time: 0 },
    { type: 'started', id: 'base', time: 0 },
    { type: 'completed', id: 'base', time: 0, cached: true },
    { type: 'started', id: 'v', time: 0 },
    { type: 'status', id: 'base', status: 'sha256:abc', current: 5e6, total: 2e7, unit: 'bytes', done: false, time: 100 },
  ];
  mock.timers.enable({ apis: ['setInterval'] });
  try {
    const written: string[] = [];
    const display = await openDisplay('tty', worldOf(written, { TERM: 'xterm', NO_COLOR: '1' }, true, 0), {});
    for (const event of events) display.event(event);
    mock.timers.tick(100);
    assert.match(written.join(''), / = {2}CACHED \[1\/2\] FROM x .*\n +━{5}╌{15} 5\.00MB [^\n]*\n · {2}\[2\/2\] RUN make/);
    display.close();
  } finally {
    mock.timers.reset();
  }
});
