// The store, alone and with several processes on it.

import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { digestOf, isSlipwayError, quietJob } from '../base/index.ts';
import { OCI, serializeManifest } from '../oci/index.ts';
import { BlobUsage } from './blob-usage.ts';
import type { BlobStore } from './blobs.ts';
import { ownerTag } from './owner.ts';
import { type Collectable, type DiskUsage, openStore, parseUsageFilters, type Store } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'slipway-store-'));
const children: ChildProcess[] = [];
after(() => {
  for (const child of children) child.kill('SIGKILL'); // those of a test that failed
  rmSync(folder, { recursive: true, force: true });
});
let count = 0;

function fresh(now: () => Date = () => new Date()): { root: string; store: Store } {
  const root = join(folder, `s${(count += 1)}`);
  return { root, store: openStore(root, now) };
}

async function* chunks(...parts: (string | Buffer)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

async function readAll(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of bytes) parts.push(part);
  return Buffer.concat(parts).toString();
}

/** Runs a script against the store in another process; it talks by lines on stdout. */
function other(script: string, ...args: string[]): ChildProcess {
  const door = new URL('./index.ts', import.meta.url).href;
  const text = `const { openStore } = await import(${JSON.stringify(door)}); const [root] = process.argv.slice(1); const store = openStore(root, () => new Date()); ${script}`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', text, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  return child;
}

async function line(child: ChildProcess): Promise<string> {
  const [data] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  return data.toString().trim();
}

async function killed(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

test('a blob is stored once it is verified, and only then', async () => {
  const { store } = fresh();
  const job = quietJob();
  const blob = { mediaType: 'x', digest: digestOf('hello world'), size: 11 };
  assert.deepEqual(await store.blobs.ingest(chunks('hello ', 'world'), blob, job), blob);
  assert.equal(await readAll(store.blobs.open(blob)), 'hello world');
  assert.equal(readFileSync(store.blobs.path(blob.digest), 'utf8'), 'hello world');
  assert.equal((await store.blobs.ingest(chunks('hi'), undefined, job)).digest, digestOf('hi'));

  const wrong = { mediaType: 'x', digest: digestOf('something else'), size: 11 };
  await assert.rejects(store.blobs.ingest(chunks('hello world'), wrong, job), (error) => isSlipwayError(error, 'BLOB_DIGEST_MISMATCH'));
  const short = { ...wrong, size: 3 };
  await assert.rejects(store.blobs.ingest(chunks('hello world'), short, job), (error) => isSlipwayError(error, 'BLOB_SIZE_MISMATCH'));
  assert.equal(store.blobs.has(wrong.digest), false);
  assert.throws(
    () => store.blobs.open(wrong),
    (error) => isSlipwayError(error, 'BLOB_UNKNOWN'),
  );

  store[Symbol.dispose]();
  assert.deepEqual(readdirSync(`${store.root}/tmp`), []);
});

test('a stream that breaks or is cancelled leaves nothing', async () => {
  const { store } = fresh();
  const blob = { mediaType: 'x', digest: digestOf('ab'), size: 2 };
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('a');
    throw new Error('connection reset');
  }
  await assert.rejects(store.blobs.ingest(broken(), blob, quietJob()), /connection reset/);
  await assert.rejects(store.blobs.ingest(chunks('a', 'b'), blob, quietJob(AbortSignal.abort(new Error('enough')))), /enough/);
  assert.equal(readdirSync(`${store.root}/tmp`).flatMap((name) => readdirSync(`${store.root}/tmp/${name}`)).length, 0);
});

test('simultaneous wishes for one blob open its source once', async () => {
  const { store } = fresh();
  const blob = { mediaType: 'x', digest: digestOf('ab'), size: 2 };
  let opened = 0;
  const open = (): Promise<AsyncIterable<Uint8Array>> => {
    opened += 1;
    return Promise.resolve(chunks('a', 'b'));
  };
  await Promise.all([1, 2, 3].map(() => store.blobs.ensure(blob, open, quietJob())));
  assert.equal(opened, 1);
});

