// The product as npm packs it, installed with install scripts disabled: it must not need one.

import assert from 'node:assert/strict';
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { command, Rig } from '../rig/rig.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

test('packed and installed without install scripts, it builds an image that runs', { timeout: 300_000 }, async () => {
  await using rig = Rig.create();
  const home = rig.context({ 'package.json': '{"name":"user","private":true}' }, 'home');
  const npm = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await command('npm', [...args, '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: home });
    assert.equal(code, 0, stdout + stderr);
    return stdout;
  };
  await npm('pack', ROOT, '--pack-destination', home);
  const tarball = readdirSync(home).find((name) => name.endsWith('.tgz')) ?? '';
  await npm('install', '--prefer-offline', join(home, tarball));
  const installed = join(home, 'node_modules/.bin/slipway');
  const env = {
    ...process.env,
    SLIPWAY_ROOT: rig.store,
    SLIPWAY_CONFIG: process.env['SLIPWAY_TEST_CONFIG'],
  };
  const slipway = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await command(installed, args, { env, cwd: home });
    assert.equal(code, 0, stdout + stderr);
    return stdout;
  };
  // Mounts, namespaces and attributes by koffi's own binary; zstd; a key of cosign's, by the packages that only then are loaded.
  const context = rig.context({ Dockerfile: 'FROM busybox\nRUN echo installed > /said\nCMD ["cat", "/said"]\n' });
  const archive = rig.path('image.tar');
  await slipway(
    'build',
    '--progress=plain',
    '-t',
    'installed',
    '-o',
    `type=oci,dest=${archive},compression=zstd,force-compression=true`,
    context,
  );
  // Another engine than the package was made with has no compiled form of the command: a build leaves one, the next start takes it.
  const dist = join(home, 'node_modules/slipway/dist');
  const forms = (): readonly string[] => readdirSync(dist).filter((name) => name.endsWith('.v8'));
  for (const name of forms()) rmSync(join(dist, name));
  await slipway('version');
  assert.deepEqual(forms(), []);
  await slipway('build', '-q', context);
  const [form = '', ...more] = forms();
  assert.deepEqual(more, []);
  const made = statSync(join(dist, form));
  await slipway('build', '-q', context);
  assert.equal(statSync(join(dist, form)).ino, made.ino, 'it was taken');
  writeFileSync(join(dist, form), 'of no engine');
  await slipway('build', '-q', context);
  assert.ok(statSync(join(dist, form)).size > 100_000, 'made anew');
  // The README's program, on a store of its own.
  const program = `import { build } from 'slipway';
const { digest, stages } = await build({
  context: { kind: 'folder', path: ${JSON.stringify(context)} },
  tags: ['hello'],
  root: ${JSON.stringify(rig.path('library-store'))},
  settings: { registries: { 'docker.io': { mirrors: [${JSON.stringify(rig.registry)}] }, ${JSON.stringify(rig.registry)}: { http: true } } },
});
console.log(digest, stages.length);
`;
  rig.context({ 'program.mjs': program }, 'home');
  const ran = await command(process.execPath, [join(home, 'program.mjs')], { cwd: home });
  assert.match(ran.stdout, /^sha256:[0-9a-f]{64} 1$/m, ran.stderr);
  const key = join(ROOT, 'src/trust/testdata/cosign.key');
  const signed = await command(installed, ['sign', '--key', key, '127.0.0.1:9/x'], { env: { ...env, COSIGN_PASSWORD: 'pw' }, cwd: home });
  assert.match(signed.stderr, /127\.0\.0\.1:9.*cannot be reached/);
});
