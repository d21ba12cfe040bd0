import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { isSlipwayError } from '../base/index.ts';
import { type Index, IN_TOTO, type Manifest, OCI, parseIndex, parseManifest, parseReference } from '../oci/index.ts';
import { tryLock } from '../sys/index.ts';
import { startRealRegistry } from '../../test/rig/real-registry.ts';
import { exportOutput, type ExportSource, type OutputResult, parseOutput, type PlanFacts, planOutputs } from './index.ts';
import type { Attestation } from './source.ts';
import { AMD64, ARM, resultOf, testFolder, type TestWorld, testWorld } from './testing.ts';

const PROVENANCE: Attestation = {
  predicateType: 'https://slsa.dev/provenance/v1',
  filename: 'provenance.json',
  inlineOnly: true,
  predicate: (image) => Promise.resolve({ layers: image?.layers.length }),
};

async function run(world: TestWorld, text: string, source: ExportSource, facts: Partial<PlanFacts> = {}): Promise<OutputResult> {
  const multiPlatform = source.platforms.length > 1;
  const plans = planOutputs([parseOutput(text)], {
    tags: [],
    annotations: [],
    multiPlatform,
    attested: false,
    stdoutIsTerminal: false,
    ...facts,
  });
  assert.ok(plans[0] !== undefined);
  return await exportOutput(plans[0], source, world.context);
}

/** Members of a tar by name, as the system's tar sees them. */
function tarFiles(path: string): { readonly names: readonly string[]; readonly read: (name: string) => Buffer } {
  const names = execFileSync('tar', ['tf', path], { encoding: 'utf8' }).trim().split('\n');
  return { names, read: (name) => execFileSync('tar', ['xOf', path, name]) };
}

const blobOf = (digest: string): string => `blobs/${digest.replace(':', '/')}`;

test('an OCI archive: members as containerd orders them, one entry for each name, and the same bytes every time', async () => {
  const world = testWorld();
  const layers = [world.layer({ bin: { kind: 'dir' }, 'bin/sh': 'shell' }, 'remote'), world.layer({ f: 'f' })];
  const source = { platforms: [resultOf(AMD64, layers, { baseLayers: 1 })] };
  const path = join(world.folder, 'deep/er/x.tar');
  const result = await run(world, `type=oci,dest=${path}`, source, { tags: ['app:1', 'example.invalid/b'] });
  const { names, read } = tarFiles(path);
  assert.deepEqual(names, [...names].sort());
  assert.deepEqual(
    names.filter((name) => !name.includes('sha256/') || name.endsWith('/')),
    ['blobs/', 'blobs/sha256/', 'index.json', 'oci-layout'],
  );
  const index = parseIndex(read('index.json'));
  assert.deepEqual(
    index.manifests.map(({ annotations, platform }) => ({ annotations, platform })),
    ['docker.io/library/app:1', 'example.invalid/b:latest'].map((name) => ({
      annotations: {
        'io.containerd.image.name': name,
        'org.opencontainers.image.created': '2024-05-06T07:08:09Z',
        'org.opencontainers.image.ref.name': name.split(':')[1],
      },
      platform: AMD64,
    })),
  );
  const manifest = parseManifest(read(blobOf(index.manifests[0]?.digest ?? '')));
  assert.deepEqual(
    manifest.layers.map(({ mediaType }) => mediaType),
    [OCI.layerGzip, OCI.layerGzip],
  );
  assert.equal(result.configDigest, manifest.config.digest);
  assert.deepEqual(readdirSync(join(world.folder, 'deep/er')), ['x.tar']);

  const stdout = new PassThrough();
  const received = buffer(stdout);
  const piped = { ...world, context: { ...world.context, stdout } };
  await run(piped, 'type=oci,dest=-', source, { tags: ['app:1', 'example.invalid/b'] });
  stdout.end();
  assert.ok((await received).equals(readFileSync(path)));
});

