// Caches that machines share: an S3 server that is not ours, package caches that travel, and two machines that did the same work.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { buildCached as build } from '../rig/build-cached.ts';
import { command, type Files, Rig } from '../rig/rig.ts';

const MOTO = join(dirname(fileURLToPath(import.meta.url)), '../../.cache/moto/bin/moto_server');

const TWO_STAGES: Files = {
  Dockerfile: `FROM busybox AS build
COPY f /f
RUN cat /proc/sys/kernel/random/uuid > /id
FROM busybox
COPY --from=build /id /id
`,
  f: 'f',
};

test('type=s3 against moto: a second machine runs nothing, and a change runs what depends on it', async () => {
  await using rig = Rig.create();
  await using server = await startMoto();
  assert.equal((await fetch(`${server.address}/builds`, { method: 'PUT' })).status, 200);
  const place = `type=s3,bucket=builds,region=us-east-1,name=app,prefix=team/,endpoint_url=${server.address},use_path_style=true,access_key_id=a,secret_access_key=b`;
  const context = rig.context(TWO_STAGES);
  const first = await build(rig, context, ['--cache-to', `${place},mode=max`]);
  assert.equal(first.ran.length, 3);
  rmSync(rig.store, { recursive: true });
  const again = await build(rig, context, ['--cache-from', place, '--cache-to', `${place},mode=max`]);
  assert.deepEqual(again, { ran: [], digest: first.digest });
  rmSync(rig.store, { recursive: true });
  const changed = await build(rig, rig.context({ Dockerfile: `${TWO_STAGES['Dockerfile'] as string}RUN true\n` }), ['--cache-from', place]);
  assert.deepEqual(changed.ran, ['RUN true']);
  const listing = await (await fetch(`${server.address}/builds?list-type=2`)).text();
  assert.match(listing, /<Key>team\/manifests\/app<\/Key>/);
  assert.match(listing, /<Key>team\/blobs\/sha256:[a-f0-9]{64}<\/Key>/);
});

/** Blobs of a repository that the registry's log tells of since `from`: stored, got, and asked for before they were stored. */
async function traffic(rig: Rig, repository: string, from: number): Promise<Record<'stored' | 'got' | 'wanted', readonly string[]>> {
  const log = (await rig.registryLog()).slice(from);
  const named = (pattern: string): readonly string[] =>
    [...log.matchAll(new RegExp(pattern, 'g'))].map(([, digest]) => decodeURIComponent(digest as string)).sort();
  return {
    stored: named(`"PUT /v2/${repository}/blobs/uploads/[^"]*digest=(sha256[^&" ]*)[^"]*" 201`),
    wanted: named(`"HEAD /v2/${repository}/blobs/(sha256:[a-f0-9]{64}) `),
    got: named(`"GET /v2/${repository}/blobs/(sha256:[a-f0-9]{64}) [^"]*" 200`),
  };
}

/** A base that only builder stages use, with a layer of its own; `fetched`: whether that layer was got since `from`. */
async function builderBase(rig: Rig): Promise<{ readonly name: string; readonly isFetched: (from: number) => Promise<boolean> }> {
  const repository = `shared/builder-${process.pid}`;
  const name = `${rig.registry}/${repository}:1`;
  const context = rig.context({ Dockerfile: 'FROM busybox\nRUN echo compiler > /compiler\n' }, 'builder');
  await build(rig, context, [], ['-o', `type=registry,name=${name}`]);
  const own = (await manifestOf(name)).layers[1] as string;
  rmSync(rig.store, { recursive: true });
  return { name, isFetched: async (from) => (await traffic(rig, repository, from)).got.includes(own) };
}

