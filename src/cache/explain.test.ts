// Reasons: each change is told by its true cause and nothing else.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf, type StepReason } from '../base/index.ts';
import { type CacheMap, type KeyField, type ListedPath, pathListOf, readPathList, type StepContext } from '../solver/index.ts';
import type { Attempt } from './attempts.ts';
import { explainMiss } from './explain.ts';
import { safeField } from './secret-names.ts';

type Fields = Readonly<Record<string, string>>;

const RUN: Fields = {
  command: '["/bin/sh","-c","make"]',
  'arg VERSION': '1.2',
  'env PATH': '/bin',
  order: 'PATH VERSION',
  user: '',
  workdir: '/src',
  platform: 'linux/amd64',
  'option network': 'default',
  'input 0': digestOf('parent'),
};

const listed = (path: string, content: string, extra: Partial<ListedPath> = {}): ListedPath => ({
  path,
  kind: 'file',
  content,
  mode: 0o644,
  ...extra,
});

interface Situation {
  readonly place?: string;
  readonly stage?: string;
  readonly fields?: Fields;
  readonly notes?: Fields;
  readonly lists?: Readonly<Record<string, readonly ListedPath[]>>;
  readonly inputs?: StepContext['inputs'];
}

function mapOf({ place = 'RUN 1', stage = 'build', fields = RUN, notes = {}, lists = {} }: Situation): CacheMap {
  const keyed: KeyField[] = Object.entries(fields).map(([name, value]) => {
    const list = lists[name];
    return list === undefined ? { name, value } : { name, value: digestOf(JSON.stringify(list)), list: () => pathListOf(list) };
  });
  return {
    key: digestOf(JSON.stringify(keyed)),
    step: `Dockerfile\0${stage}\0${fields['platform'] ?? 'linux/amd64'}/${place}`,
    fields: keyed,
    notes: Object.entries(notes).map(([name, value]) => ({ name, value })),
  };
}

function attempt(situation: Situation, inputs: readonly string[] = ['FROM alpine:3.20'], outcome: Attempt['outcome'] = 'done'): Attempt {
  const map = mapOf(situation);
  const entries = (fields: readonly KeyField[]): Map<string, string> =>
    new Map(fields.map(safeField).map(({ name, value }) => [name, value]));
  return { step: map.step, key: map.key, at: 0, outcome, fields: entries(map.fields), notes: entries(map.notes ?? []), inputs };
}

function input(instruction: string, facts: { readonly source?: boolean; readonly executed?: boolean } = {}): StepContext['inputs'][number] {
  return {
    vertex: { id: instruction, name: instruction, inputs: [], instruction },
    source: facts.source ?? false,
    executed: facts.executed ?? false,
  };
}

const FROM = input('FROM alpine:3.20', { source: true });

function explain(
  now: Situation,
  ...attempts: readonly { readonly situation: Situation; readonly inputs?: readonly string[] }[]
): StepReason {
  const lists = new Map<string, readonly ListedPath[]>();
  for (const { situation } of attempts)
    for (const list of Object.values(situation.lists ?? {})) lists.set(digestOf(JSON.stringify(list)), list);
  return explainMiss(
    mapOf(now),
    { since: 1, vertex: { id: 'v', name: 'v', inputs: [] }, inputs: now.inputs ?? [FROM] },
    {
      attempts: attempts.map(({ situation, inputs }) => attempt(situation, inputs)),
      list: (_step, _field, value, now) => {
        const list = lists.get(value);
        return list === undefined ? undefined : { before: readPathList(pathListOf(list)), now: readPathList(now()), same: 0 };
      },
      failedImports: [],
    },
  );
}

const changed = (fields: Fields): Situation => ({ fields: { ...RUN, ...fields } });
const was = (situation: Situation): { readonly situation: Situation } => ({ situation });

