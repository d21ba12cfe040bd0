// Secrets where nothing can be mounted: files of the step's user alone, gone after the step however the builder ended; in memory when the store is.

import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { FeatureSite, makeFeatureContext } from '../rig/feature-site.ts';
import { copyProduct, openPlace } from '../rig/places.ts';
import { processesWith, until } from '../rig/processes.ts';
import { command } from '../rig/rig.ts';
import { makeStepTool } from '../rig/step-tool.ts';

const VALUE = `value-of-the-secret-${process.pid}`;
const NOTICE = /note: the secret at \/run\/secrets\/token was a file on disk/;
let below = '';
let product = '';
let context = '';

before(() => {
  below = mkdtempSync('/tmp/slipway-secrets-');
  chmodSync(below, 0o755);
  product = copyProduct(join(below, 'product'));
  context = makeFeatureContext(join(below, 'context'), makeStepTool(join(below, 'tool')));
});
after(() => rmSync(below, { recursive: true, force: true }));

const steps = (script: string): string =>
  `FROM busybox\nUSER 1000:1000\nRUN --mount=type=secret,id=token,uid=1000 cat /run/secrets/token > /dev/null && ${script}\n`;
const SECRET = ['--secret', 'id=token,env=SECRET_VALUE'];
const env = { SECRET_VALUE: VALUE };

test('on disk: read by the user of the step alone, told in a notice, gone afterwards', async () => {
  await using place = openPlace('container-chroot', product, below);
  const site = new FeatureSite(place, 'disk', context);
  const { log } = await site.build(steps('[ "$(stat -c %u:%a /run/secrets/token)" = 1000:400 ]'), SECRET, env);
  assert.match(log, NOTICE);
  assert.deepEqual(filesWith(join(place.folder, 'store'), VALUE), []);
});

test('a store in memory: no notice', async () => {
  await using place = openPlace('root-overlay', product, below);
  const memory = join(place.folder, 'memory');
  mkdirSync(memory);
  assert.equal((await command('mount', ['-t', 'tmpfs', '-o', 'size=256m', 'none', memory])).code, 0);
  try {
    const site = new FeatureSite(place, 'memory-store', context);
    const { log } = await site.build(steps('true'), [...SECRET, '--rung', 'container-chroot', '--root', join(memory, 'store')], env);
    assert.doesNotMatch(log, NOTICE);
    assert.deepEqual(filesWith(memory, VALUE), []);
  } finally {
    await command('umount', [memory]);
  }
});

test('a builder killed by SIGKILL in the middle of the step leaves no secret', async () => {
  await using place = openPlace('root-overlay', product, below);
  const site = new FeatureSite(place, 'killed', context);
  const running = place.startSlipway(['build', '--rung', 'container-chroot', '-f', '-', ...SECRET, 'context'], {
    cwd: site.folder,
    input: steps(`sleep 98${process.pid}`),
    env,
  });
  await until(() => processesWith(`98${process.pid}`).length > 0);
  assert.equal(filesWith(join(place.folder, 'store'), VALUE).length, 1);
  running.kill('SIGKILL');
  await running.ended;
  await until(() => filesWith(join(place.folder, 'store'), VALUE).length === 0);
  assert.deepEqual(processesWith(`98${process.pid}`), []);
});

test('a builder that is told twice to end leaves no secret, whenever the second time is', async () => {
  await using place = openPlace('root-overlay', product, below);
  const site = new FeatureSite(place, 'twice', context);
  // The step's end and the builder's own come together in some of these.
  for (const delay of [2, 8, 15, 22, 30, 40]) {
    const mark = `97${process.pid}${delay}`;
    const running = place.startSlipway(['build', '--rung', 'container-chroot', '--no-cache', '-f', '-', ...SECRET, 'context'], {
      cwd: site.folder,
      input: steps(`sleep ${mark}`),
      env,
    });
    await until(() => processesWith(mark).length > 0);
    running.kill('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, delay));
    running.kill('SIGTERM');
    const { stderr } = await running.ended;
    await until(() => filesWith(join(place.folder, 'store'), VALUE).length === 0);
    assert.doesNotMatch(stderr, /EPIPE|node:internal/);
  }
});

/** Files below a folder that have the bytes in them. */
function filesWith(folder: string, bytes: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => bytesOf(path)?.includes(bytes) === true);
}

/** Undefined: it went meanwhile. */
function bytesOf(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOENT');
    return undefined;
  }
}