test('layers of the base keep their compression and times unless forced; those made here never keep an older one', async () => {
  const world = testWorld();
  const layers = [world.layer({ base: 'b' }, 'remote'), world.layer({ f: 'f' })];
  const source = { platforms: [resultOf(AMD64, layers, { baseLayers: 1 })] };
  const dest = join(world.folder, 'x.tar');
  await run(world, `type=oci,dest=${dest},compression=uncompressed,rewrite-timestamp=true,source-date-epoch=5`, source);
  assert.deepEqual(world.asked, [
    { compression: 'none', reproducible: true, force: false },
    { compression: 'none', reproducible: true, clampMtime: 5, force: true },
  ]);
  world.asked.length = 0;
  await run(world, `type=oci,dest=${dest},force-compression=true,compression-level=3`, source);
  assert.deepEqual(world.asked, [
    { compression: 'gzip', level: 3, reproducible: false, force: true },
    { compression: 'gzip', level: 3, reproducible: false, force: true },
  ]);
});

test('a Docker archive has a manifest.json with familiar names; an empty image too', async () => {
  const world = testWorld();
  const dest = join(world.folder, 'x.tar');
  await run(world, `type=docker,dest=${dest}`, { platforms: [resultOf(AMD64, [])] }, { tags: ['example.invalid/app:1', 'app'] });
  const [entry] = JSON.parse(tarFiles(dest).read('manifest.json').toString()) as { RepoTags: unknown; Layers: unknown; Config: string }[];
  assert.deepEqual(entry?.RepoTags, ['example.invalid/app:1', 'app:latest']);
  assert.deepEqual(entry?.Layers, []);
  assert.match(entry?.Config ?? '', /^blobs\/sha256\/[0-9a-f]{64}$/);
  await run(world, `type=docker,dest=${dest},oci-mediatypes=false`, { platforms: [resultOf(AMD64, [world.layer({ a: '1' })])] });
  const { read } = tarFiles(dest);
  const manifest = parseManifest(read(blobOf(parseIndex(read('index.json')).manifests[0]?.digest ?? '')));
  assert.match(JSON.stringify(manifest), /vnd\.docker\.image\.rootfs\.diff\.tar\.gzip/);
  assert.equal((JSON.parse(read('manifest.json').toString()) as { RepoTags: unknown }[])[0]?.RepoTags, null);
});

test('several platforms make an index; annotations go where they are meant to', async () => {
  const world = testWorld();
  const source = { platforms: [resultOf(AMD64, [world.layer({ a: '1' })]), resultOf(ARM, [world.layer({ a: '2' })])] };
  const dest = join(world.folder, 'x.tar');
  const annotations = ['index:a=1', 'manifest[linux/arm/v7]:b=2', 'index-descriptor:c=3', 'manifest-descriptor:d=4', 'e=5'];
  const result = await run(world, `type=oci,dest=${dest}`, source, { annotations });
  const { read } = tarFiles(dest);
  const root = parseIndex(read('index.json')).manifests[0];
  assert.equal(root?.annotations?.['c'], '3');
  assert.equal(root?.digest, result.descriptor?.digest);
  const index: Index = parseIndex(read(blobOf(root?.digest ?? '')));
  assert.deepEqual(index.annotations, { a: '1' });
  assert.deepEqual(
    index.manifests.map(({ platform, annotations: own }) => [platform, own]),
    [
      [AMD64, { d: '4' }],
      [ARM, { d: '4' }],
    ],
  );
  const manifests = index.manifests.map(({ digest }): Manifest => parseManifest(read(blobOf(digest))));
  assert.deepEqual(
    manifests.map((manifest) => manifest.annotations),
    [{ e: '5' }, { b: '2', e: '5' }],
  );
  assert.equal(result.configDigest, undefined);
  await assert.rejects(
    run(world, `type=oci,dest=${dest},annotation-manifest[linux/s390x].x=1`, source),
    (error) => isSlipwayError(error, 'OUTPUT_INVALID') && /no platform linux\/s390x/.test(error.message),
  );
});

