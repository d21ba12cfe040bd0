// Caches that machines share: an S3 server that is not ours, package caches that travel, and two machines that did the same work.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Files, Rig } from '../rig/rig.ts';

const MOTO = join(dirname(fileURLToPath(import.meta.url)), '../../.cache/moto/bin/moto_server');

/** What ran, and the image's digest. */
async function build(
  rig: Rig,
  context: string,
  flags: readonly string[],
): Promise<{ readonly ran: readonly string[]; readonly digest: string }> {
  const metadata = rig.path('metadata.json');
  const output = ['-o', `type=oci,dest=${rig.path('image.tar')}`];
  const outcome = await rig.slipway(['build', '--metadata-file', metadata, ...output, ...flags, context]);
  assert.equal(outcome.code, 0, outcome.stderr);
  assert.doesNotMatch(outcome.stderr, /cache.* failed/);
  const facts = JSON.parse(readFileSync(metadata, 'utf8')) as {
    readonly 'slipway.steps': readonly { readonly instruction: string; readonly state: string }[];
    readonly 'containerimage.digest': string;
  };
  const ran = facts['slipway.steps'].filter(({ state }) => state === 'executed').map(({ instruction }) => instruction);
  return { ran, digest: facts['containerimage.digest'] };
}

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

test('type=azblob is refused in words', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM scratch\n' });
  const outcome = await rig.slipway(['build', '--cache-to', 'type=azblob,account_url=https://x.invalid,name=y', context]);
  assert.equal(outcome.code, 1);
  assert.match(outcome.stderr, /azblob/);
  assert.match(outcome.stderr, /type=registry/);
});

/** Moto's server: an S3 that checks what it gets as Amazon's does. `npm test` installs it. */
async function startMoto(): Promise<AsyncDisposable & { readonly address: string }> {
  assert.ok(existsSync(MOTO), 'run this test by `npm test`, which installs moto');
  const port = await freePort();
  const child = spawn(MOTO, ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const address = `http://127.0.0.1:${port}`;
  while (child.exitCode === null && !(await answers(address))) await delay(100);
  assert.equal(child.exitCode, null, 'moto ended at once');
  return {
    address,
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await ended;
    },
  };
}

async function answers(address: string): Promise<boolean> {
  try {
    return (await fetch(address)).status < 500;
  } catch {
    return false;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
