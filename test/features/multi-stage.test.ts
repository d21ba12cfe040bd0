// Stages: only what the target needs is built; gates guard the image; the examples build and run.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { command, Rig } from '../rig/rig.ts';

const EXAMPLES = join(import.meta.dirname, '../../examples');

test('a stage the target does not need is neither run nor is its base asked for', async () => {
  await using rig = Rig.create();
  const context = rig.context({
    Dockerfile: `FROM never-asked-for:1 AS broken
RUN exit 1
FROM busybox AS wanted
RUN echo made > /made
FROM broken AS after
`,
  });
  const built = await rig.slipway(['build', '--target', 'wanted', '-t', 'x', context]);
  assert.equal(built.code, 0, built.stderr);
  assert.doesNotMatch(await rig.registryLog(), /never-asked-for/);
});

test('--all-stages builds every stage up to the target, so a broken one fails the build', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM busybox AS broken\nRUN exit 7\nFROM busybox\nRUN true\n' });
  assert.equal((await rig.slipway(['build', '-t', 'x', context])).code, 0);
  const all = await rig.slipway(['build', '--all-stages', '-t', 'x', context]);
  assert.equal(all.code, 1);
  assert.match(all.stderr, /Dockerfile:2/);
  assert.match(all.stderr, /exit code: 7/);
});

test('--gate: a failing gate keeps everything from being exported; a passing one changes nothing', async () => {
  await using rig = Rig.create();
  const dockerfile = (status: number): string => `FROM busybox AS build
RUN echo program > /program
FROM build AS test
RUN exit ${status}
FROM scratch
COPY --from=build /program /program
`;
  const env = { SOURCE_DATE_EPOCH: '0' };
  const passing = rig.context({ Dockerfile: dockerfile(0) }, 'passing');
  const failing = rig.context({ Dockerfile: dockerfile(1) }, 'failing');
  const failed = await rig.slipway(
    ['build', '--gate', 'test', '-t', 'gated', '-o', `type=oci,dest=${rig.path('gated.tar')}`, '--iidfile', rig.path('id'), failing],
    { env },
  );
  assert.equal(failed.code, 1);
  assert.throws(() => readFileSync(rig.path('gated.tar')), { code: 'ENOENT' });
  assert.throws(() => readFileSync(rig.path('id')), { code: 'ENOENT' });
  assert.doesNotMatch((await rig.slipway(['images'])).stdout, /gated/);
  for (const [name, flags] of [
    ['with', ['--gate', 'te*']],
    ['without', []],
  ] as const) {
    const built = await rig.slipway(['build', ...flags, '-t', name, '--iidfile', rig.path(name), passing], { env });
    assert.equal(built.code, 0, built.stderr);
  }
  assert.equal(readFileSync(rig.path('with'), 'utf8'), readFileSync(rig.path('without'), 'utf8'));
});

test('example hello-go: built on golang, shipped on scratch, runs', async () => {
  await using rig = Rig.create();
  const built = await rig.slipway(['build', '-t', 'hello', join(EXAMPLES, 'hello-go')]);
  assert.equal(built.code, 0, built.stderr);
  const ran = await rig.slipway(['run', 'hello']);
  assert.equal(ran.stdout, 'hello, world\n', ran.stderr);
});

test('example cpp-nginx: two programs of a common builder stage in a server image, and a file of a third image', async () => {
  await using rig = Rig.create();
  const built = await rig.slipway(['build', '-o', rig.path('out'), join(EXAMPLES, 'cpp-nginx')]);
  assert.equal(built.code, 0, built.stderr);
  for (const number of [1, 2]) {
    const ran = await command(rig.path(`out/usr/share/nginx/html/program${number}`), []);
    assert.equal(ran.stdout, `program ${number}\n`);
  }
  assert.match(readFileSync(rig.path('out/usr/share/nginx/html/passwd-of-busybox'), 'utf8'), /^root:/);
});

test('example two-services: both together, and each alone by --target', async () => {
  await using rig = Rig.create();
  const folder = join(EXAMPLES, 'two-services');
  for (const [target, expected] of [
    ['api', 'api is ready\n'],
    ['worker', 'worker is ready\n'],
    ['both', 'api is ready\nworker is ready\n'],
  ] as const) {
    const built = await rig.slipway(['build', '--gate', 'test', '--target', target, '-t', target, folder]);
    assert.equal(built.code, 0, built.stderr);
    assert.equal((await rig.slipway(['run', target])).stdout, expected);
  }
});

test('example per-architecture: TARGETARCH chooses the stage', async () => {
  await using rig = Rig.create();
  const built = await rig.slipway(['build', '--platform', 'linux/amd64', '-t', 'tuned', join(EXAMPLES, 'per-architecture')]);
  assert.equal(built.code, 0, built.stderr);
  assert.equal((await rig.slipway(['run', 'tuned'])).stdout, 'tuned for amd64\n');
});

test('a plain COPY to /bin/app where /bin is a symlink lands in /usr/bin, and the symlink stays', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM debian\nCOPY app /bin/app\n', app: { text: '#!/bin/sh\necho ran\n', mode: 0o755 } });
  assert.equal((await rig.slipway(['build', '-t', 'linked', '-o', rig.path('out'), context])).code, 0);
  const looked = await command('readlink', [rig.path('out/bin')]);
  assert.equal(looked.stdout.trim(), 'usr/bin');
  assert.match(readFileSync(rig.path('out/usr/bin/app'), 'utf8'), /echo ran/);
});

test('a forward reference is refused, naming both lines', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM busybox AS a\nCOPY --from=b /x /x\nFROM busybox AS b\n' });
  const forward = await rig.slipway(['build', '--target', 'a', context]);
  assert.equal(forward.code, 1);
  assert.match(forward.stderr, /Dockerfile:2/);
  assert.match(forward.stderr, /Dockerfile:3/);
});