test('attestations that are for registries only make an index there, and none in an archive', async () => {
  const world = testWorld();
  const source = { platforms: [resultOf(AMD64, [world.layer({ a: '1' })], { attestations: [PROVENANCE] })] };
  const dest = join(world.folder, 'x.tar');
  const plain = await run(world, `type=oci,dest=${dest}`, source);
  assert.equal(plain.descriptor?.mediaType, OCI.manifest);
  const attested = await run(world, `type=oci,dest=${dest},attestation-inline=true,name=r.io/app:1`, source);
  assert.equal(attested.descriptor?.mediaType, OCI.index);
  const { read } = tarFiles(dest);
  const index = parseIndex(read(blobOf(attested.descriptor?.digest ?? '')));
  const [image, statement] = index.manifests;
  assert.deepEqual(statement?.platform, { os: 'unknown', architecture: 'unknown' });
  assert.equal(statement?.annotations?.['vnd.docker.reference.digest'], image?.digest);
  const manifest = parseManifest(read(blobOf(statement?.digest ?? '')));
  assert.equal(manifest.subject?.digest, image?.digest);
  assert.equal(manifest.config.mediaType, OCI.empty);
  assert.equal(manifest.layers[0]?.mediaType, IN_TOTO);
  assert.deepEqual(JSON.parse(read(blobOf(manifest.layers[0]?.digest ?? '')).toString()), {
    _type: 'https://in-toto.io/Statement/v1',
    predicateType: PROVENANCE.predicateType,
    subject: [{ name: 'pkg:docker/r.io/app@1?platform=linux%2Famd64', digest: { sha256: image?.digest.slice(7) } }],
    predicate: { layers: 1 },
  });
});

test('images that come to one layout at once are all in it; one that another program keeps is told', async () => {
  const world = testWorld();
  const folder = join(world.folder, 'layout');
  const images = Array.from({ length: 8 }, (_, at) => `app:${at}`);
  const write = (tag: string, signal = new AbortController().signal): Promise<unknown> => {
    const here = { ...world, context: { ...world.context, job: { ...world.context.job, signal } } };
    return run(here, `type=oci,tar=false,dest=${folder}`, { platforms: [resultOf(AMD64, [])] }, { tags: [tag] });
  };
  mkdirSync(folder);
  const lock = `${folder}/index.json.lock`;
  const holder = openSync(lock, 'w');
  assert.ok(tryLock(holder, 'exclusive'));
  const all = Promise.all(images.map((tag) => write(tag)));
  const stopped = new AbortController();
  const waiting = write('app:late', stopped.signal);
  stopped.abort(new Error('stopped'));
  await assert.rejects(waiting, /stopped/);
  // As whoever holds it gives it up: those that opened this file must not take it for the lock.
  rmSync(lock);
  closeSync(holder);
  await all;
  assert.equal(parseIndex(readFileSync(`${folder}/index.json`)).manifests.length, images.length);
  assert.ok(!existsSync(lock));
});