async function manifestOf(ref: string): Promise<{ readonly config: string; readonly layers: readonly string[] }> {
  const shown = await command('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${ref}`]);
  const { config, layers } = JSON.parse(shown.stdout) as { config: { digest: string }; layers: { digest: string }[] };
  return { config: config.digest, layers: layers.map(({ digest }) => digest) };
}

const THREE_STAGES = (builder: string, source: string): Files => ({
  Dockerfile: `FROM ${builder} AS deps
RUN echo dependency > /dependency
FROM ${builder} AS build
COPY --from=deps /dependency /dependency
COPY source /source
RUN cat /dependency /source > /program
FROM busybox
COPY --from=build /program /program
RUN cat /program > /copied
`,
  source,
});

test('layers for a cache of all steps are compressed while a later step runs', async () => {
  await using rig = Rig.create();
  const blobs = (): string => join(rig.store, 'v1/blobs/sha256');
  const isMade = (): boolean => existsSync(blobs()) && readdirSync(blobs()).some((name) => statSync(join(blobs(), name)).size > 4e6);
  const seen: boolean[] = [];
  // The step ends when the blob of the layer below it is there; without that, after a while all the same.
  const gate = createServer((_, response) => {
    seen.push(isMade());
    response.statusCode = seen.at(-1) === true || seen.length > 300 ? 200 : 503;
    response.end();
  }).listen(0, '127.0.0.1');
  await using _ = { [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void gate.close(() => resolve())) };
  await once(gate, 'listening');
  const address = `http://127.0.0.1:${(gate.address() as AddressInfo).port}/`;
  const context = rig.context({
    Dockerfile: `FROM busybox AS build\nCOPY large /\nRUN --network=host until wget -q -O /answer ${address}; do sleep 0.1; done\nFROM busybox\nCOPY --from=build /answer /\n`,
  });
  writeFileSync(join(context, 'large'), randomBytes(5e6));
  const cache = `type=registry,ref=${rig.registry}/shared/ahead-${process.pid}:cache`;
  await build(rig, context, ['--allow', 'network.host', '--cache-to', `${cache},mode=max`]);
  assert.equal(seen.at(-1), availableParallelism() > 1);
  rmSync(rig.store, { recursive: true });
  assert.deepEqual((await build(rig, context, ['--allow', 'network.host', '--cache-from', cache])).ran, []);
});

for (const [mode, shipped] of [
  ['min', 2],
  ['max', 4],
] as const) {
  test(`type=registry, mode=${mode}: what is stored, and what another machine fetches, by the registry's log`, async () => {
    await using rig = Rig.create();
    const builder = await builderBase(rig);
    const repository = `shared/wire-${mode}-${process.pid}`;
    const cache = `type=registry,ref=${rig.registry}/${repository}:cache`;
    let from = (await rig.registryLog()).length;
    const first = await build(rig, rig.context(THREE_STAGES(builder.name, 'one')), ['--cache-to', `${cache},mode=${mode}`]);
    assert.equal(first.ran.length, 6);
    const { config, layers } = await manifestOf(`${rig.registry}/${repository}:cache`);
    assert.equal(layers.length, shipped, 'layers of the last stage, or of all');
    assert.deepEqual((await traffic(rig, repository, from)).stored, [config, ...layers].sort(), 'nothing else was stored');
    assert.ok(await builder.isFetched(from));

    rmSync(rig.store, { recursive: true });
    from = (await rig.registryLog()).length;
    const again = await build(rig, rig.context(THREE_STAGES(builder.name, 'one')), ['--cache-from', cache]);
    assert.deepEqual(again, { ran: [], digest: first.digest });
    const own = layers.filter((layer) => imageLayers(rig).includes(layer));
    assert.equal(own.length, 2);
    assert.deepEqual(
      (await traffic(rig, repository, from)).got,
      [config, ...own].sort(),
      "the document, and the last stage's layers, for the archive",
    );
    assert.ok(!(await builder.isFetched(from)), 'nothing of the base that only the builder uses');

    rmSync(rig.store, { recursive: true });
    from = (await rig.registryLog()).length;
    const both = ['--cache-from', cache, '--cache-to', `${cache},mode=${mode}`];
    assert.deepEqual(await build(rig, rig.context(THREE_STAGES(builder.name, 'one')), both), { ran: [], digest: first.digest });
    const asked = [...(await rig.registryLog()).slice(from).matchAll(new RegExp(`"([A-Z]+) /v2/${repository}/`, 'g'))];
    assert.deepEqual(
      [...new Set(asked.map(([, method]) => method))].sort(),
      ['GET', 'HEAD'],
      'a cache that is as it was is not written again',
    );

    if (mode === 'min') return;
    rmSync(rig.store, { recursive: true });
    from = (await rig.registryLog()).length;
    const changed = await build(rig, rig.context(THREE_STAGES(builder.name, 'two')), both);
    assert.deepEqual(changed.ran, [
      'COPY source /source',
      'RUN cat /dependency /source > /program',
      'COPY --from=build /program /program',
      'RUN cat /program > /copied',
    ]);
    const { got, stored, wanted } = await traffic(rig, repository, from);
    assert.deepEqual(wanted, stored, 'no layer that was there before is asked about');
    assert.equal(got.length, 2, 'the document, and the layer that the changed stage builds on: nothing of a stage that did not change');
  });
}

/** Layers of the image in `image.tar`. */
function imageLayers(rig: Rig): readonly string[] {
  const members = (path: string): { digest: string }[] => {
    const text = execFileSync('tar', ['-xOf', rig.path('image.tar'), path], { encoding: 'utf8' });
    const { manifests, layers } = JSON.parse(text) as { manifests?: { digest: string }[]; layers?: { digest: string }[] };
    return manifests ?? layers ?? [];
  };
  const [manifest] = members('index.json');
  return members(`blobs/sha256/${manifest?.digest.slice(7)}`).map(({ digest }) => digest);
}

test('a cache beside the image takes from its repository what was just pushed there', async () => {
  await using rig = Rig.create();
  const [image, repository] = [`shared/image-${process.pid}`, `shared/beside-${process.pid}`];
  const output = ['-o', `type=registry,name=${rig.registry}/${image}:1`];
  const from = (await rig.registryLog()).length;
  await build(rig, rig.context(TWO_STAGES), ['--cache-to', `type=registry,ref=${rig.registry}/${repository}:cache,mode=max`], output);
  const { config, layers } = await manifestOf(`${rig.registry}/${repository}:cache`);
  const pushed = (await manifestOf(`${rig.registry}/${image}:1`)).layers;
  const sent = [config, ...layers.filter((layer) => !pushed.includes(layer))].sort();
  assert.ok(sent.length < layers.length + 1, 'the image has a layer of the cache');
  assert.deepEqual((await traffic(rig, repository, from)).stored, sent);
});

test('type=inline: what the image pushes and fetches is the image, nothing of its builder', async () => {
  await using rig = Rig.create();
  const builder = await builderBase(rig);
  const repository = `shared/wire-inline-${process.pid}`;
  const ref = `${rig.registry}/${repository}:1`;
  const push = ['-o', `type=registry,name=${ref}`, '--cache-to', 'type=inline'];
  let from = (await rig.registryLog()).length;
  const context = rig.context(THREE_STAGES(builder.name, 'one'));
  const first = await build(rig, context, push, []);
  const { config, layers } = await manifestOf(ref);
  const [, ...own] = layers;
  assert.deepEqual(
    (await traffic(rig, repository, from)).stored.filter((digest) => digest !== layers[0]),
    [config, ...own].sort(),
  );
  rmSync(rig.store, { recursive: true });
  from = (await rig.registryLog()).length;
  const again = await build(rig, context, [...push, '--cache-from', `type=registry,ref=${ref}`], []);
  assert.deepEqual(again, { ran: [], digest: first.digest });
  const { stored, got } = await traffic(rig, repository, from);
  assert.deepEqual({ stored, got }, { stored: [], got: [config] }, 'the image is there: only its config is read');
  assert.ok(!(await builder.isFetched(from)));
});

test('type=local, mode=min: a folder with the last stage\u2019s layers; several sources, of which one is not there', async () => {
  await using rig = Rig.create();
  const folder = rig.path('cache');
  const context = rig.context(THREE_STAGES('busybox', 'one'));
  const first = await build(rig, context, ['--cache-to', `type=local,dest=${folder}`]);
  assert.equal(readdirSync(join(folder, 'blobs/sha256')).length, 4, 'manifest, document, two layers');
  rmSync(rig.store, { recursive: true });
  const sources = [
    ...['--cache-from', `type=registry,ref=${rig.registry}/shared/never:there`],
    ...['--cache-from', 'type=registry,ref=127.0.0.1:9/shared/no:body'],
    ...['--cache-from', `type=local,src=${rig.path('no-folder')}`],
    ...['--cache-from', `type=local,src=${folder}`],
  ];
  const outcome = await rig.slipway([
    'build',
    ...sources,
    '--metadata-file',
    rig.path('m.json'),
    '-o',
    `type=oci,dest=${rig.path('i.tar')}`,
    context,
  ]);
  assert.equal(outcome.code, 0, outcome.stderr);
  for (const name of ['shared/never:there', '127.0.0.1:9/shared/no:body', 'no-folder'])
    assert.match(outcome.stderr, new RegExp(`importing the cache from [^\\n]*${name} failed: \\S`), name);
  const facts = JSON.parse(readFileSync(rig.path('m.json'), 'utf8')) as {
    'slipway.steps': { state: string }[];
    'containerimage.digest': string;
  };
  assert.ok(facts['slipway.steps'].every(({ state }) => state === 'cached'));
  assert.equal(facts['containerimage.digest'], first.digest);
});

test('--cache-to that fails: the build fails with the place named, or goes on with ignore-error', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM busybox\nRUN echo made > /made\n' });
  const bad = 'type=registry,ref=127.0.0.1:9/shared/no:body';
  const good = `type=local,dest=${rig.path('cache')}`;
  const failed = await rig.slipway(['build', '--cache-to', bad, '-o', rig.path('out'), context]);
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /127\.0\.0\.1:9/);
  const built = await rig.slipway(['build', '--cache-to', `${bad},ignore-error=true`, '--cache-to', good, '-o', rig.path('out'), context]);
  assert.equal(built.code, 0, built.stderr);
  assert.match(built.stderr, /exporting the cache to 127\.0\.0\.1:9\/shared\/no:body failed/);
  assert.ok(existsSync(rig.path('cache/index.json')), 'the other place got its cache');
});