test('one changed field is the cause, with its value before and now', () => {
  const cases: readonly (readonly [Fields, string, string])[] = [
    [{ 'arg VERSION': '1.3' }, 'argument', 'ARG VERSION changed: 1.2 → 1.3'],
    [{ 'env PATH': '/usr/bin' }, 'environment', 'ENV PATH changed: /bin → /usr/bin'],
    [{ user: 'app' }, 'user', 'USER changed: (empty) → app'],
    [{ workdir: '/app' }, 'workdir', 'WORKDIR changed: /src → /app'],
    [{ command: '["/bin/sh","-c","make all"]' }, 'command', 'the command changed: `make` → `make all`'],
    [{ command: '["/bin/bash","-c","make"]' }, 'shell', 'SHELL changed: /bin/sh -c → /bin/bash -c'],
    [{ platform: 'linux/arm64' }, 'platform', 'the platform changed: linux/amd64 → linux/arm64'],
    [{ 'option network': 'none' }, 'option', 'option network changed: default → none'],
    [{ 'mount /cache': '{}' }, 'mount', 'the mount at /cache is new'],
    [{ order: 'VERSION PATH' }, 'order', 'the order of its variables changed'],
    [{ 'git https://x/y.git': 'a'.repeat(40) }, 'git', 'git ref moved: https://x/y.git (none) → aaaaaaaaaaaa'],
  ];
  for (const [fields, cause, text] of cases)
    assert.deepEqual([explain(changed(fields), was({})).cause, explain(changed(fields), was({})).text], [cause, text]);
});

test('a variable that is new changes their order too: only the variable is told', () => {
  assert.deepEqual(explain(changed({ 'env DEBUG': '1', order: 'DEBUG PATH VERSION' }), was({})), {
    cause: 'environment',
    text: 'ENV DEBUG is new: 1',
    details: ['DEBUG'],
  });
});

test('values of secrets are not shown', () => {
  const token = (value: string): Situation => changed({ 'arg NPM_TOKEN': value });
  assert.equal(explain(token('two'), was(token('one'))).text, 'ARG NPM_TOKEN changed');
});

test('of a heredoc the changed line is told', () => {
  const text = (body: string): Situation => changed({ command: JSON.stringify(['/bin/sh', '-c', body]) });
  const reason = explain(text('set -e\nmake all\n'), was(text('set -e\nmake\n')));
  assert.deepEqual([reason.cause, reason.text], ['heredoc', 'line 2 of the command changed: `make` → `make all`']);
});

const COPY: Fields = { command: 'COPY . /', files: '', 'input 0': digestOf('parent') };
const FILES = [
  listed('README.md', 'r1'),
  listed('src', '', { kind: 'dir', mode: 0o755 }),
  listed('src/a.ts', 'a1'),
  listed('src/b.ts', 'b1'),
];
const copy = (list: readonly ListedPath[], notes: Fields = {}): Situation => ({
  place: 'COPY 1',
  fields: COPY,
  lists: { files: list },
  notes,
});

test('of changed files the text has how many, their names and what changed of them', () => {
  const without = FILES.filter(({ path }) => path !== 'src/b.ts');
  const cases: readonly (readonly [readonly ListedPath[], string])[] = [
    [
      [listed('README.md', 'r2'), ...FILES.slice(1, 2), listed('src/a.ts', 'a2'), listed('src/b.ts', 'b1')],
      '2 of 3 files changed: README.md (content), src/a.ts (content)',
    ],
    [[...without, listed('src/b.ts', 'b1', { mode: 0o755 })], '1 of 3 files changed: src/b.ts (mode 0644 → 0755)'],
    [[...FILES, listed('src/c.ts', 'c1')], '1 of 4 files changed: src/c.ts (new)'],
    [without, '1 of 3 files changed: src/b.ts (removed)'],
    [[...without, listed('src/c.ts', 'b1')], '1 of 3 files changed: src/b.ts → src/c.ts (renamed)'],
    [[...FILES, listed('lib', '', { kind: 'dir' }), listed('lib/x', 'x')], '1 of 4 files changed: lib/x (new)'],
  ];
  for (const [list, text] of cases)
    assert.deepEqual([explain(copy(list), was(copy(FILES))).cause, explain(copy(list), was(copy(FILES))).text], ['content', text]);
  const link = (target: string): Situation => copy([listed('l', target, { kind: 'symlink', mode: 0o777 })]);
  assert.equal(explain(link('b'), was(link('a'))).text, '1 of 1 files changed: l (target a → b)');
});