test('a damaged blob is noticed when it is read, and by check', async () => {
  const { store } = fresh();
  const blob = store.blobs.put(Buffer.from('precious'), 'x');
  writeFileSync(store.blobs.path(blob.digest), 'worthles');
  await assert.rejects(readAll(store.blobs.open(blob)), (error) => isSlipwayError(error, 'BLOB_DIGEST_MISMATCH'));
  assert.throws(
    () => store.blobs.read(blob.digest),
    (error) => isSlipwayError(error, 'BLOB_DIGEST_MISMATCH'),
  );
  truncateSync(store.blobs.path(blob.digest), 3);
  assert.equal(store.blobs.has(blob.digest, blob.size), false);
  assert.deepEqual(
    (await store.check(false, [])).map(({ repaired }) => repaired),
    [false],
  );
  assert.deepEqual(
    (await store.check(true, [])).map(({ repaired }) => repaired),
    [true],
  );
  assert.deepEqual(await store.check(false, []), []);
});

test('a store of a newer format is refused, one cut while it was made is completed', () => {
  const { root } = fresh();
  writeFileSync(`${root}/v1/store.json`, '{"format":2}');
  assert.throws(
    () => openStore(root, () => new Date()),
    (error) => isSlipwayError(error, 'STORE_FORMAT'),
  );
  writeFileSync(`${root}/v1/store.json`, '{"for');
  assert.equal(openStore(root, () => new Date()).images.list().length, 0);
});

test('a store that cannot be made says where it should have been, and what to do', () => {
  const file = join(folder, 'a-file');
  writeFileSync(file, '');
  for (const root of [join(file, 'store'), '/proc/nowhere/store']) {
    assert.throws(
      () => openStore(root, () => new Date()),
      (error) =>
        isSlipwayError(error, 'STORE_READ_ONLY') &&
        error.message.startsWith(`the store at ${root}/v1 cannot be made (`) &&
        /--root/.test(error.hint ?? ''),
    );
  }
});

test('what is collected while it is checked is no damage', async () => {
  const { store } = fresh();
  const blobs = ['a', 'b', 'c'].map((text) => store.blobs.put(Buffer.from(text), 'text/plain').digest).sort();
  const [first, second] = blobs.map((digest) => store.blobs.path(digest)) as [string, string];
  truncateSync(first, 0);
  const found: string[] = [];
  for (const { subject } of new BlobUsage(store.blobs as BlobStore, store.homes, store.root).check(false)) {
    found.push(subject);
    rmSync(second); // between the list and the look
  }
  assert.deepEqual(found, [`blob:${blobs[0]}`]);
});

test('names of images: set, moved, removed; a lost manifest is found by check', async () => {
  const { store } = fresh();
  const manifest = store.blobs.put(Buffer.from('{"schemaVersion":2}'), OCI.manifest);
  const second = store.blobs.put(Buffer.from('{"schemaVersion":2 }'), OCI.manifest);
  assert.equal(await store.images.set('docker.io/library/app:latest', manifest), undefined);
  assert.equal((await store.images.set('docker.io/library/app:latest', second))?.descriptor.digest, manifest.digest);
  await store.images.set('docker.io/library/old:1', manifest, ['layer:x']);
  assert.deepEqual(store.images.get('docker.io/library/app:latest')?.descriptor, second);
  assert.deepEqual(store.images.get('docker.io/library/old:1')?.keeps, ['layer:x']);
  store.blobs.remove(manifest.digest);
  assert.deepEqual(
    (await store.check(true, [])).map(({ subject }) => subject),
    ['image docker.io/library/old:1'],
  );
  assert.equal(store.images.remove('docker.io/library/app:latest')?.descriptor.digest, second.digest);
  assert.deepEqual(store.images.list(), []);
});