test('mounts=true: a package cache that one machine filled serves another one, through a registry', async () => {
  await using rig = Rig.create();
  const cache = `type=registry,ref=${rig.registry}/shared/mounts:${process.pid}`;
  const mount = '--mount=type=cache,id=packages,target=/packages';
  const fill = rig.context({ Dockerfile: `FROM busybox\nRUN ${mount} echo downloaded > /packages/one\n` }, 'fill');
  await build(rig, fill, ['--cache-to', `${cache},mounts=true`]);
  rmSync(rig.store, { recursive: true });
  const use = rig.context({ Dockerfile: `FROM busybox\nRUN ${mount} cat /packages/one > /found\n` }, 'use');
  const outcome = await rig.slipway(['build', '--cache-from', cache, '-o', rig.path('out'), use]);
  assert.equal(outcome.code, 0, outcome.stderr);
  assert.equal(readFileSync(rig.path('out/found'), 'utf8'), 'downloaded\n');
});

test('two machines that did the same work write the same manifest; a third takes from both', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM busybox AS a\nRUN echo same > /a\nFROM scratch\nCOPY --from=a /a /a\n' });
  const other = rig.context(
    { Dockerfile: 'FROM busybox AS a\nRUN echo same > /a\nFROM busybox\nCOPY --from=a /a /b\nRUN echo b > /c\n' },
    'other',
  );
  const epoch = ['--build-arg', 'SOURCE_DATE_EPOCH=1000000000'];
  const folder = (name: string): string => rig.path(`cache-${name}`);
  const digestIn = (name: string): unknown =>
    (JSON.parse(readFileSync(join(folder(name), 'index.json'), 'utf8')) as { manifests: { digest: string }[] }).manifests[0]?.digest;
  for (const name of ['one', 'two']) {
    await build(rig, context, [...epoch, '--cache-to', `type=local,dest=${folder(name)},mode=max`]);
    rmSync(rig.store, { recursive: true });
  }
  assert.equal(digestIn('one'), digestIn('two'));
  await build(rig, other, [...epoch, '--cache-to', `type=local,dest=${folder('three')},mode=max`]);
  rmSync(rig.store, { recursive: true });
  const from = ['one', 'three'].flatMap((name) => ['--cache-from', `type=local,src=${folder(name)}`]);
  for (const place of [context, other]) assert.deepEqual((await build(rig, place, [...epoch, ...from])).ran, []);
});

