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
  let time = 1000;
  const display = await openDisplay(
    mode,
    worldOf(written, env, isTTY, 10, () => time),
    { explain },
  );
  for (const event of events) {
    time = Math.max(time, event.time);
    display.event(event);
  }
  display.close();
  return written.join('');
}

function worldOf(written: string[], env: World['env'], isTTY: boolean, rows: number, now: () => number = () => 1000): World {
  const stderr = { write: (text: string) => written.push(text), isTTY, columns: 40, rows };
  return { env, stderr, now: () => new Date(now()) } as unknown as World;
}

/** Events of steps that are named by one letter, at times in milliseconds: `begin`, `end`, `fail`, else what the step prints. */
function story(...lines: readonly (readonly [time: number, id: string, what: string | Uint8Array])[]): ProgressEvent[] {
  const ids = [...new Set(lines.map(([, id]) => id))];
  return [
    ...ids.map((id): ProgressEvent => ({ type: 'vertex', vertex: { id, name: `RUN ${id}`, inputs: [], stage: id }, time: 0 })),
    ...lines.map(([time, id, what]): ProgressEvent => {
      if (what === 'begin') return { type: 'started', id, time };
      if (what === 'end') return { type: 'completed', id, time, cached: false };
      if (what === 'fail') return { type: 'failed', id, time, error: new Error('exit code: 3') };
      if (what === 'cancel') return { type: 'canceled', id, time };
      return { type: 'log', id, stream: 1, data: Buffer.from(what), time };
    }),
  ];
}

const plainOf = (events: readonly ProgressEvent[]): Promise<string> => shown('plain', {}, false, { events });

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

