// Records on a store: kept, put together on today's inputs, replaced, damaged, pruned, shared.

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Digest, digestHex, digestOf, quietJob } from '../base/index.ts';
import type { Layer, LayerStore, RootFS } from '../snapshot/index.ts';
import { type CacheMap, pathListOf, type StepContext } from '../solver/index.ts';
import { openStore, type Store } from '../store/index.ts';
import { compareBuilds, History, type HistoryEntry, openResultCache, type ResultCache } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'slipway-cache-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const job = quietJob();
let count = 0;

interface Bench {
  readonly root: string;
  readonly store: Store;
  readonly cache: ResultCache;
  /** Ids of layers whose bytes are gone. */
  readonly absent: Set<string>;
  readonly now: () => Date;
}

function bench(root = join(folder, `c${(count += 1)}`)): Bench {
  const absent = new Set<string>();
  const now = (): Date => new Date(1000 + (count += 1));
  const store = openStore(root, now);
  const layers = { hasBytes: ({ id }: Layer) => !absent.has(id) } as unknown as LayerStore;
  return { root, store, absent, now, cache: openResultCache({ store, layers, now }) };
}

function layer(name: string): Layer {
  return { id: digestOf(name), createdAt: 5 };
}

function tree(identity: string, ...layers: string[]): RootFS {
  return { identity: digestOf(identity), layers: layers.map(layer) };
}

function mapOf(name: string): CacheMap {
  return { key: digestOf(name), step: `Dockerfile\0build\0linux/amd64/RUN ${name}`, fields: [{ name: 'command', value: name }] };
}

const step: StepContext = { since: Infinity, vertex: { id: 'v', name: 'v', inputs: [] }, inputs: [] };
const base = tree('base', 'b1', 'b2');
const keep = { replace: false };

test('an output that builds on an input stands on what that input is now', async () => {
  const { cache } = bench();
  const map = { ...mapOf('run'), fields: [{ name: 'input 0', value: base.identity }] };
  await cache.save(map, [base], [tree('after', 'b1', 'b2', 'own')], keep, job);
  const recompressed: RootFS = { identity: base.identity, layers: [layer('other b1'), layer('other b2')] };
  const [hit] = await cache.lookup(mapOf('run').key, [recompressed], job);
  assert.deepEqual(
    hit?.outputs[0]?.layers.map(({ id }) => id),
    ['other b1', 'other b2', 'own'].map((name) => digestOf(name)),
  );
  assert.equal(hit?.outputs[0]?.identity, digestOf('after'));
});

test('an output never stands on an input that its key does not have whole', async () => {
  const { cache } = bench();
  const map = { ...mapOf('copy'), fields: [{ name: 'files build', value: digestOf('selected') }] };
  await cache.save(map, [tree('build', 'file')], [tree('copied', 'file')], keep, job);
  const [hit] = await cache.lookup(map.key, [tree('another build', 'file', 'more')], job);
  assert.deepEqual(hit?.outputs[0]?.layers, [layer('file')]);
});

test('the same identity keeps the older bytes while they are there; without the cache the new ones replace them', async () => {
  const { cache, absent } = bench();
  const run = mapOf('run');
  await cache.save(run, [], [tree('same', 'first')], keep, job);
  const again = await cache.save(run, [], [tree('same', 'second')], keep, job);
  assert.deepEqual(again[0]?.layers, [layer('first')]);
  absent.add(digestOf('first'));
  assert.deepEqual((await cache.save(run, [], [tree('same', 'third')], keep, job))[0]?.layers, [layer('third')]);
  assert.deepEqual((await cache.save(run, [], [tree('same', 'fourth')], { replace: true }, job))[0]?.layers, [layer('fourth')]);
  assert.equal((await cache.lookup(run.key, [], job)).length, 1);
});

test('several results of a key: the newest first, only a few kept', async () => {
  const { cache } = bench();
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) await cache.save(mapOf('random'), [], [tree(name, name)], keep, job);
  const hits = await cache.lookup(mapOf('random').key, [], job);
  assert.deepEqual(
    hits.map(({ outputs }) => outputs[0]?.identity),
    ['f', 'e', 'd', 'c'].map((name) => digestOf(name)),
  );
});