test('a layout folder is added to: names move, other images stay', async () => {
  const world = testWorld();
  const folder = join(world.folder, 'layout');
  const image = (text: string): ExportSource => ({ platforms: [resultOf(AMD64, [world.layer({ a: text })])] });
  await run(world, `type=oci,tar=false,dest=${folder}`, image('1'), { tags: ['app:1'] });
  await run(world, `type=oci,tar=false,dest=${folder}`, image('2'), { tags: ['app:2'] });
  const last = await run(world, `type=oci,tar=false,dest=${folder}`, image('3'), { tags: ['app:1'] });
  const { manifests } = parseIndex(readFileSync(join(folder, 'index.json')));
  assert.deepEqual(
    manifests.map(({ annotations }) => annotations?.['org.opencontainers.image.ref.name']),
    ['2', '1'],
  );
  assert.equal(manifests[1]?.digest, last.descriptor?.digest);
  for (const text of ['4', '5']) await run(world, `type=oci,tar=false,dest=${folder}`, image(text));
  assert.deepEqual(
    parseIndex(readFileSync(join(folder, 'index.json'))).manifests.map(
      ({ annotations }) => annotations?.['org.opencontainers.image.ref.name'],
    ),
    ['2', '1', 'latest'],
  );
  assert.equal(readFileSync(join(folder, 'oci-layout'), 'utf8'), '{"imageLayoutVersion":"1.0.0"}');
  assert.ok(!existsSync(join(folder, 'index.json.lock')));
  // What a killed builder left half-written.
  for (const name of [`blobs/sha256/${'0'.repeat(64)}.0123456789ab.tmp`, 'index.json.0123456789ab.tmp'])
    writeFileSync(join(folder, name), 'half');
  await run(world, `type=oci,tar=false,dest=${folder}`, image('6'));
  assert.deepEqual(readdirSync(folder).sort(), ['blobs', 'index.json', 'oci-layout']);
  writeFileSync(join(folder, 'index.json'), '{"manifests');
  await assert.rejects(
    run(world, `type=oci,tar=false,dest=${folder}`, image('6')),
    (error) => isSlipwayError(error, 'EXPORT_WRITE') && error.message.startsWith(`nothing can be added to ${folder}/index.json: `),
  );
  assert.ok(readdirSync(join(folder, 'blobs/sha256')).every((name) => /^[0-9a-f]{64}$/.test(name)));
});

test('an image is stored under its names and pushed to each, its blobs once', async () => {
  await using registry = await startRealRegistry();
  const world = testWorld();
  const layers = [world.layer({ base: 'b' }, 'remote'), world.layer({ f: 'f' })];
  const source = { platforms: [resultOf(AMD64, layers, { baseLayers: 1, attestations: [PROVENANCE] })] };
  const tags = [`${registry.address}/app:1`, `${registry.address}/app:2`, `${registry.address}/other`];
  const result = await run(world, 'type=image,push=true,name-canonical=true', source, { tags });
  const stored = world.store.images.list();
  assert.equal(stored.length, 6);
  assert.ok(stored.every(({ descriptor }) => descriptor.digest === result.descriptor?.digest));
  const client = world.context.registry();
  for (const tag of [...tags, `${registry.address}/other:latest`]) {
    const { root, image } = await client.resolve(parseReference(tag), AMD64, world.context.job);
    assert.equal(root.descriptor.digest, result.descriptor?.digest);
    for (const layer of image.manifest.layers) for await (const _ of client.openBlob(parseReference(tag), layer, world.context.job));
  }
  assert.ok(world.statuses.includes(`pushing ${registry.address}/app:2`));
  const bare = await run(world, `type=registry,push-by-digest=true,name=${registry.address}/bare`, source);
  await client.manifest({ ...parseReference(`${registry.address}/bare`), digest: bare.descriptor?.digest as never }, world.context.job);
  await assert.rejects(client.manifest(parseReference(`${registry.address}/bare`), world.context.job), (error) =>
    isSlipwayError(error, 'MANIFEST_UNKNOWN'),
  );
});

test('an output that cannot be written leaves nothing behind', async () => {
  const world = testWorld();
  const source = { platforms: [resultOf(AMD64, [world.layer({ f: 'f' })])] };
  const controller = new AbortController();
  const failing = { ...world.context, layers: { blob: () => Promise.reject(new Error('broken')) } as never };
  await assert.rejects(run({ ...world, context: failing }, `type=oci,dest=${world.folder}/no.tar`, source), /broken/);
  const stopped = { ...world.context, job: { ...world.context.job, signal: controller.signal } };
  const remote = { platforms: [resultOf(AMD64, [world.layer({ f: 'x' }, 'remote')], { baseLayers: 1 })] };
  const context = {
    ...stopped,
    status: ({ name }: { readonly name: string }): void => void (name === 'sending tarball' && controller.abort(new Error('stopped'))),
  };
  await assert.rejects(run({ ...world, context }, `type=oci,dest=${world.folder}/no.tar`, remote), /stopped/);
  assert.deepEqual(readdirSync(world.folder), ['store']);
  await assert.rejects(run(world, 'type=oci,dest=/proc/nowhere/x.tar', source), (error) => isSlipwayError(error, 'EXPORT_WRITE'));
});