test('where a document is from: by repository and user, gone with the blob', async () => {
  const { store } = fresh();
  const { homes } = store;
  const { digest } = store.blobs.put(Buffer.from('{}'), OCI.manifest);
  const own = `user:${process.geteuid?.()}`;
  homes.add(digest, 'registry.example/team/app', 'user:4001');
  homes.add(digest, 'registry.example/team/app', 'user:4001');
  homes.add(digest, 'registry.example/open', '');
  assert.equal(store.records('homes').peek(digest.slice(7))?.toString().split('\n').length, 3, 'once each');
  const known = (repository: string, asker: string | undefined): boolean => homes.has(digest, `registry.example/${repository}`, asker);
  assert.ok(known('team/app', 'user:4001'));
  // The store's own user reads what it likes.
  for (const asker of [undefined, own]) assert.ok(known('team/app', asker) && known('open', asker));
  for (const asker of ['user:4002', 'user:400', '']) assert.ok(!known('team/app', asker), asker);
  assert.ok(known('open', '') && !known('open', 'user:4001'));
  for (const repository of ['team', 'team/ap', 'team/app2']) assert.ok(!known(repository, undefined), repository);

  // A killed writer's half of a line says nothing.
  appendFileSync(store.records('homes').path(digest.slice(7)), 'registry.example/half user:4001');
  assert.ok(!known('half', 'user:4001') && known('team/app', 'user:4001'));

  await store.collect([{ all: true }], [], quietJob());
  assert.ok(!store.blobs.has(digest) && !known('team/app', undefined));
});

test('what the store named is known to be from there when the name is another image’s', async () => {
  const { store } = fresh();
  const config = store.blobs.put(Buffer.from('{}'), OCI.config);
  const layer = store.blobs.put(Buffer.from('layer'), OCI.layer);
  const manifest = store.blobs.put(serializeManifest({ schemaVersion: 2, config, layers: [layer] }), OCI.manifest);
  const other = store.blobs.put(serializeManifest({ schemaVersion: 2, config, layers: [] }), OCI.manifest);
  const app = 'registry.example:5000/app';
  await store.images.set(`${app}:1`, manifest);
  assert.equal(store.images.holding(app, manifest.digest)?.name, `${app}:1`);
  assert.equal(store.images.holding('registry.example:5000/ap', manifest.digest), undefined);
  await store.images.set(`${app}:1`, other);
  assert.equal(store.images.holding(app, manifest.digest), undefined);
  for (const { digest } of [manifest, config, other]) assert.ok(store.homes.has(digest, app, undefined));
  assert.ok(!store.homes.has(layer.digest, app, undefined));
});

test('records: whole, appended, cut', () => {
  const { store } = fresh();
  const records = store.records('cache/test');
  records.writeJson('abcdef', { a: 1 });
  assert.deepEqual(records.readJson('abcdef'), { a: 1 });
  truncateSync(records.path('abcdef'), 4);
  assert.equal(records.readJson('abcdef'), undefined);
  assert.equal(records.readJson('other'), undefined);
  records.append('lines', 'one');
  records.append('lines', 'two');
  assert.equal(records.read('lines')?.toString(), 'one\ntwo\n');
  assert.deepEqual(records.names(), ['abcdef', 'lines']);
  assert.throws(() => records.path('../../etc/passwd'));
});

test('a folder where a record belongs is no record, and makes room for one', () => {
  const { store } = fresh();
  const records = store.records('cache/test');
  const block = (name: string): string | undefined => mkdirSync(join(records.path(name), 'in the way'), { recursive: true });
  for (const name of ['written', 'added', 'removed']) block(name);
  assert.equal(records.readJson('written'), undefined);
  assert.equal(records.peekFrom('added', 0), undefined);
  records.writeJson('written', 1);
  assert.equal(records.readJson('written'), 1);
  records.append('added', 'line');
  assert.equal(records.read('added')?.toString(), 'line\n');
  assert.equal(records.remove('removed'), true);
  assert.deepEqual(records.names(), ['added', 'written']);
});

