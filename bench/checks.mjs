#!/usr/bin/env node
// What the checks of a result cost: `node bench/checks.mjs [ROUNDS]`. Each build runs on an empty store, then again on the same one; the
// time of the checks is the build's own (`slipway.checks` of --metadata-file). Goals: under 10 % of a cold build, nothing of a cached one.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serveBases } from '../scripts/bases/index.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const rounds = Number(process.argv[2] ?? 3);
const folder = mkdtempSync(join(tmpdir(), 'slipway-checks-'));
const BUILDS = {
  // A small service, and what checks like least: a whole distribution's programs and libraries as files of the build's own.
  'a program':
    'FROM debian AS made\nRUN head -c 5000000 /dev/urandom > /data && cp /usr/bin/perl /tool\nFROM debian\nCOPY --from=made /tool /data /app/\nCMD ["/app/tool"]\n',
  'all of /usr': 'FROM debian AS made\nRUN cp -a /usr /copy\nFROM debian\nCOPY --from=made /copy /opt/usr\nCMD ["/opt/usr/bin/perl"]\n',
};
const bases = await serveBases({ names: ['debian'], folder: join(root, '.cache/standins'), log: console.error });
let failed = false;
try {
  for (const [name, dockerfile] of Object.entries(BUILDS)) {
    const shares = [];
    for (let round = 0; round < rounds; round++) {
      const store = join(folder, 'store');
      rmSync(store, { recursive: true, force: true });
      const cold = build(name, dockerfile, store);
      const cached = build(name, dockerfile, store);
      shares.push({ cold: cold.checks / cold.wall, cached: cached.checks, wall: cold.wall });
    }
    const middle = shares.sort((a, b) => a.cold - b.cold)[shares.length >> 1];
    console.log(
      `${name}: checks ${(middle.cold * 100).toFixed(1)} % of a cold build of ${(middle.wall / 1000).toFixed(1)} s; ${Math.max(...shares.map(({ cached }) => cached))} ms of a cached one`,
    );
    failed ||= middle.cold >= 0.1 || shares.some(({ cached }) => cached > 0);
  }
} finally {
  await bases.stop();
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;

/** Milliseconds of a build, and of its checks. */
function build(name, dockerfile, store) {
  const context = join(folder, 'context');
  mkdirSync(context, { recursive: true });
  writeFileSync(join(context, 'Dockerfile'), dockerfile);
  const facts = join(folder, 'facts.json');
  const start = performance.now();
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(root, 'bin/slipway.js'), 'build', '--root', store, '-t', 'x', '--metadata-file', facts, context],
    {
      env: { ...process.env, SLIPWAY_CONFIG: bases.configFile },
      encoding: 'utf8',
    },
  );
  if (status !== 0) throw new Error(`${name}: ${stderr}`);
  return { wall: performance.now() - start, checks: JSON.parse(readFileSync(facts, 'utf8'))['slipway.checks'].milliseconds };
}
