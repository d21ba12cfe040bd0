// Caches shared between stores: the same document from the same work, nothing fetched before it is read, damage told.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, test } from 'node:test';
import { type Digest, digestHex, digestOf, isSlipwayError, type ProgressEvent, quietJob, SlipwayError } from '../../base/index.ts';
import { OCI, parseReference, serializeImageConfig, serializeManifest } from '../../oci/index.ts';
import { openRegistry } from '../../registry/index.ts';
import { CacheMounts } from '../../runtime/index.ts';
import { type Layer, type LayerStore, openLayerStore, type RootFS } from '../../snapshot/index.ts';
import type { CacheMap, StepContext, VertexFacts } from '../../solver/index.ts';
import { lockLayout, openStore, type Store } from '../../store/index.ts';
import { startRealRegistry } from '../../../test/rig/real-registry.ts';
import {
  type CacheExport,
  type CacheRequest,
  type CacheSharing,
  type CacheTransport,
  exportCache,
  exportCaches,
  importCache,
  importCaches,
  INLINE_MEMBER,
  inlineCache,
  openCacheSource,
  openResultCache,
  planCacheExport,
  planCacheExports,
  type ResultCache,
} from '../index.ts';
import { signRequest } from './sigv4.ts';

const folder = mkdtempSync(join(tmpdir(), 'slipway-shared-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const job = { ...quietJob(), now: () => new Date(1_700_000_000_000) };
/** The step as which fetches are shown. */
const VERTEX = digestOf('importing');
let count = 0;

interface Machine extends AsyncDisposable {
  readonly store: Store;
  readonly layers: LayerStore;
  readonly cache: ResultCache;
}

function machine(): Machine {
  const now = (): Date => new Date(1_700_000_000_000 + (count += 1));
  const store = openStore(join(folder, `m${(count += 1)}`), now);
  const layers = openLayerStore(store);
  return {
    store,
    layers,
    cache: openResultCache({ store, layers, now }),
    [Symbol.asyncDispose]: async () => void (await (layers as Partial<AsyncDisposable>)[Symbol.asyncDispose]?.()),
  };
}

function mapOf(name: string, inputs: readonly RootFS[]): CacheMap {
  return { key: digestOf(`${name} ${inputs.map(({ identity }) => identity).join()}`), step: `D\0s\0p/RUN ${name}`, fields: [] };
}

/** One step: a file with a text, on what was before. */
async function run(
  { store, layers, cache }: Machine,
  name: string,
  inputs: readonly RootFS[],
  { mtime = 5, file = name, later = 0 }: { mtime?: number; file?: string; later?: number } = {},
): Promise<VertexFacts<RootFS>> {
  const upper = store.temp.path('upper');
  mkdirSync(upper, { recursive: true });
  writeFileSync(join(upper, file), `made by ${file}\n`);
  utimesSync(join(upper, file), mtime, mtime);
  const layer = await layers.commitFolder(upper, { ...job, now: () => new Date(job.now().getTime() + later) });
  const identity = digestOf(`${inputs[0]?.identity ?? ''} ${layer.contentDigest ?? ''}`);
  const map = mapOf(name, inputs);
  const outputs = await cache.save(map, inputs, [{ identity, layers: [...(inputs[0]?.layers ?? []), layer] }], { replace: false }, job);
  const progress = { id: map.key, name, inputs: [] };
  return { digest: map.key, progress, state: 'executed', reason: undefined, key: map.key, outputs, started: 0, completed: 1 };
}

const GZIP = { compression: 'gzip', force: false, reproducible: true } as const;

/** A build: `compile`, then `pack` in another stage that copies from it. */
async function build(on: Machine, mtime = 5): Promise<Pick<CacheExport, 'facts' | 'roots'> & { compile: RootFS; pack: RootFS }> {
  const compileFacts = await run(on, 'compile', [], { mtime });
  const compile = compileFacts.outputs?.[0] as RootFS;
  await on.cache.pathDigests.set(compile.identity, digestOf('/compile'), digestOf('content of /compile'));
  const packFacts = await run(on, 'pack', [], { mtime });
  const pack = packFacts.outputs?.[0] as RootFS;
  return { facts: [compileFacts, packFacts], roots: [pack], compile, pack };
}

function readFile(root: RootFS, on: Machine, path: string, reader = job): Promise<string> {
  return on.layers.tree(root.layers, 'bytes', reader).then((tree) => {
    const entry = tree.lookup(path);
    assert.ok(entry, `${path} is missing`);
    using bytes = tree.open(entry);
    return readFileSync(`/proc/self/fd/${bytes.fd}`)
      .subarray(bytes.offset, bytes.offset + bytes.size)
      .toString();
  });
}

/** What another machine finds, and what it fetched for that. */
async function roundTrip(mode: 'min' | 'max', place: () => CacheTransport, fetched: () => readonly string[]): Promise<void> {
  await using one = machine();
  await using two = machine();
  const made = await build(one);
  const manifest = await exportCache(one.cache, one.layers, place(), { ...made, mode, blobs: GZIP }, job);
  assert.equal(manifest?.mediaType, OCI.manifest);
  await importCache(two.cache, two.layers, place(), VERTEX, job);
  const before = fetched().length;

  const [compile] = await two.cache.lookup(mapOf('compile', []).key, [], job);
  const [pack] = await two.cache.lookup(mapOf('pack', []).key, [], job);
  assert.equal(compile?.outputs[0]?.identity, made.compile.identity);
  assert.equal(pack?.outputs[0]?.layers[0]?.createdAt, made.pack.layers[0]?.createdAt);
  assert.equal(await two.cache.pathDigests.get(made.compile.identity, digestOf('/compile')), digestOf('content of /compile'));
  assert.equal(two.layers.hasBytes(compile?.outputs[0]?.layers[0] as Layer), mode === 'max');
  assert.equal(fetched().length, before, 'a hit fetches nothing');

  const shown: ProgressEvent[] = [];
  const reader = { ...job, progress: (event: ProgressEvent) => void shown.push(event) };
  assert.equal(await readFile(pack?.outputs[0] as RootFS, two, 'pack', reader), 'made by pack\n');
  assert.equal(fetched().length, before + 1);
  const told = shown.map((event) => event.type === 'status' && [event.id, event.unit, event.current === event.total, event.done]);
  assert.deepEqual(told, [[VERTEX, 'bytes', true, true]], 'a fetch is shown where the layer comes from');
  // What was used is known from now on, without the import.
  const later = openResultCache({ store: two.store, layers: two.layers, now: job.now });
  assert.equal((await later.lookup(mapOf('pack', []).key, [], job)).length, 1);
}

for (const mode of ['min', 'max'] as const) {
  test(`type=local, mode=${mode}`, async () => {
    const path = join(folder, `local-${mode}`);
    const opened: string[] = [];
    const place = (): CacheTransport => {
      const inner = planCacheExport({ type: 'local', attributes: { dest: path } }, noRegistry, true).place as CacheTransport;
      return watched(inner, opened);
    };
    await roundTrip(mode, place, () => opened);
    const layersShipped = readdirSync(join(path, 'blobs/sha256')).length - 2;
    assert.equal(layersShipped, mode === 'min' ? 1 : 2);
  });
}

test('type=registry, with a real registry', async () => {
  await using registry = await startRealRegistry();
  using client = openRegistry({ retries: 0 });
  const ref = `${registry.address}/team/app:cache`;
  const opened: string[] = [];
  const request: CacheRequest = { type: 'registry', attributes: { ref, mode: 'max' } };
  await roundTrip(
    'max',
    () => watched(planCacheExport(request, () => client, true).place as CacheTransport, opened),
    () => opened,
  );
  const nothing = openCacheSource({ type: 'registry', attributes: { ref: `${registry.address}/team/other` } }, () => client);
  await using on = machine();
  await assert.rejects(importCache(on.cache, on.layers, nothing, VERTEX, job), (error) => isSlipwayError(error, 'CACHE_NOT_FOUND'));
});

test('type=registry: what an import came with is not asked about; a registry that has lost it gets it again', async () => {
  await using registry = await startRealRegistry();
  using client = openRegistry({ retries: 0 });
  const attributes = { ref: `${registry.address}/team/app:cache`, mode: 'max' };
  const place = planCacheExport({ type: 'registry', attributes }, () => client, true).place as CacheTransport;
  await using one = machine();
  const made = await build(one);
  await exportCache(one.cache, one.layers, place, { ...made, mode: 'max', blobs: GZIP }, job);
  for (const losses of [0, 1, 2]) {
    await using next = machine();
    await importCache(next.cache, next.layers, place, VERTEX, job);
    const outputsOf = async (key: Digest | undefined): Promise<readonly RootFS[]> =>
      (await next.cache.lookup(key as Digest, [], job))[0]?.outputs ?? [];
    const known = await Promise.all(made.facts.map(async (fact) => ({ ...fact, outputs: await outputsOf(fact.key) })));
    const more = await run(next, `more ${losses}`, []);
    const written: Digest[] = [];
    let lost = 0;
    const unreliable: CacheTransport = {
      ...watched(place, []),
      ...(place.repository === undefined ? {} : { repository: place.repository }),
      writeBlob: async (blob, source, writer) => {
        written.push(blob.digest);
        await place.writeBlob(blob, source, writer);
      },
      writeManifest: async (bytes, mediaType, writer) => {
        if ((lost += 1) <= losses) throw new SlipwayError('REGISTRY_REFUSED', 'blob unknown');
        await place.writeManifest(bytes, mediaType, writer);
      },
    };
    const exported = exportCache(
      next.cache,
      next.layers,
      unreliable,
      { facts: [...known, more], roots: [], mode: 'max', blobs: GZIP },
      job,
    );
    if (losses === 2) await assert.rejects(exported, (error) => isSlipwayError(error, 'REGISTRY_REFUSED'));
    else await exported;
    assert.equal(written.length, losses === 0 ? 2 : 6, 'the document and the new layer, and when that is refused, all');
  }
});

test('type=inline: the cache is in the image, its layers are the image’s', async () => {
  await using registry = await startRealRegistry();
  using client = openRegistry({ retries: 0 });
  await using one = machine();
  await using two = machine();
  const made = await build(one);
  const layer = made.pack.layers[0] as Layer;
  const blob = await one.layers.blob(layer, GZIP, job);
  const document = inlineCache(one.cache, made.facts, [{ layer, diffID: blob.diffID }]);
  const image = {
    os: 'linux',
    architecture: 'amd64',
    rootfs: { type: 'layers' as const, diff_ids: [blob.diffID] },
    [INLINE_MEMBER]: document,
  };
  const config = serializeImageConfig(image);
  const configBlob = { mediaType: OCI.config, digest: digestOf(config), size: config.length };
  const manifest = serializeManifest({ schemaVersion: 2, mediaType: OCI.manifest, config: configBlob, layers: [blob.descriptor] });
  const reference = parseReference(`${registry.address}/team/app:1`);
  const bytesOf = (bytes: Uint8Array) =>
    async function* (start: number, end: number): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(start, end);
    };
  const blobs = [
    { descriptor: configBlob, open: bytesOf(config) },
    { descriptor: blob.descriptor, open: bytesOf(readFileSync(blob.path as string)) },
  ];
  await client.push({ reference, blobs, manifests: [{ mediaType: OCI.manifest, bytes: manifest, digest: digestOf(manifest) }] }, job);
  await importCache(
    two.cache,
    two.layers,
    openCacheSource({ type: 'registry', attributes: { ref: `${registry.address}/team/app:1` } }, () => client),
    VERTEX,
    job,
  );
  const [pack] = await two.cache.lookup(mapOf('pack', []).key, [], job);
  assert.equal(await readFile(pack?.outputs[0] as RootFS, two, 'pack'), 'made by pack\n');
  assert.equal((await two.cache.lookup(mapOf('compile', []).key, [], job)).length, 1);
});

test('two machines that do the same work export the same manifest when dates are fixed', async () => {
  const digests: (Digest | undefined)[] = [];
  for (const mtime of [1_000, 2_000]) {
    await using on = machine();
    const made = await build(on, mtime);
    const place = planCacheExport({ type: 'local', attributes: { dest: join(folder, `same-${mtime}`) } }, noRegistry, true)
      .place as CacheTransport;
    const options = { ...made, mode: 'max' as const, blobs: { ...GZIP, clampMtime: 10 }, epoch: 10 };
    digests.push((await exportCache(on.cache, on.layers, place, options, job))?.digest);
  }
  assert.equal(digests[0], digests[1]);
});

for (const [mode, root, later] of [
  ['min', 0, 0],
  ['min', 1, 0],
  ['max', 0, 0],
  ['max', 0, 7],
] as const) {
  const which = `mode=${mode}, root ${root}, ${later} ms between them`;
  test(`two layers of one tar, ${which}: both have its bytes and their dates, and whoever imports the cache exports the same`, async () => {
    const place = planCacheExport({ type: 'local', attributes: { dest: join(folder, `twice-${mode}-${root}-${later}`) } }, noRegistry, true)
      .place as CacheTransport;
    const digests: (Digest | undefined)[] = [];
    await using one = machine();
    // A tar has whole seconds: these are two layers of one tar.
    const facts = [await run(one, 'compile', [], { mtime: 5.25 }), await run(one, 'copy', [], { mtime: 5.75, file: 'compile', later })];
    const exported = async (on: Machine, of: readonly VertexFacts<RootFS>[]): Promise<void> => {
      const roots = [of[root]?.outputs?.[0] as RootFS];
      digests.push((await exportCache(on.cache, on.layers, place, { facts: of, roots, mode, blobs: GZIP }, job))?.digest);
    };
    // Where the tar of the first is known, too.
    for (const { outputs } of facts) await one.layers.blob(outputs?.[0]?.layers[0] as Layer, GZIP, job);
    await exported(one, facts);
    for (let machines = 0; machines < 2; machines += 1) {
      await using next = machine();
      await importCache(next.cache, next.layers, place, VERTEX, job);
      const known = await Promise.all(
        facts.map(async (fact) => ({ ...fact, outputs: (await next.cache.lookup(fact.key as Digest, [], job))[0]?.outputs as RootFS[] })),
      );
      assert.equal(await readFile(known[root]?.outputs[0] as RootFS, next, 'compile'), 'made by compile\n');
      const dates = known.map(({ outputs }) => outputs[0]?.layers[0]?.createdAt);
      assert.deepEqual(
        dates,
        [0, later].map((after) => job.now().getTime() + after),
      );
      await exported(next, known);
    }
    assert.equal(new Set(digests).size, 1);
  });
}

test('records of two machines merge without a miss', async () => {
  await using one = machine();
  await using two = machine();
  await using three = machine();
  const path = (name: string): CacheTransport =>
    planCacheExport({ type: 'local', attributes: { dest: join(folder, `merge-${name}`) } }, noRegistry, true).place as CacheTransport;
  // The same key gave different results on the two: both stay.
  for (const [on, name, text] of [
    [one, 'one', 'first'],
    [two, 'two', 'second'],
  ] as const) {
    const map = mapOf('random', []);
    const outputs = [{ identity: digestOf(text), layers: [] }];
    await on.cache.save(map, [], outputs, { replace: false }, job);
    const after = await run(on, 'after', outputs);
    const facts = [{ ...after, key: map.key, outputs }, after];
    await exportCache(on.cache, on.layers, path(name), { facts, roots: [], mode: 'max', blobs: GZIP }, job);
    await importCache(three.cache, three.layers, path(name), VERTEX, job);
  }
  const hits = await three.cache.lookup(mapOf('random', []).key, [], job);
  assert.deepEqual(hits.map(({ outputs }) => outputs[0]?.identity).sort(), [digestOf('first'), digestOf('second')].sort());
  for (const { outputs } of hits) assert.equal((await three.cache.lookup(mapOf('after', outputs).key, outputs, job)).length, 1);
});

test('own bytes that are gone are had again from an import', async () => {
  await using one = machine();
  const made = await build(one);
  const place = planCacheExport({ type: 'local', attributes: { dest: join(folder, 'again') } }, noRegistry, true).place as CacheTransport;
  await exportCache(one.cache, one.layers, place, { ...made, mode: 'max', blobs: GZIP }, job);
  rmSync(join(one.store.root, 'layers'), { recursive: true, force: true });
  rmSync(join(one.store.root, 'blobs'), { recursive: true, force: true });
  const layers = openLayerStore(one.store);
  const cache = openResultCache({ store: one.store, layers, now: job.now });
  const [lost] = await cache.lookup(mapOf('pack', []).key, [], job);
  assert.equal(layers.hasBytes(lost?.outputs[0]?.layers[0] as Layer), false);
  await importCache(cache, layers, place, VERTEX, job);
  const [found] = await cache.lookup(mapOf('pack', []).key, [], job);
  assert.equal(await readFile(found?.outputs[0] as RootFS, { ...one, layers }, 'pack'), 'made by pack\n');
  await (layers as Partial<AsyncDisposable>)[Symbol.asyncDispose]?.();
});

test('a damaged or foreign cache is refused in words', async () => {
  await using on = machine();
  const path = join(folder, 'damaged');
  const place = planCacheExport({ type: 'local', attributes: { dest: path } }, noRegistry, true).place as CacheTransport;
  const code =
    (wanted: string) =>
    (error: unknown): boolean =>
      isSlipwayError(error, wanted);
  await assert.rejects(importCache(on.cache, on.layers, place, VERTEX, job), code('CACHE_NOT_FOUND'));
  for (const document of [
    '{',
    '[]',
    '{"version":2}',
    '{"version":1,"layers":[{}],"records":[],"paths":[]}',
    `{"version":1,"layers":[],"records":[{"key":"${digestOf('k')}","description":"","at":1,"outputs":[{"identity":"${digestOf('i')}","layers":[7]}]}],"paths":[]}`,
  ]) {
    const bytes = Buffer.from(document);
    const config = { mediaType: 'application/vnd.slipway.cache.config.v1+json', digest: digestOf(bytes), size: bytes.length };
    await place.writeBlob(
      config,
      {
        open: async function* () {
          yield bytes;
        },
      },
      job,
    );
    await place.writeManifest(serializeManifest({ schemaVersion: 2, mediaType: OCI.manifest, config, layers: [] }), OCI.manifest, job);
    await assert.rejects(importCache(on.cache, on.layers, place, VERTEX, job), code('CACHE_FORMAT'));
    writeFileSync(join(path, 'blobs/sha256', digestHex(config.digest)), Buffer.alloc(bytes.length, 32));
    await assert.rejects(importCache(on.cache, on.layers, place, VERTEX, job), code('CACHE_DAMAGED'));
  }
});

test('requests: mistakes are named', () => {
  const fails = (request: CacheRequest, pattern: RegExp): void =>
    assert.throws(
      () => planCacheExport(request, noRegistry, false),
      (error) => isSlipwayError(error, 'CACHE_OPTION') && pattern.test(`${error.message} ${error.hint ?? ''}`),
    );
  fails({ type: 'regstry', attributes: {} }, /unknown type.*did you mean registry/);
  fails({ type: 'registry', attributes: {} }, /needs ref=/);
  fails({ type: 'local', attributes: { dest: '/x', mode: 'mid' } }, /unknown mode/);
  fails({ type: 'local', attributes: { dest: '/x', compresion: 'zstd' } }, /did you mean compression/);
  fails({ type: 's3', attributes: { bucket: 'b', region: 'r' } }, /access_key_id/);
});

test('AWS signatures: the example of the S3 documentation', () => {
  const headers = signRequest(
    {
      method: 'GET',
      url: new URL('https://examplebucket.s3.amazonaws.com/test.txt'),
      region: 'us-east-1',
      service: 's3',
      headers: { range: 'bytes=0-9' },
      payloadHash: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      date: new Date('2013-05-24T00:00:00Z'),
    },
    { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' },
  );
  assert.match(headers['authorization'] as string, /Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41$/);
});

test('type=s3 against a server that keeps objects', async () => {
  const objects = new Map<string, Buffer>();
  const gets: string[] = [];
  await using server = await serve(async (request, response) => {
    const path = decodeURIComponent((request.url ?? '').split('?')[0] as string);
    assert.match(String(request.headers.authorization), /^AWS4-HMAC-SHA256 Credential=me\/\d{8}\/eu\/s3\/aws4_request/);
    assert.ok(path.startsWith('/bucket/pre/'), path);
    if (request.method === 'PUT') {
      objects.set(path, await bodyOf(request));
      return reply(response, 200);
    }
    if (request.method === 'GET') gets.push(path);
    const found = objects.get(path);
    reply(response, found === undefined ? 404 : 200, found);
  });
  const attributes = {
    bucket: 'bucket',
    region: 'eu',
    prefix: 'pre/',
    endpoint_url: server.url,
    use_path_style: 'true',
    access_key_id: 'me',
    secret_access_key: 'secret',
    name: 'main;branch',
  };
  const place = (): CacheTransport => planCacheExport({ type: 's3', attributes }, noRegistry, true).place as CacheTransport;
  await roundTrip('max', place, () => gets.filter((path) => path.includes('/blobs/')).slice(1));
  assert.ok(objects.has('/bucket/pre/manifests/main') && objects.has('/bucket/pre/manifests/branch'));
});

test('type=gha against a server that is strict about what it gets', async () => {
  const entries = new Map<string, Buffer>();
  const uploads = new Map<string, Buffer>();
  const gets: string[] = [];
  await using server = await serve(async (request, response) => {
    const url = new URL(request.url ?? '', 'http://x');
    if (url.pathname.startsWith('/blob/')) {
      const key = url.searchParams.get('key') as string;
      assert.equal(request.headers.authorization, undefined);
      if (request.method === 'GET') {
        gets.push(key);
        return reply(response, 200, entries.get(key));
      }
      assert.equal(request.headers['x-ms-blob-type'], 'BlockBlob');
      uploads.set(key, await bodyOf(request));
      return reply(response, 201);
    }
    assert.equal(request.headers.authorization, 'Bearer token');
    assert.equal(request.headers['content-type'], 'application/json');
    const asked = JSON.parse((await bodyOf(request)).toString()) as {
      key: string;
      version: string;
      restore_keys?: string[];
      size_bytes?: string;
    };
    assert.ok(asked.key !== '' && asked.version !== '');
    const method = url.pathname.replace('/twirp/github.actions.results.api.v1.CacheService/', '');
    const say = (value: unknown): void => reply(response, 200, Buffer.from(JSON.stringify(value)));
    switch (method) {
      case 'CreateCacheEntry':
        if (entries.has(asked.key)) return reply(response, 409, Buffer.from('{"code":"already_exists","msg":"cache entry exists"}'));
        return say({ ok: true, signed_upload_url: `${server.url}/blob/up?key=${encodeURIComponent(asked.key)}` });
      case 'FinalizeCacheEntryUpload': {
        const bytes = uploads.get(asked.key);
        assert.equal(String(bytes?.length), asked.size_bytes);
        entries.set(asked.key, bytes as Buffer);
        return say({ ok: true, entry_id: '1' });
      }
      case 'GetCacheEntryDownloadURL': {
        const prefixes = asked.restore_keys ?? [];
        const match = entries.has(asked.key)
          ? asked.key
          : [...entries.keys()].reverse().find((key) => prefixes.some((prefix) => key.startsWith(prefix)));
        if (match === undefined) return say({ ok: false });
        return say({ ok: true, matched_key: match, signed_download_url: `${server.url}/blob/down?key=${encodeURIComponent(match)}` });
      }
      default:
        return reply(response, 404);
    }
  });
  const attributes = { url_v2: server.url, token: 'token' };
  const place = (): CacheTransport => planCacheExport({ type: 'gha', attributes }, noRegistry, true).place as CacheTransport;
  await roundTrip('max', place, () => gets.filter((key) => key.includes('-blob-')).slice(1));
  assert.ok([...entries.keys()].some((key) => key.startsWith('slipway-index-slipway-')));
});

function noRegistry(): never {
  throw new Error('internal: no registry here');
}

function watched(inner: CacheTransport, opened: string[]): CacheTransport {
  return {
    name: inner.name,
    medium: inner.medium,
    readManifest: (context) => inner.readManifest(context),
    writeBlob: (blob, source, context) => inner.writeBlob(blob, source, context),
    writeManifest: (bytes, type, context) => inner.writeManifest(bytes, type, context),
    openBlob: (blob, context) => {
      opened.push(blob.digest);
      return inner.openBlob(blob, context);
    },
  };
}

async function serve(
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<void> | void,
): Promise<{ readonly url: string } & AsyncDisposable> {
  const server = createServer((request, response) => {
    Promise.resolve(answer(request, response)).catch((error: unknown) => reply(response, 400, Buffer.from(String(error))));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function reply(response: ServerResponse, status: number, body: Buffer = Buffer.alloc(0)): void {
  response.writeHead(status, { 'content-length': String(body.length), etag: createHash('md5').update(body).digest('hex') }).end(body);
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

test('mounts=true: a cache mount that one store filled serves another one, unless that has its own', async () => {
  await using one = machine();
  await using two = machine();
  const path = join(folder, 'mounts');
  const caches = (on: Machine): CacheMounts => new CacheMounts(join(on.store.root, 'mounts'));
  const request = { id: 'npm', sharing: 'shared', uid: 0, gid: 0, mode: 0o755 } as const;
  {
    await using mount = await caches(one).acquire(request, job);
    mkdirSync(`${mount.path}/deep`);
    writeFileSync(`${mount.path}/deep/package`, 'bytes'.repeat(100_000));
    symlinkSync('deep/package', `${mount.path}/link`);
    linkSync(`${mount.path}/deep/package`, `${mount.path}/hard`);
  }
  const requests: CacheRequest[] = [{ type: 'local', attributes: { dest: path, mounts: 'true' } }];
  const sharing = (on: Machine): CacheSharing => ({ ...on, caches: caches(on), registry: noRegistry });
  await exportCaches(planCacheExports(requests, noRegistry), { facts: [], roots: [] }, sharing(one), job);
  const from: CacheRequest[] = [{ type: 'local', attributes: { src: path } }];
  await importCaches(from, sharing(two), job);
  {
    await using mount = await caches(two).acquire(request, job);
    assert.equal(readFileSync(`${mount.path}/link`, 'utf8'), 'bytes'.repeat(100_000));
    assert.equal(statSync(`${mount.path}/hard`).nlink, 2);
    writeFileSync(`${mount.path}/deep/package`, 'own');
  }
  await importCaches(from, sharing(two), job);
  await using mount = await caches(two).acquire(request, job);
  assert.equal(readFileSync(`${mount.path}/deep/package`, 'utf8'), 'own');
});

test('what is written into a cache is told by name: a part of it is no byte of one', async () => {
  await using on = machine();
  const events: ProgressEvent[] = [];
  const sharing: CacheSharing = { ...on, caches: new CacheMounts(join(on.store.root, 'mounts')), registry: noRegistry };
  const plan = planCacheExports([{ type: 'local', attributes: { dest: join(folder, 'told') } }], noRegistry);
  await exportCaches(plan, await build(on), sharing, { ...job, progress: (event) => void events.push(event) });
  const statuses = events.flatMap((event) => (event.type === 'status' ? [event] : []));
  assert.match(statuses.at(-1)?.status ?? 'none', /^writing cache manifest sha256:/);
  assert.deepEqual(
    statuses.filter(({ current, total }) => current > 0 || total !== undefined),
    [],
  );
});

test('an import that fails is a warning, and explains steps that have no earlier run', async () => {
  await using on = machine();
  const events: ProgressEvent[] = [];
  const sharing: CacheSharing = { ...on, caches: new CacheMounts(join(on.store.root, 'mounts')), registry: noRegistry };
  const context = { ...job, progress: (event: ProgressEvent) => void events.push(event) };
  await importCaches([{ type: 'local', attributes: { src: join(folder, 'nowhere') } }], sharing, context);
  assert.deepEqual(
    events.map(({ type }) => type),
    ['vertex', 'started', 'warning', 'completed'],
  );
  const step = { since: Infinity, vertex: { id: 'v', name: 'v', inputs: [] }, inputs: [] };
  const reason = await on.cache.explain(mapOf('new', []), step, job);
  assert.equal(reason.cause, 'import-failed');
  assert.match(reason.text, /importing the cache from folder .*nowhere failed: there is no cache/);
});

test('a step that only an imported cache knows, with something else, is explained with it', async () => {
  await using on = machine();
  const known = mapOf('known', []);
  on.cache.importRecord({ key: known.key, description: 'app RUN 1', results: [] });
  on.cache.noteImport('registry.test/cache:1', undefined);
  const input = { vertex: { id: 'i', name: 'COPY . .', inputs: [] }, source: false, executed: true };
  const explained = async (step: string, inputs: StepContext['inputs'], fields: CacheMap['fields'] = []): Promise<readonly string[]> => {
    const context = { since: Infinity, vertex: { id: 'v', name: 'v', inputs: [] }, inputs };
    const { cause, text } = await on.cache.explain({ ...mapOf('new', []), step, fields }, context, job);
    return [cause, text];
  };
  const from = 'the cache imported from registry.test/cache:1';
  const run = 'Dockerfile\0app\0linux/amd64/RUN 0';
  assert.deepEqual(await explained(run, [input]), ['input', `\`COPY . .\` before it ran, and ${from} has this step after another result`]);
  const fields = [
    { name: 'bind /src', value: 'x' },
    { name: 'arg VERSION', value: '1' },
  ];
  const base = { vertex: { id: 'b', name: 'FROM busybox', inputs: [] }, source: true, executed: false };
  assert.deepEqual(await explained(run, [base], fields), [
    'import-other',
    `${from} has this step with other files or other variables or another base or another instruction`,
  ]);
  assert.deepEqual(await explained('Dockerfile\0app\0linux/amd64/RUN 1', [base]), [
    'first',
    `no earlier run of this step is known here, nor is one in ${from}`,
  ]);
});

test('an entry that somebody adds to the layout of a local cache meanwhile stays', async () => {
  const at = join(folder, `layout-${(count += 1)}`);
  const place = (tag: string): CacheTransport => openCacheSource({ type: 'local', attributes: { src: at, tag } }, () => openRegistry());
  const manifest = (name: string): Uint8Array =>
    serializeManifest({
      schemaVersion: 2,
      mediaType: OCI.manifest,
      config: { mediaType: OCI.config, digest: digestOf(name), size: name.length },
      layers: [],
    });
  await place('first').writeManifest(manifest('first'), OCI.manifest, job);
  const lock = await lockLayout(at, job.signal);
  const index = readFileSync(join(at, 'index.json'), 'utf8');
  const writing = place('second').writeManifest(manifest('second'), OCI.manifest, job);
  await new Promise(setImmediate);
  writeFileSync(join(at, 'index.json'), index.replace('"first"', '"other"'));
  lock[Symbol.dispose]();
  await writing;
  for (const tag of ['other', 'second']) assert.ok((await place(tag).readManifest(job)) !== undefined, tag);
});

test('reset=true leaves the blobs of an export that is under way, and takes them when it was given up', async () => {
  const path = join(folder, `layout-${(count += 1)}`);
  const place = (tag: string): CacheTransport => {
    const request = { type: 'local', attributes: { dest: path, tag, reset: 'true' } };
    return planCacheExport(request, () => openRegistry(), false).place as CacheTransport;
  };
  const write = async (to: CacheTransport, text: string): Promise<Uint8Array> => {
    const config = { mediaType: OCI.config, digest: digestOf(text), size: text.length };
    await to.writeBlob(config, { open: () => Readable.from([Buffer.from(text)]) }, job);
    return serializeManifest({ schemaVersion: 2, mediaType: OCI.manifest, config, layers: [] });
  };
  const there = (text: string): boolean => existsSync(join(path, 'blobs/sha256', digestHex(digestOf(text))));
  const [slow, quick, last] = [place('slow'), place('quick'), place('last')];
  const manifest = await write(slow, 'slow');
  await quick.writeManifest(await write(quick, 'quick'), OCI.manifest, job);
  assert.equal(there('slow'), true);
  await slow.writeManifest(manifest, OCI.manifest, job);
  assert.deepEqual([there('slow'), there('quick')], [true, false]);
  const givenUp = place('given-up');
  await write(givenUp, 'given up');
  await givenUp.end?.();
  await last.writeManifest(await write(last, 'last'), OCI.manifest, job);
  assert.deepEqual([there('slow'), there('given up'), there('last')], [false, false, true]);
});

test('what a killed export left half-written goes with the next one, unless somebody is writing there', async () => {
  const path = join(folder, `layout-${(count += 1)}`);
  const place = (): CacheTransport =>
    planCacheExport({ type: 'local', attributes: { dest: path } }, () => openRegistry(), false).place as CacheTransport;
  const write = async (to: CacheTransport, text: string): Promise<() => Promise<void>> => {
    const config = { mediaType: OCI.config, digest: digestOf(text), size: text.length };
    await to.writeBlob(config, { open: () => Readable.from([Buffer.from(text)]) }, job);
    const manifest = serializeManifest({ schemaVersion: 2, mediaType: OCI.manifest, config, layers: [] });
    return () => to.writeManifest(manifest, OCI.manifest, job);
  };
  const other = await write(place(), 'other');
  const left = ['.tmp-1-2-3', 'blobs/sha256/.tmp-1-2-3', `blobs/sha256/${'0'.repeat(64)}.0123456789ab.tmp`];
  const kept = ['.tmp-of-mine', 'blobs/sha256/notes.tmp'];
  for (const name of [...left, ...kept]) writeFileSync(join(path, name), 'half');
  const there = (names: readonly string[]): readonly boolean[] => names.map((name) => existsSync(join(path, name)));
  await (
    await write(place(), 'while the other writes')
  )();
  assert.deepEqual(there(left), [true, true, true]);
  await other();
  assert.deepEqual(
    [there(left), there(kept)],
    [
      [false, false, false],
      [true, true],
    ],
  );
});

test('a damaged index of a local cache is named, and made anew by reset=true', async () => {
  const path = join(folder, `layout-${(count += 1)}`);
  const write = async (reset: boolean): Promise<void> => {
    const request = { type: 'local', attributes: { dest: path, reset: String(reset) } };
    const to = planCacheExport(request, () => openRegistry(), false).place as CacheTransport;
    const config = { mediaType: OCI.config, digest: digestOf('x'), size: 1 };
    await to.writeManifest(serializeManifest({ schemaVersion: 2, mediaType: OCI.manifest, config, layers: [] }), OCI.manifest, job);
  };
  await write(false);
  const index = readFileSync(join(path, 'index.json'), 'utf8');
  writeFileSync(join(path, 'index.json'), index.slice(0, 30));
  await assert.rejects(write(false), (error: Error) => error.message.includes(`index.json of the cache in ${path} cannot be read: `));
  writeFileSync(join(path, `blobs/sha256/${digestHex(digestOf('x'))}`), 'x');
  await write(true);
  assert.equal(readFileSync(join(path, 'index.json'), 'utf8'), index);
});