test('a lock holds between processes and ends with a killed holder', async () => {
  const { root, store } = fresh();
  const child = other(
    `const lock = await store.locks.acquire('key', new AbortController().signal); console.log('held'); process.stdin.resume();`,
    root,
  );
  assert.equal(await line(child), 'held');
  assert.equal(store.locks.tryAcquire('key'), undefined);
  const waiting = store.locks.acquire('key', new AbortController().signal);
  await assert.rejects(store.locks.acquire('key', AbortSignal.abort(new Error('no more'))), /no more/);
  await killed(child);
  (await waiting)[Symbol.dispose]();
  assert.deepEqual(readdirSync(`${store.root}/locks`), []);
});

test('what a killed process left is swept, what a living one uses is not', async () => {
  const { root, store } = fresh();
  const script = `store.lease(); console.log(store.temp.folder('work').path); process.stdin.resume();`;
  const [dead, living] = [other(script, root), other(script, root)];
  const [deadPath, livingPath] = await Promise.all([line(dead), line(living)]);
  await killed(dead);
  await store.collect([], [], quietJob());
  assert.equal(existsSync(deadPath), false);
  assert.equal(existsSync(livingPath), true);
  assert.equal(readdirSync(`${store.root}/leases`).length, 2); // the dead one goes with the next look at the leases
  await store.usage([]);
  assert.equal(readdirSync(`${store.root}/leases`).length, 1);
  await killed(living);
});

/** A room with things in memory: `id: [needs…]`, all of 10 bytes. */
function room(things: Record<string, { usedAt: number; needs?: string[]; type?: 'internal' | 'regular' | 'source.local' }>): Collectable {
  return {
    entries: () =>
      Object.entries(things).map(([id, thing]) => ({
        id,
        type: thing.type ?? 'regular',
        description: id,
        size: 10,
        createdAt: 0,
        lastUsedAt: thing.usedAt,
        mutable: false,
        needs: thing.needs ?? [],
      })),
    lastUsedAt: (id) => things[id]?.usedAt,
    remove: (id) => {
      delete things[id];
    },
  };
}

test('collection: the least recently used first, never what something kept needs', async () => {
  const { store } = fresh(() => new Date(1000));
  const things = {
    base: { usedAt: 1 },
    'record:old': { usedAt: 2, needs: ['base', 'old'], type: 'internal' as const },
    old: { usedAt: 2 },
    'record:new': { usedAt: 9, needs: ['base', 'new'], type: 'internal' as const },
    new: { usedAt: 9 },
  };
  const rooms = [room(things)];
  const kept = await store.collect([{ all: true, maxUsedBytes: 30 }], rooms, quietJob());
  assert.deepEqual(
    kept.removed.map(({ id }) => id),
    ['record:old', 'old'],
  );
  assert.equal(kept.bytes, 20);
  assert.deepEqual(Object.keys(things), ['base', 'record:new', 'new']);
  // Without `all`, records go only with what they need.
  const rest = await store.collect([{ all: false, filter: parseUsageFilters(['id=new']) }], rooms, quietJob());
  assert.deepEqual(
    rest.removed.map(({ id }) => id),
    ['record:new', 'new'],
  );
});

test('collection: ages, filters, leases, names', async () => {
  let now = 5_000_000;
  const { store } = fresh(() => new Date(now));
  const things = { aged: { usedAt: 1_000_000 }, young: { usedAt: 4_900_000 }, src: { usedAt: 4_800_000, type: 'source.local' as const } };
  const rooms = [room(things)];
  await store.collect([{ all: true, keepDurationMs: 600_000 }], rooms, quietJob());
  assert.deepEqual(Object.keys(things), ['young', 'src']);
  await store.collect([{ all: true, filter: parseUsageFilters(['type=source.local', 'until=1m']) }], rooms, quietJob());
  assert.deepEqual(Object.keys(things), ['young']);

  const blob = store.blobs.put(Buffer.from('{}'), 'x');
  const layer = store.blobs.put(Buffer.from('layer'), OCI.layer);
  const manifest = store.blobs.put(
    serializeManifest({ schemaVersion: 2, config: { ...blob, mediaType: OCI.config }, layers: [layer] }),
    OCI.manifest,
  );
  await store.images.set('app', manifest);
  const loose = store.blobs.put(Buffer.from('loose'), 'x');
  now += 1000;
  {
    using _lease = store.lease();
    assert.equal(store.blobs.has(loose.digest), true);
    assert.deepEqual(
      (await store.collect([{ all: true }], rooms, quietJob())).removed.map(({ id }) => id),
      ['young'],
    );
  }
  assert.deepEqual(
    (await store.collect([{ all: true }], rooms, quietJob())).removed.map(({ id }) => id),
    [`blob:${loose.digest}`],
  );
  store.images.remove('app');
  assert.equal((await store.collect([{ all: true }], rooms, quietJob())).removed.length, 3);
});