test('a record that was cut or altered is a miss, and check removes it', async () => {
  const { cache, store } = bench();
  const path = (key: Digest): string => store.records('cache/records').path(digestHex(key));
  for (const name of ['cut', 'wrong key', 'not a record']) await cache.save(mapOf(name), [], [tree(name)], keep, job);
  truncateSync(path(mapOf('cut').key), 20);
  writeFileSync(path(mapOf('wrong key').key), JSON.stringify({ key: digestOf('other'), description: '', results: [] }));
  writeFileSync(path(mapOf('not a record').key), '{"key":1,"results":[{"outputs":"x"}]}');
  for (const name of ['cut', 'wrong key', 'not a record']) assert.deepEqual(await cache.lookup(mapOf(name).key, [], job), []);
  assert.equal((await store.check(true, cache.collectables())).length, 3);
  assert.deepEqual(await store.check(false, cache.collectables()), []);
});

test('two processes on one store see each other', async () => {
  const one = bench();
  const two = bench(one.root);
  await one.cache.save(mapOf('run'), [], [tree('x', 'x')], keep, job);
  assert.equal((await two.cache.lookup(mapOf('run').key, [], job)).length, 1);
  await one.cache.pathDigests.set(digestOf('x'), digestOf('/bin'), digestOf('content'));
  await two.cache.pathDigests.set(digestOf('x'), digestOf('/lib'), digestOf('more'));
  assert.equal(await two.cache.pathDigests.get(digestOf('x'), digestOf('/bin')), digestOf('content'));
  assert.equal(await one.cache.pathDigests.get(digestOf('x'), digestOf('/lib')), digestOf('more'));
  assert.equal(await one.cache.pathDigests.get(digestOf('y'), digestOf('/lib')), undefined);
});

test('records go with the layers they name; what a lease uses stays', async () => {
  const { cache, store } = bench();
  await cache.save(mapOf('run'), [], [tree('x', 'x')], keep, job);
  const rooms = [...cache.collectables()];
  assert.deepEqual((await store.usage(rooms)).map(({ needs }) => needs).flat(), [`layer:${digestOf('x')}`]);
  {
    using _lease = store.lease();
    await cache.lookup(mapOf('run').key, [], job);
    await store.collect([{ all: true }], rooms, job);
    assert.equal((await cache.lookup(mapOf('run').key, [], job)).length, 1);
  }
  await store.collect([{ all: true }], rooms, job);
  assert.equal((await cache.lookup(mapOf('run').key, [], job)).length, 0);
});

test('a pruned, failed, cancelled or interrupted run is told as such', async () => {
  const { cache, store, now } = bench();
  const [pruned, failed, canceled, interrupted, withdrawn] = ['pruned', 'failed', 'canceled', 'started', 'withdrawn'].map(mapOf) as [
    CacheMap,
    CacheMap,
    CacheMap,
    CacheMap,
    CacheMap,
  ];
  for (const map of [pruned, failed, canceled, interrupted, withdrawn]) await cache.note(map, 'started', step, job);
  await cache.save(pruned, [], [tree('x')], keep, job);
  await cache.note(failed, 'failed', step, job);
  await cache.note(canceled, 'canceled', step, job);
  await cache.note(withdrawn, 'withdrawn', step, job);
  store.records('cache/records').remove(digestHex(pruned.key));
  const causes = [];
  for (const map of [pruned, failed, canceled, interrupted]) causes.push((await cache.explain(map, step, job)).cause);
  assert.deepEqual(causes, ['pruned', 'failed', 'canceled', 'interrupted']);
  // Asked while it runs again: what this build began is no earlier run.
  const since = now().getTime();
  for (const map of [failed, canceled]) await cache.note(map, 'started', step, job);
  assert.equal((await cache.explain(failed, { ...step, since }, job)).cause, 'failed');
  assert.equal((await cache.explain(canceled, { ...step, since }, job)).cause, 'canceled');
  const other = bench().cache;
  await other.note(withdrawn, 'started', step, job);
  await other.note(withdrawn, 'withdrawn', step, job);
  assert.equal((await other.explain(withdrawn, step, job)).cause, 'first');
  other.noteImport('registry/app:cache', 'importing cache from registry/app:cache failed: not found');
  assert.equal((await other.explain(withdrawn, step, job)).cause, 'import-failed');
});

test('secrets are in no file of the cache', async () => {
  const { cache, store } = bench();
  const map: CacheMap = {
    ...mapOf('run'),
    fields: [
      { name: 'arg NPM_TOKEN', value: 'hunter2' },
      { name: 'arg VERSION', value: '1.2.3' },
    ],
  };
  await cache.note(map, 'started', step, job);
  const files = store.records('cache/steps');
  const text = files
    .names()
    .map((name) => files.peek(name)?.toString())
    .join();
  assert.ok(text.includes('1.2.3'));
  assert.ok(!text.includes('hunter2'));
});

