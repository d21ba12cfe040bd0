// What is shown of builds that are made together.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProgressEvent, ProgressSink } from '../base/index.ts';
import type { Origin } from './linked-targets.ts';
import { TargetProgress } from './target-progress.ts';

/** The joined events in words; vertices have the number in which they came. */
function joined(tell: (of: (target: string, path?: string, origins?: Record<string, Origin>) => ProgressSink) => void): readonly string[] {
  const lines: string[] = [];
  const numbers = new Map<string, number>();
  const number = (id: string): number => {
    if (!numbers.has(id)) numbers.set(id, numbers.size + 1);
    return numbers.get(id) as number;
  };
  const progress = new TargetProgress((event) => {
    if (event.type === 'vertex') lines.push(`${number(event.vertex.id)} is ${event.vertex.name}`);
    else if (event.type === 'warning') lines.push(`warning ${event.diagnostic.message}`);
    else lines.push(`${number(event.id)} ${event.type}${event.type === 'completed' && event.cached ? ', cached' : ''}`);
  });
  tell((target, path = '/context', origins = {}) =>
    progress.of({ target, folders: new Map([['context', path]]), originOf: (digest) => origins[digest] }),
  );
  return lines;
}

const time = 1;
const vertex = (id: string, name: string, platform?: string): ProgressEvent => ({
  type: 'vertex',
  vertex: { id, name, inputs: [], ...(platform === undefined ? {} : { platform }) },
  time,
});
const step = (id: string): ProgressEvent => vertex(id, `[build 1/1] RUN ${id}`, 'linux/amd64');
const completed = (id: string, cached: boolean): ProgressEvent => ({ type: 'completed', id, cached, time });
const log = (id: string): ProgressEvent => ({ type: 'log', id, stream: 1, data: Buffer.from('x'), time });

test('a step that several have is shown once, by the first; other folders make other steps', () => {
  const lines = joined((of) => {
    const [a, b, c] = [of('a'), of('b'), of('c', '/other')];
    for (const say of [a, b, c]) for (const event of [step('x'), { type: 'started', id: 'x', time } as const, log('x')]) say(event);
    for (const say of [b, c, a]) say(completed('x', false));
  });
  assert.deepEqual(lines, [
    '1 is [a build 1/1] RUN x',
    ...['1 started', '1 log'],
    '2 is [c build 1/1] RUN x',
    ...['2 started', '2 log', '2 completed', '1 completed'],
  ]);
});

test('a step that had not to run for one, and has to for another, is shown running', () => {
  const lines = joined((of) => {
    const [a, b] = [of('a'), of('b')];
    for (const event of [step('x'), completed('x', true)]) a(event);
    for (const event of [step('x'), { type: 'started', id: 'x', time } as const, log('x'), completed('x', false)]) b(event);
  });
  assert.deepEqual(lines, ['1 is [a build 1/1] RUN x', '1 completed, cached', '1 started', '1 log', '1 completed']);
});

test('a base that is fetched when it was done already is not begun anew', () => {
  const lines = joined((of) => {
    const [a, b] = [of('a'), of('b')];
    const moves: ProgressEvent = { type: 'status', id: 'x', status: 'sha256:…', current: 1, done: true, time };
    for (const event of [step('x'), completed('x', true), moves]) a(event);
    for (const event of [step('x'), completed('x', true), moves]) b(event);
  });
  assert.deepEqual(lines, ['1 is [a build 1/1] RUN x', '1 completed, cached', '1 status', '1 status']);
});

test('the steps that a target takes of another are that one’s', () => {
  const folders = new Map([['context', '/context']]);
  const lines = joined((of) => {
    const [base, app] = [of('base'), of('app', '/app', { renamed: { target: 'base', digest: 'x', folders } })];
    base(step('x'));
    for (const event of [step('renamed'), log('renamed'), step('own')]) app(event);
    base(completed('x', false));
  });
  assert.deepEqual(lines, ['1 is [base build 1/1] RUN x', '2 is [app build 1/1] RUN own', '1 completed']);
});

test('questions and exports are each target’s own; a finding is told once', () => {
  const range = { start: { line: 1, column: 0 }, end: { line: 1, column: 4 } };
  const source = { filename: 'Dockerfile', text: 'FROM x' };
  const found = (message: string): ProgressEvent => ({
    type: 'warning',
    diagnostic: { rule: 'R', severity: 'warning', message, range },
    source,
    time,
  });
  const lines = joined((of) => {
    for (const say of [of('a'), of('b')])
      for (const event of [vertex('e', 'exporting to image'), found('m'), found(`of ${source.text}`)]) say(event);
  });
  assert.deepEqual(lines, ['1 is [a] exporting to image', 'warning m', 'warning of FROM x', '2 is [b] exporting to image']);
});
