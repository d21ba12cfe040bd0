#!/usr/bin/env node
// `npm test`: installs what is missing and runs every test that fits into twenty minutes. A skipped test is a failure: what a test
// needs is installed here. `node scripts/test.mjs features/build` runs only the test files whose path has that word.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filesBelow } from './files.mjs';
import { ensureNpm, ensurePrograms, ensurePython } from './programs.mjs';
import { ensureSarifSchema } from './schemas.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
process.chdir(root);
process.umask(0o022); // tests make files that other users read, and compare modes
const words = process.argv.slice(2);
const say = (text) => console.log(`\n== ${text}`);

if (!existsSync('node_modules/esbuild')) {
  say('installing npm packages');
  execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { stdio: 'inherit' });
}
say('installing what the tests need');
ensurePrograms({
  crun: 'crun',
  runc: 'runc',
  slirp4netns: 'slirp4netns',
  newuidmap: 'uidmap',
  'docker-registry': 'docker-registry',
  htpasswd: 'apache2-utils',
  mmdebstrap: 'mmdebstrap',
  '/usr/bin/busybox': 'busybox-static',
  skopeo: 'skopeo',
  umoci: 'umoci',
  podman: 'podman',
  git: 'git',
  openssl: 'openssl',
  'ssh-agent': 'openssh-client',
  igzip: 'isal', // and with it libisal, which layers are inflated with
  xz: 'xz-utils',
  zstd: 'zstd',
  bzip2: 'bzip2',
  setfattr: 'attr',
  setcap: 'libcap2-bin',
  gcc: 'gcc',
  'qemu-aarch64-static': 'qemu-user-static',
  unshare: 'util-linux',
  chromium: 'chromium',
  rpmbuild: 'rpm',
  db_load: 'db-util',
});
ensurePython('.cache/moto', 'moto_server', ['moto[server]==5.0.28']);
ensureNpm('.cache/azurite', 'azurite-blob', 'azurite@3.33.0');
ensurePython('.cache/attestation-check', 'pyspdxtools', ['spdx-tools==0.8.5', 'in-toto-attestation==0.9.3', 'protobuf==7.36.2']);
const sarifSchema = ensureSarifSchema(join(root, '.cache/schemas'));
say('building slipway');
execFileSync(process.execPath, ['scripts/build.mjs', '--types'], { stdio: 'inherit' });
if (words.length === 0) {
  say('format, lint, types');
  for (const script of ['format:check', 'lint', 'types']) execFileSync('npm', ['run', '--silent', script], { stdio: 'inherit' });
}

say("fetching Docker's clients");
const { ensureDockerClients } = await import('./docker-clients.mjs');
const clients = ensureDockerClients(join(root, '.cache/docker-clients'));
const { serveBases } = await import('./bases/index.mjs');
say('serving the bases');
const scratch = mkdtempSync('/tmp/slipway-test-');
const bases = await serveBases({
  names: ['busybox', 'debian', 'golang', 'nginx', 'alpine', 'musl'],
  folder: join(root, '.cache/standins'),
  log: (line) => console.log(line),
});
let failed;
try {
  const files = [
    ...filesBelow('src', (name) => name.endsWith('.test.ts')),
    ...filesBelow('test', (name) => name.endsWith('.test.ts')),
  ].filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
  const tap = join(scratch, 'result.tap');
  const env = {
    ...process.env,
    SLIPWAY_TEST_CONFIG: bases.configFile,
    SLIPWAY_TEST_REGISTRY: bases.address,
    SLIPWAY_TEST_REGISTRY_LOG: bases.logFile,
    SLIPWAY_TEST_DOCKER: clients.docker,
    SLIPWAY_TEST_DOCKER_PLUGINS: clients.plugins,
    SLIPWAY_TEST_SARIF_SCHEMA: sarifSchema,
  };
  const reporters = [
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    '--test-reporter=tap',
    `--test-reporter-destination=${tap}`,
  ];
  say(`running ${files.length} test files`);
  const { status } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--test', '--test-concurrency=2', ...reporters, ...files.map((file) => relative(root, join(root, file)))],
    { stdio: 'inherit', env },
  );
  const result = readFileSync(tap, 'utf8');
  const count = (name) => Number(new RegExp(`^# ${name} (\\d+)`, 'm').exec(result)?.[1] ?? 0);
  const skipped = count('skipped') + count('todo');
  for (const [line] of result.matchAll(/^.*# (?:SKIP|TODO).*$/gm)) console.log(`skipped: ${line.trim()}`);
  failed = status !== 0 || skipped > 0 || count('pass') === 0;
  console.log(`\n${count('pass')} passed, ${count('fail') + count('cancelled')} failed, ${skipped} skipped`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
  await bases.stop();
}
process.exit(failed ? 1 : 0);