test('a run of the same key waits for the one that is going on', async () => {
  const { cache, root } = bench();
  const other = bench(root).cache;
  const order: string[] = [];
  let go: () => void = () => {};
  const first = cache.exclusive(mapOf('x').key, job, async () => {
    order.push('first begins');
    await new Promise<void>((resolve) => (go = resolve));
    order.push('first ends');
  });
  const second = other.exclusive(mapOf('x').key, job, () => Promise.resolve(order.push('second')));
  await other.exclusive(mapOf('y').key, job, () => Promise.resolve());
  go();
  await Promise.all([first, second]);
  assert.deepEqual(order, ['first begins', 'first ends', 'second']);
  assert.deepEqual(readdirSync(`${root}/v1/locks`), []);
});

test('history: added, listed, found, compared, removed', () => {
  const { cache, store } = bench();
  const entry = (at: number, extra: Partial<HistoryEntry>): HistoryEntry => ({
    id: History.newId(new Date(at)),
    name: 'app',
    startedAt: at,
    completedAt: at + 1,
    status: 'completed',
    platforms: ['linux/amd64'],
    tags: [],
    steps: [{ name: 'RUN make', instruction: 'RUN make', state: 'cached', milliseconds: 0 }],
    ...extra,
  });
  const old = entry(1000, {});
  const recent = entry(2000, {
    buildArgs: { V: '2' },
    steps: [
      {
        name: 'RUN make',
        instruction: 'RUN make',
        state: 'executed',
        reason: { cause: 'argument', text: 'ARG V is new: 2' },
        milliseconds: 7,
      },
    ],
  });
  cache.history.add(recent);
  cache.history.add(old);
  assert.deepEqual(
    cache.history.list().map(({ id }) => id),
    [recent.id, old.id],
  );
  assert.equal(cache.history.get().id, recent.id);
  assert.equal(cache.history.get('^1').id, old.id);
  assert.equal(cache.history.get(old.id.slice(0, 12)).id, old.id);
  assert.throws(() => cache.history.get('zzz'), { code: 'HISTORY_UNKNOWN' });
  // What no reader can show is no build: no object, or one without a name.
  const files = store.records('history');
  for (const value of [null, 7, { ...recent, name: undefined }, { ...recent, tags: 'app' }]) {
    files.writeJson('z1-zz1', value);
    assert.equal(cache.history.list().length, 2, JSON.stringify(value));
    assert.throws(() => cache.history.get('zz1'), { code: 'HISTORY_UNKNOWN' });
  }
  files.remove('z1-zz1');
  assert.deepEqual(compareBuilds(old, recent), [
    { what: 'build argument V', before: undefined, now: '2' },
    { what: 'RUN make', before: 'cached', now: 'executed: ARG V is new: 2' },
  ]);
  assert.equal(cache.history.remove(old.id), true);
  assert.equal(cache.history.list().length, 1);
  // Many more are written than kept; that counting them comes around is a matter of how ids end.
  for (let at = 0; at < 540; at++) cache.history.add(entry(3000 + at, {}));
  cache.history.add(entry(9000, { id: `${'0'.repeat(11)}zz00` }));
  assert.equal(cache.history.list().length, 500);
  assert.equal(cache.history.get('^1').startedAt, 3538, 'the oldest go');
});

test('lists of equal content in two steps are told apart; what ran in this build is no earlier run', async () => {
  const { cache } = bench();
  const copy = (place: string, path: string, content: string): CacheMap => {
    const list = [{ path, kind: 'file' as const, content, mode: 0o644 }];
    // The digest of one file does not say what it is called.
    const fields = [
      { name: 'command', value: `COPY ${path}` },
      { name: 'files', value: digestOf(content), list: () => pathListOf(list) },
    ];
    return { key: digestOf(`${path} ${content}`), step: `D\0build\0p/${place}`, fields };
  };
  for (const map of [copy('COPY 0', 'a', 'same'), copy('COPY 1', 'b', 'same')]) {
    await cache.note(map, 'started', step, job);
    await cache.save(map, [], [tree('x')], keep, job);
  }
  assert.equal((await cache.explain(copy('COPY 1', 'b', 'other'), step, job)).text, '1 of 1 files changed: b (content)');
  assert.equal((await cache.explain(copy('COPY 1', 'b', 'other'), { ...step, since: 0 }, job)).cause, 'first');
});
