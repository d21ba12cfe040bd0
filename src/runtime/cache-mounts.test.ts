import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { quietJob } from '../base/index.ts';
import { type CacheMountRequest, CacheMounts } from './cache-mounts.ts';

const job = quietJob();
let dir: string;
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'slipway-caches-'))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const request = (sharing: CacheMountRequest['sharing'], more: Partial<CacheMountRequest> = {}): CacheMountRequest => ({
  id: '/root/.cache',
  sharing,
  uid: process.getuid?.() ?? 0,
  gid: process.getgid?.() ?? 0,
  mode: 0o755,
  ...more,
});

test('a cache keeps what was written, by id and by what it began with', async () => {
  const caches = new CacheMounts(dir);
  {
    await using cache = await caches.acquire(request('shared', { mode: 0o1700 }), job);
    assert.equal(statSync(cache.path).mode & 0o7777, 0o1700);
    writeFileSync(join(cache.path, 'kept'), '1');
  }
  await using again = await caches.acquire(request('locked'), job);
  assert.deepEqual(readdirSync(again.path), ['kept']);
  await using other = await caches.acquire(request('shared', { id: 'other' }), job);
  assert.deepEqual(readdirSync(other.path), []);
  const fill = (folder: string): Promise<void> => Promise.resolve(writeFileSync(join(folder, 'seed'), 's'));
  await using filled = await caches.acquire(request('shared', { base: 'sha256:1', fill }), job);
  assert.deepEqual(readdirSync(filled.path), ['seed']);
});

test('shared users share, private ones get their own, locked ones wait', async () => {
  const caches = new CacheMounts(dir);
  const first = await caches.acquire(request('shared'), job);
  const second = await new CacheMounts(dir).acquire(request('shared'), job);
  assert.equal(first.path, second.path);
  const mine = await caches.acquire(request('private'), job);
  const yours = await caches.acquire(request('private'), job);
  assert.equal(new Set([first.path, mine.path, yours.path]).size, 3);
  let got = false;
  const locked = caches.acquire(request('locked'), job).then((cache) => {
    got = true;
    return cache;
  });
  await first[Symbol.asyncDispose]();
  assert.equal(got, false);
  await second[Symbol.asyncDispose]();
  assert.equal((await locked).path, first.path);
  for (const cache of [await locked, mine, yours]) await cache[Symbol.asyncDispose]();
});

test('one step may mount a cache twice', async () => {
  const caches = new CacheMounts(dir);
  const owner = {};
  await using first = await caches.acquire(request('locked', { owner }), job);
  await using second = await caches.acquire(request('locked', { owner }), job);
  assert.equal(first.path, second.path);
});

test('waiting for a locked cache ends with the job', async () => {
  const caches = new CacheMounts(dir);
  await using held = await caches.acquire(request('locked'), job);
  assert.ok(held);
  const controller = new AbortController();
  const waiting = caches.acquire(request('locked'), quietJob(controller.signal));
  controller.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
});

test('another process counts', async () => {
  const caches = new CacheMounts(dir);
  await using held = await caches.acquire(request('private'), job);
  const lock = join(held.path, '..', 'lock');
  assert.throws(() => execFileSync('flock', ['--nonblock', lock, 'true']));
});

test('a fresh build starts every cache empty once, and the new one stays', async () => {
  const write = async (caches: CacheMounts, name: string): Promise<readonly string[]> => {
    await using cache = await caches.acquire(request('shared'), job);
    writeFileSync(join(cache.path, name), name);
    return readdirSync(cache.path).sort();
  };
  assert.deepEqual(await write(new CacheMounts(dir), 'a'), ['a']);
  const fresh = new CacheMounts(dir, { fresh: true });
  assert.deepEqual(await write(fresh, 'b'), ['b']);
  assert.deepEqual(await write(fresh, 'c'), ['b', 'c']);
  assert.deepEqual(await write(new CacheMounts(dir), 'd'), ['b', 'c', 'd']);
});

test('caches are listed, and removed unless in use', async () => {
  const caches = new CacheMounts(dir);
  const cache = await caches.acquire(request('shared'), job);
  writeFileSync(join(cache.path, 'x'), '');
  const [kept] = caches.list();
  assert.deepEqual([kept?.id, kept?.inUse], ['/root/.cache', true]);
  assert.equal(caches.remove(kept?.name ?? ''), false);
  await cache[Symbol.asyncDispose]();
  assert.equal(caches.remove(kept?.name ?? ''), true);
  assert.deepEqual(caches.list(), []);
  assert.equal(caches.remove(kept?.name ?? ''), false);
});

test('a failed filling leaves no cache', async () => {
  const caches = new CacheMounts(dir);
  const fill = (folder: string): Promise<void> => {
    writeFileSync(join(folder, 'half'), '');
    return Promise.reject(new Error('disk full'));
  };
  await assert.rejects(caches.acquire(request('shared', { fill }), job), /disk full/);
  await using cache = await caches.acquire(request('locked'), job);
  assert.deepEqual(readdirSync(cache.path), []);
  assert.ok(readFileSync(join(cache.path, '..', 'lock')));
});