test('an engine is loaded through its socket, and its refusal is told', async () => {
  const folder = testFolder();
  const socket = join(folder, 'engine.sock');
  const loads: Buffer[] = [];
  let answer = '{"stream":"Loaded image: app:latest\\n"}\n';
  const server = createServer((request, response) => {
    if (request.url === '/info') return void response.end('{"DriverStatus":[["Backing Filesystem","extfs"]]}');
    void buffer(request).then((body) => {
      loads.push(body);
      response.end(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  try {
    const world = testWorld({ engines: ['unix:///nowhere.sock', `unix://${socket}`] });
    const source = { platforms: [resultOf(AMD64, [world.layer({ f: 'f' })])] };
    await run(world, 'type=docker', source, { tags: ['app'] });
    mkdirSync(join(folder, 'x'));
    execFileSync('tar', ['xf', '-', '-C', join(folder, 'x')], { input: loads[0] });
    assert.match(readFileSync(join(folder, 'x/manifest.json'), 'utf8'), /"app:latest"/);
    assert.ok(world.statuses.includes('Loaded image: app:latest'));
    answer = '{"errorDetail":{"message":"no space"},"error":"no space"}\n';
    await assert.rejects(
      run(world, 'type=docker', source),
      (error) => isSlipwayError(error, 'ENGINE_LOAD') && /no space/.test(error.message),
    );
    const index = { platforms: [...source.platforms, resultOf(ARM, [])] };
    await assert.rejects(run(world, 'type=docker', index), (error) => isSlipwayError(error) && /manifest lists/.test(error.message));
    const alone = testWorld({ engines: [] });
    await assert.rejects(run(alone, 'type=docker', { platforms: [resultOf(AMD64, [])] }), (error) =>
      isSlipwayError(error, 'ENGINE_UNREACHABLE'),
    );
  } finally {
    server.close();
  }
});

test(
  'skopeo and umoci take our images',
  { skip: ['skopeo', 'umoci'].filter((name) => !existsSync(`/usr/bin/${name}`)).join(', ') || false },
  async () => {
    const world = testWorld();
    const layers = [
      world.layer({ bin: { kind: 'dir' }, 'bin/sh': { text: 'shell', mode: 0o755 } }),
      world.layer({ link: { kind: 'symlink', link: 'bin/sh' } }),
    ];
    const source = { platforms: [resultOf(AMD64, layers)] };
    const at = (name: string): string => join(world.folder, name);
    await run(world, `type=oci,dest=${at('oci.tar')}`, source, { tags: ['app:1'] });
    await run(world, `type=docker,dest=${at('docker.tar')}`, source, { tags: ['app:1'] });
    await run(world, `type=oci,tar=false,dest=${at('layout')}`, source, { tags: ['app:1'] });
    const policy = ['--insecure-policy'];
    for (const [from, to] of [
      [`oci-archive:${at('oci.tar')}:1`, `dir:${at('a')}`],
      [`docker-archive:${at('docker.tar')}:docker.io/library/app:1`, `dir:${at('b')}`],
      [`oci:${at('layout')}:1`, `dir:${at('c')}`],
    ] as const) {
      execFileSync('skopeo', [...policy, 'copy', '-q', from, to]);
      const inspected = JSON.parse(execFileSync('skopeo', ['inspect', to], { encoding: 'utf8' })) as {
        Architecture: string;
        Layers: unknown[];
      };
      assert.deepEqual([inspected.Architecture, inspected.Layers.length], ['amd64', 2]);
    }
    execFileSync('umoci', ['unpack', ...(process.getuid?.() === 0 ? [] : ['--rootless']), '--image', `${at('layout')}:1`, at('bundle')]);
    assert.equal(readFileSync(join(at('bundle'), 'rootfs/link'), 'utf8'), 'shell');
  },
);
