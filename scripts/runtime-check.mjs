#!/usr/bin/env node
// `npm run runtime-check`: every program of test/runtime-check on every base, what is said of it against what it does, and the results
// into docs/runtime-check.md. `node scripts/runtime-check.mjs WORD…` runs only a part. Build stages stay in .cache/runtime-check.

import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serveBases } from './bases/index.mjs';
import { ensurePrograms } from './programs.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
ensurePrograms({ crun: 'crun' });
const bases = await serveBases({
  names: ['busybox', 'debian', 'golang', 'musl', 'debian-bullseye', 'debian-trixie'],
  folder: join(root, '.cache/standins'),
  log: console.log,
});
try {
  const child = spawn(process.execPath, ['--import', 'tsx', 'test/runtime-check/run.ts', ...process.argv.slice(2)], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, SLIPWAY_TEST_CONFIG: bases.configFile },
  });
  process.exitCode = await new Promise((resolve, reject) => child.once('error', reject).once('close', (code) => resolve(code ?? 1)));
} finally {
  await bases.stop();
}
