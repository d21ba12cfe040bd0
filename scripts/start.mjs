#!/usr/bin/env node
// `npm start`: from a bare checkout to a built and started multi-stage image. Installs what is missing, builds the product, builds
// examples/hello-go, runs the image and says what shipping only the last stage saved.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensurePrograms } from './programs.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
process.chdir(root);
const say = (text) => console.log(`\n== ${text}`);

if (process.platform !== 'linux') {
  console.error('building images needs Linux; here `slipway check` and the library’s parser work');
  process.exit(1);
}
if (!existsSync('node_modules/esbuild')) {
  say('installing npm packages');
  execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { stdio: 'inherit' });
}
say('installing what is missing');
ensurePrograms({ crun: 'crun' });
say('building slipway');
execFileSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' });

const { publicRegistryAnswers, serveBases } = await import('./bases/index.mjs');
const flags = [];
let bases;
if (await publicRegistryAnswers()) say('bases come from the public registry');
else if (process.getuid() !== 0) {
  console.error('\nno public registry answers, and stand-ins of its bases can be assembled by root alone: run `npm start` as root');
  process.exit(1);
} else {
  say('no public registry answers: serving stand-ins of the bases on loopback');
  bases = await serveBases({ names: ['golang', 'busybox'], folder: join(root, '.cache/standins'), log: (line) => console.log(line) });
  for (const line of bases.about) console.log(`  ${line}`);
  flags.push('--config', bases.configFile);
}

const scratch = mkdtempSync('/tmp/slipway-start-');
try {
  const store = join(scratch, 'store');
  const slipway = (...args) => {
    console.log(`$ slipway ${args.join(' ')}`);
    const { status } = spawnSync(process.execPath, ['bin/slipway.js', ...args, '--root', store, ...flags], { stdio: 'inherit' });
    if (status !== 0) throw new Error(`slipway ${args[0]} ended with ${status}`);
  };
  const metadata = join(scratch, 'metadata.json');
  say('building examples/hello-go');
  slipway('build', '-t', 'hello', '--metadata-file', metadata, 'examples/hello-go');
  say('running the image');
  execFileSync(process.execPath, ['bin/slipway.js', 'run', '--root', store, ...flags, 'hello'], { stdio: 'inherit' });
  say('what the stages took and gave');
  summarize(JSON.parse(readFileSync(metadata, 'utf8')));
  say('once more: nothing changed, nothing runs');
  slipway('build', '-t', 'hello', 'examples/hello-go');
} finally {
  rmSync(scratch, { recursive: true, force: true });
  await bases?.stop();
}

function summarize(facts) {
  const stages = facts['slipway.stages'] ?? [];
  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
  for (const stage of stages) {
    console.log(
      `  ${stage.name.padEnd(12)} ${(stage.milliseconds / 1000).toFixed(1).padStart(6)} s  ${megabytes(stage.totalBytes ?? stage.bytes).padStart(10)}  FROM ${stage.base}`,
    );
  }
  const shipped = stages.at(-1);
  const largest = stages.reduce((most, stage) => Math.max(most, stage.totalBytes ?? stage.bytes), 0);
  const size = shipped.totalBytes ?? shipped.bytes;
  console.log(
    `  the runtime image has ${megabytes(size)}; shipping the build stage would have been ${megabytes(largest)}: ${megabytes(largest - size)} saved`,
  );
}