test('automatic collection: at most once in an hour, by age', async () => {
  let now = Date.now();
  const { store } = fresh(() => new Date(now));
  const old = store.blobs.put(Buffer.from('old'), 'x');
  now += 40 * 86_400_000;
  const settings = { maxAgeMs: 30 * 86_400_000, minFreeBytes: 0 };
  assert.deepEqual(
    (await store.collectIfDue(settings, [], quietJob()))?.removed.map(({ id }) => id),
    [`blob:${old.digest}`],
  );
  now = Date.now() + 60_000;
  assert.equal(await store.collectIfDue(settings, [], quietJob()), undefined);
});

test('a clock that is set back while a build runs: nothing that the build made since is taken', async () => {
  let ahead = 3_600_000;
  const { root, store } = fresh(() => new Date(Date.now() + ahead));
  const before = store.blobs.put(Buffer.from('before'), 'x');
  utimesSync(store.blobs.path(before.digest), 1, 1);
  using _lease = store.lease();
  ahead = 0;
  const made = store.blobs.put(Buffer.from('made'), 'x');
  const { removed } = await openStore(root, () => new Date()).collect([{ all: true }], [], quietJob());
  assert.deepEqual(
    removed.map(({ id }) => id),
    [`blob:${before.digest}`],
  );
  assert.equal(store.blobs.has(made.digest), true);
});

test('a clock that is set back does not end automatic collection, nor does what was left on another machine stay for it', async () => {
  const { store } = fresh();
  assert.notEqual(await store.collectIfDue({ minFreeBytes: 0 }, [], quietJob()), undefined);
  assert.equal(await store.collectIfDue({ minFreeBytes: 0 }, [], quietJob()), undefined);
  const later = Date.now() / 1000 + 365 * 86_400;
  utimesSync(`${store.root}/collected`, later, later);
  // Of a process in another PID namespace of this boot.
  const left = `${store.root}/tmp/${ownerTag().replace(/^(\d+-\d+)-\d+/, '$1-1')}.left`;
  mkdirSync(left);
  utimesSync(left, later, later);
  assert.notEqual(await store.collectIfDue({ minFreeBytes: 0 }, [], quietJob()), undefined);
  assert.equal(existsSync(left), false);
});

test('collection beside users: who found a thing keeps it', async () => {
  const { root, store } = fresh();
  const names = Array.from({ length: 200 }, (_, index) => `record${index}`);
  const records = store.records('things');
  for (const name of names) records.write(name, 'x');
  const script = `
    store.lease(); const records = store.records('things'); const found = [];
    console.log('ready'); await new Promise((go) => process.stdin.once('data', go));
    for (let i = 199; i >= 0; i -= 1) if (records.use('record' + i)) found.push(i);
    const lost = found.filter((i) => records.peek('record' + i) === undefined);
    process.stdout.write(JSON.stringify({ found: found.length, lost })); await new Promise((go) => process.stdin.once('end', go).resume());
    process.exit();`;
  const child = other(script, root);
  await line(child);
  const things: Collectable = {
    entries: () =>
      names.map((id) => ({
        id,
        type: 'regular',
        description: '',
        size: 1,
        createdAt: 0,
        lastUsedAt: records.stat(id)?.usedAt ?? 0,
        mutable: false,
        needs: [],
      })),
    lastUsedAt: (id) => records.stat(id)?.usedAt,
    remove: (id) => void records.remove(id),
  };
  const answer = line(child);
  child.stdin?.write('go\n');
  const { removed } = await store.collect([{ all: true }], [things], quietJob());
  const { found, lost } = JSON.parse(await answer) as { found: number; lost: number[] };
  child.stdin?.end();
  await once(child, 'exit');
  assert.deepEqual(lost, []);
  assert.ok(found + removed.length <= names.length, `${found} found, ${removed.length} removed`);
});