test('tabs and characters of two columns do not make a drawing wider than the terminal', async () => {
  const lines = `${'ok\t'.repeat(6)}\n${'漢字'.repeat(15)}\n${'🚀'.repeat(25)}\n`;
  const events: readonly ProgressEvent[] = [
    { type: 'vertex', vertex: { id: 'v', name: `RUN\techo\t${'語'.repeat(20)}`, inputs: [], stage: 'build' }, time: 0 },
    { type: 'started', id: 'v', time: 0 },
    { type: 'log', id: 'v', stream: 1, data: Buffer.from(lines), time: 10 },
  ];
  const written: string[] = [];
  mock.timers.enable({ apis: ['setInterval'] });
  try {
    const display = await openDisplay('tty', worldOf(written, { TERM: 'xterm', NO_COLOR: '1' }, true, 20), {});
    for (const event of events) display.event(event);
    mock.timers.tick(100);
    display.close();
  } finally {
    mock.timers.reset();
  }
  const drawn = written.join('').replaceAll(/\u001b\[[0-9;]*[A-Za-z]/g, '');
  assert.doesNotMatch(drawn, /\t/);
  const columns = (line: string): number => [...line].reduce((sum, each) => sum + (/[漢字語🚀]/u.test(each) ? 2 : 1), 0);
  for (const line of drawn.split('\n')) assert.ok(columns(line) <= 40, line);
  assert.match(drawn, /🚀…/);
});

test('the time of a step that says nothing goes on', async () => {
  const written: string[] = [];
  let time = 1000;
  mock.timers.enable({ apis: ['setInterval'] });
  try {
    const world = worldOf(written, { TERM: 'xterm', NO_COLOR: '1' }, true, 20, () => time);
    const display = await openDisplay('tty', world, {});
    for (const event of story([1000, 'a', 'begin'])) display.event(event);
    for (let tick = 0; tick < 30; tick += 1) {
      time += 100;
      mock.timers.tick(100);
    }
    assert.match(written.join(''), /RUN a +2\.\ds/);
    assert.ok(written.length < 10, 'not at every tick');
    display.close();
  } finally {
    mock.timers.reset();
  }
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

test('plain: a step goes on while it speaks, others wait until it ends', async () => {
  const events = story(
    [1000, 'a', 'begin'],
    [1000, 'b', 'begin'],
    [1100, 'a', 'a1\n'],
    [1200, 'b', 'b1\n'],
    [1300, 'a', 'a2\n'],
    [1400, 'b', 'b2\n'],
    [1500, 'a', 'end'],
    [1600, 'b', 'b3\n'],
    [1700, 'b', 'end'],
  );
  assert.equal(
    await plainOf(events),
    '#1 RUN a\n#1 0.100 a1\n#1 0.300 a2\n#1 DONE 0.5s\n\n#2 RUN b\n#2 0.200 b1\n#2 0.400 b2\n#2 0.600 b3\n#2 DONE 0.7s\n',
  );
});

test('plain: nobody waits longer than a second, be the other noisy or silent', async () => {
  const noisy = story([1000, 'a', 'begin'], [1000, 'b', 'begin'], [1500, 'a', 'a1\n'], [2000, 'a', 'a2\n'], [2100, 'a', 'a3\n']);
  assert.match(await plainOf(noisy), /#1 1\.000 a2\n\n#2 RUN b\n\n#1 \.\.\. RUN a\n#1 1\.100 a3\n$/);
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const written: string[] = [];
    let time = 1000;
    const display = await openDisplay(
      'plain',
      worldOf(written, {}, false, 10, () => time),
      {},
    );
    for (const event of story([1000, 'a', 'begin'], [1000, 'b', 'begin'], [1000, 'b', 'b1\n'])) display.event(event);
    assert.equal(written.join(''), '#1 RUN a\n');
    time = 2000;
    mock.timers.tick(1000);
    assert.equal(written.join(''), '#1 RUN a\n\n#2 RUN b\n#2 0.000 b1\n');
    display.close();
  } finally {
    mock.timers.reset();
  }
});

test('the last lines of a failed step stand together at the end, unless they stand there already', async () => {
  const numbers = Array.from({ length: 30 }, (_, index) => `line ${index + 1}`);
  const long = `${numbers.join('\n')}\nlast words without an end`;
  const alone = story([0, 'a', 'begin'], [100, 'a', long], [200, 'a', 'fail'], [200, 'z', 'cancel']);
  const short = await plainOf(alone);
  assert.match(
    short,
    /#1 0\.100 line 30\n#1 0\.200 last words without an end\n#1 ERROR: exit code: 3\n$/,
    'a step that never began is not named',
  );
  const beside = [...alone, ...story([0, 'b', 'begin'], [300, 'b', 'noise\n'], [400, 'b', 'end'])];
  const block = `------\n > RUN a:\n${numbers
    .slice(11)
    .map((line) => `0.100 ${line}\n`)
    .join('')}0.200 last words without an end\n------\n`;
  assert.ok((await plainOf(beside)).endsWith(`#2 DONE 0.4s\n${block}`), await plainOf(beside));
  for (const events of [alone, beside]) {
    const drawn = await shown('tty', { TERM: 'xterm', NO_COLOR: '1' }, true, { events });
    assert.ok(drawn.endsWith(block), drawn);
    assert.equal(drawn.split('last words').length, 2);
  }
  const silent = story([0, 'a', 'begin'], [200, 'a', 'fail'], [0, 'b', 'begin'], [300, 'b', 'end']);
  for (const mode of ['plain', 'tty']) assert.doesNotMatch(await shown(mode, {}, true, { events: silent }), /---/, mode);
});

test('numbers of the raw form are bytes, as its readers take them: files are not counted there', async () => {
  const status = { type: 'status', id: 'v', done: true, time: 5 } as const;
  const events: readonly ProgressEvent[] = [
    ...EVENTS.slice(0, 2),
    { ...status, status: 'sending', current: 7, total: 9, unit: 'bytes' },
    { ...status, status: 'copying files', current: 299, total: 300, unit: 'files' },
  ];
  const told = (await shown('rawjson', {}, false, { events }))
    .trim()
    .split('\n')
    .flatMap((line) => (JSON.parse(line) as { statuses?: { id: string; current: number; total?: number }[] }).statuses ?? [])
    .map(({ id, current, total }) => [id, current, total]);
  assert.deepEqual(told, [
    ['sending', 7, 9],
    ['copying files', 0, undefined],
  ]);
});

test('a letter that comes in two pieces is one letter', async () => {
  const [first, second] = [Buffer.from('gr\u00fc').subarray(0, 3), Buffer.from('gr\u00fc\u00dfe\n').subarray(3)];
  assert.match(await plainOf(story([0, 'a', 'begin'], [100, 'a', first], [200, 'a', second])), /#1 0\.200 gr\u00fc\u00dfe\n/);
});