test('.dockerignore', () => {
  const reason = explain(copy(FILES.slice(0, 3), { ignore: 'src/b.ts' }), was(copy(FILES, { ignore: '' })));
  assert.deepEqual([reason.cause, reason.text], ['ignore', '.dockerignore changed: src/b.ts (removed)']);
});

test('many files: a few are named, all are in the details', () => {
  const many = (content: string): ListedPath[] =>
    Array.from({ length: 1204 }, (_, index) => listed(`f${String(index).padStart(4, '0')}`, index < 8 ? content : 'same'));
  const reason = explain(copy(many('new')), was(copy(many('old'))));
  assert.match(reason.text, /^8 of 1,204 files changed: f0000 \(content\),.* and 3 more$/);
  assert.equal(reason.details?.length, 8);
});

test('a stage from which is copied: called otherwise is no cause, another content is', () => {
  const from = (name: string, value: string): Situation => ({
    place: 'COPY 1',
    fields: { command: 'COPY app /', [`files ${name}`]: value },
  });
  const reason = explain(from('builder', 'sha256:2'), was(from('build', 'sha256:1')));
  assert.deepEqual([reason.cause, reason.text], ['content', 'files from builder changed']);
});

test('what stands before the step', () => {
  const moved: Situation = { fields: { ...RUN, 'input 0': digestOf('other parent') } };
  const before = (label: string): { situation: Situation; inputs: readonly string[] } => ({ situation: {}, inputs: [label] });
  const cases: readonly (readonly [StepContext['inputs'][number], string, string, string])[] = [
    [FROM, 'FROM alpine:3.20', 'base', 'base image moved: alpine:3.20'],
    [FROM, 'FROM alpine:3.19', 'base', 'base image changed: alpine:3.19 → alpine:3.20'],
    [input('COPY . .', { executed: true }), 'COPY . .', 'input', '`COPY . .` before it ran and gave a new result'],
    [input('RUN a'), 'RUN b', 'order', 'it follows `RUN a` now, `RUN b` before: instructions were moved, added or removed'],
    [FROM, 'RUN b', 'order', 'it follows `FROM alpine:3.20` now, `RUN b` before: instructions were moved, added or removed'],
  ];
  for (const [now, label, cause, text] of cases) {
    const reason = explain({ ...moved, inputs: [now] }, before(label));
    assert.deepEqual([reason.cause, reason.text], [cause, text]);
  }
  // With a cause of its own, the step before it is no news; a new base is.
  const both: Situation = { fields: { ...moved.fields, 'arg VERSION': '1.3' }, inputs: [input('COPY . .', { executed: true })] };
  assert.equal(explain(both, before('COPY . .')).cause, 'argument');
  assert.equal(explain({ ...both, inputs: [FROM] }, before('FROM alpine:3.20')).cause, 'several');
});

test('the configuration of the base', () => {
  const reason = explain(
    { fields: { ...RUN, 'env PATH': '/opt/bin' }, notes: { 'base-config': 'two' } },
    was({ notes: { 'base-config': 'one' } }),
  );
  assert.deepEqual([reason.cause, reason.text], ['base-config', 'the configuration of the base image changed: ENV PATH']);
});

test('the nearest earlier run is compared: an instruction that moved is found by its command', () => {
  const b: Fields = { ...RUN, command: '["/bin/sh","-c","b"]' };
  const reason = explain(
    { place: 'RUN 1', fields: { ...b, 'input 0': digestOf('base') }, inputs: [FROM] },
    { situation: { place: 'RUN 1', fields: { ...RUN, 'input 0': digestOf('base') } }, inputs: ['FROM alpine:3.20'] },
    { situation: { place: 'RUN 2', fields: { ...b, 'input 0': digestOf('after a') } }, inputs: ['RUN make'] },
  );
  assert.equal(reason.cause, 'order');
});

test('steps of other stages with other commands explain nothing', () => {
  assert.equal(explain({}, was({ stage: 'test', place: 'RUN 1', fields: { ...RUN, command: 'x' } })).cause, 'first');
  // The same command in a stage of another name does.
  assert.equal(explain(changed({ 'arg VERSION': '2' }), was({ stage: 'old-name' })).cause, 'argument');
});