test('filters: operators, and quotes as BuildKit’s clients write them', () => {
  const row = {
    id: 'blob:ab',
    description: 'RUN a,b,c | d "x" 7',
    type: 'regular',
    inUse: true,
    shared: false,
    mutable: false,
    parents: [],
  };
  const passes = (filter: string): boolean => parseUsageFilters([filter])(row as unknown as DiskUsage, new Date());
  for (const filter of [
    'inuse,private',
    'id~=ab , type == regular',
    'type!=internal,description~=a{0,1}',
    'description~="a,b,c"',
    'description~=/a,b,c/,id~=ab',
    'description~=/^RUN .*\\\\d$/',
    'description~=|^RUN|',
    'description~=|c \\\\\\| d|',
    'description=="RUN a,b,c | d \\"x\\" 7"',
  ])
    assert.ok(passes(filter), filter);
  for (const filter of [
    'description~=|nothing|',
    'description~=/nothing,inuse/',
    'description=="a,b,c"',
    'description~="x,type,id"',
    'id=/ab/',
  ])
    assert.ok(!passes(filter), filter);
  assert.throws(
    () => passes('description~=/\\d/'),
    (error) => isSlipwayError(error, 'FILTER_INVALID'),
  );
});

test('filters: mistakes are named', () => {
  assert.throws(
    () => parseUsageFilters(['typ=regular']),
    (error) => isSlipwayError(error, 'FILTER_INVALID') && /type/.test(error.hint ?? ''),
  );
  assert.throws(
    () => parseUsageFilters(['until=soon']),
    (error) => isSlipwayError(error, 'DURATION_INVALID'),
  );
});

test(
  'a full disk says so and leaves no part',
  { skip: process.getuid?.() === 0 ? false : 'needs root to mount a small tmpfs' },
  async (t) => {
    const root = join(folder, 'full');
    mkdirSync(root);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'none', root], { stdio: 'ignore' });
    } catch {
      t.skip('may not mount a tmpfs');
      return;
    }
    try {
      const store = openStore(root, () => new Date());
      async function* large(): AsyncGenerator<Uint8Array> {
        for (let index = 0; index < 64; index += 1) yield Buffer.alloc(65536, index);
      }
      await assert.rejects(store.blobs.ingest(large(), undefined, quietJob()), (error) => isSlipwayError(error, 'STORE_FULL'));
      assert.equal(store.blobs.put(Buffer.alloc(4096), 'x').size, 4096); // the part was removed again
      const records = store.records('cache');
      assert.throws(
        () => {
          for (let index = 0; ; index += 1) records.write(`record${index}`, Buffer.alloc(4096));
        },
        (error) => isSlipwayError(error, 'STORE_FULL'),
      );
      assert.equal(records.read('record0')?.length, 4096);
      store[Symbol.dispose]();
    } finally {
      execFileSync('umount', [root]);
    }
  },
);

test('a killed writer leaves the old record or the new one', async () => {
  const { root, store } = fresh();
  const script = `const records = store.records('cache'); for (let i = 0; ; i += 1) { records.writeJson('record', { i, text: 'x'.repeat(20000) }); if (i === 0) console.log('go'); }`;
  const child = other(script, root);
  await line(child);
  const seen = Array.from({ length: 50 }, () => store.records('cache').readJson('record'));
  await killed(child);
  const last = store.records('cache').readJson('record') as { i: number; text: string };
  assert.equal(last.text.length, 20000);
  assert.ok(seen.every((value) => value === undefined || (value as { text: string }).text.length === 20000));
});