test('a cache that is asked for wrongly, or only in workflows, stops no build', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM busybox\nRUN true\n' });
  const flags = [
    '--cache-from=',
    '--cache-to=',
    '--cache-from=type=gha',
    '--cache-to=type=gha,mode=max',
    '--cache-from=type=regstry,ref=x',
  ];
  const env = { ACTIONS_RUNTIME_TOKEN: '', ACTIONS_RESULTS_URL: '', ACTIONS_CACHE_URL: '' };
  const built = await rig.slipway(['build', ...flags, context], { env });
  assert.equal(built.code, 0, built.stderr);
  assert.match(built.stderr, /--cache-from type=gha is passed over/);
  assert.match(built.stderr, /--cache-to type=gha is passed over/);
  assert.match(built.stderr, /importing the cache from type=regstry failed: [^]*did you mean registry\?/);
  const wrong = await rig.slipway(['build', '--cache-to', `type=local,dest=${rig.path('c')},oci-mediatypes=perhaps`, context]);
  assert.match(wrong.stderr, /oci-mediatypes is true or false/);
});

/** Moto's server: an S3 that checks what it gets as Amazon's does. `npm test` installs it. */
async function startMoto(): Promise<AsyncDisposable & { readonly address: string }> {
  assert.ok(existsSync(MOTO), 'run this test by `npm test`, which installs moto');
  const child = spawn(MOTO, ['-H', '127.0.0.1', '-p', '0'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  let said = '';
  const address = await new Promise<string>((resolve, reject) => {
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      const [, url] = /Running on (http:\S+)/.exec(said) ?? [];
      if (url !== undefined) resolve(url);
    });
    child.once('close', () => reject(new Error(`moto ended at once: ${said}`)));
  });
  return {
    address,
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await ended;
    },
  };
}
