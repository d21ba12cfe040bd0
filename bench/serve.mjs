#!/usr/bin/env node
// What a build costs through the server: `node bench/serve.mjs [ROUNDS]`. The no-op build (40 cached instructions in 8 stages) by Docker's
// buildx with `slipway serve` as its remote builder, and by buildx with BuildKit as Docker's engine runs it, turn by turn. Goal: at most
// 1.3 times BuildKit's wall time. BENCH_DOCKER: a `docker` whose engine is taken instead of a peer of our own.

import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serveBases } from '../scripts/bases/index.mjs';
import { ensureDockerClients } from '../scripts/docker-clients.mjs';
import { measure, median } from './measure.mjs';
import { startPeers } from './peers.mjs';
import { noopFile } from './workloads.mjs';

const GOAL = 1.3;
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const rounds = Number(process.argv[2] ?? 7);
const folder = mkdtempSync(join(tmpdir(), 'slipway-serve-'));
const context = join(folder, 'context');
mkdirSync(context);
writeFileSync(join(context, 'a'), 'a');
writeFileSync(join(context, 'Dockerfile'), noopFile());

const bases = await serveBases({ names: ['busybox'], folder: join(root, '.cache/standins'), log: console.error });
const given = process.env['BENCH_DOCKER'];
const peers =
  given === undefined
    ? await startPeers({ folder: join(tmpdir(), 'slipway-bench/peers'), shared: folder, mirror: bases.address })
    : { docker: given, stop: () => Promise.resolve() };
const server = await startServer();
try {
  const options = `--progress=quiet -o type=cacheonly ${context}`;
  const tools = {
    slipway: { script: `${server.docker} buildx --builder slipway build ${options}`, daemons: [server.pid] },
    ...(peers && { buildkit: { script: `${peers.docker} buildx build --network=host ${options}`, daemons: [] } }),
  };
  const walls = Object.fromEntries(Object.keys(tools).map((name) => [name, []]));
  for (const { script } of Object.values(tools)) await measure(script, { env: server.env });
  for (let round = 0; round < rounds; round++) {
    const order = Object.entries(tools);
    for (const [name, { script, daemons }] of round % 2 === 0 ? order : order.reverse())
      walls[name].push((await measure(script, { env: server.env, daemons })).wall);
  }
  for (const [name, taken] of Object.entries(walls)) console.log(`${name}: ${median(taken).toFixed(2)} s of ${rounds} rounds`);
  if (peers !== undefined) {
    const ratio = median(walls['slipway'].map((wall, round) => wall / walls['buildkit'][round]));
    console.log(`ratio: ${ratio.toFixed(2)} (goal: at most ${GOAL})`);
    process.exitCode = ratio > GOAL ? 1 : 0;
  }
} finally {
  server.stop();
  await peers?.stop();
  await bases.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** `slipway serve`, and a buildx that knows it as the builder `slipway`. */
async function startServer() {
  const clients = ensureDockerClients(join(root, '.cache/docker-clients'));
  const config = join(folder, 'docker');
  mkdirSync(config);
  symlinkSync(clients.plugins, join(config, 'cli-plugins'));
  const socket = join(folder, 'slipway.sock');
  const file = join(folder, 'buildkitd.toml');
  writeFileSync(file, readFileSync(bases.configFile));
  const words = ['serve', '--addr', `unix://${socket}`, '--root', join(folder, 'store'), '--config', file];
  const child = spawn(process.execPath, [join(root, 'bin/slipway.js'), ...words], { stdio: ['ignore', 'ignore', 'pipe'] });
  await new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error('the server ended')));
    child.stderr.on('data', (said) => String(said).includes('serving on') && resolve());
  });
  const env = { DOCKER_CONFIG: config, BUILDX_CONFIG: join(folder, 'buildx') };
  execFileSync(clients.docker, ['buildx', 'create', '--name', 'slipway', '--driver', 'remote', `unix://${socket}`], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return { docker: clients.docker, env, pid: child.pid, stop: () => child.kill() };
}
