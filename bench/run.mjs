#!/usr/bin/env node
// Measures Slipway beside its peers: `npm run bench -- [--rounds N] [--only a,b] [--skip-peers] [--note TEXT]`.
// Rounds are interleaved: every phase of a workload by every tool, then again. Results: bench/results/.
//
// BENCH_DATA      folder for files and outputs (default: the system's folder for such, 6 GB); must be seen by the peers
// BENCH_REGISTRY  host:port of a registry on loopback that also has library/busybox (default: docker-registry is started, if there is one,
//                 and then busybox comes from Docker Hub)
// BENCH_DOCKER, BENCH_BUILDAH  the peers' programs, or wrappers around them; BENCH_GO_IMAGE: an image with Go, for `go`

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { measure, median } from './measure.mjs';
import { chart, machine, table } from './report.mjs';
import { buildah, buildkit, slipway } from './tools.mjs';
import { workloads } from './workloads.mjs';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    only: { type: 'string' },
    'skip-peers': { type: 'boolean', default: false },
    bin: { type: 'string' },
    note: { type: 'string', default: '' },
    out: { type: 'string', default: join(dirname(fileURLToPath(import.meta.url)), 'results') },
  },
});
const rounds = Number(flags.rounds);
const work = process.env['BENCH_DATA'] ?? join(tmpdir(), 'slipway-bench');
const out = join(work, 'out');
mkdirSync(out, { recursive: true });
mkdirSync(flags.out, { recursive: true });

const registry = await openRegistry();
const mine = slipway(work, { registry: registry?.mirror, ...(flags.bin === undefined ? {} : { bin: flags.bin }) });
const peers = flags['skip-peers'] ? [] : [buildkit(), buildah()].filter((tool) => tool !== undefined);
const rows = [];
const started = Date.now();
const load = [loadNow()];
const kept = join(flags.out, 'latest.json');
const earlier = flags.only !== undefined && existsSync(kept) ? JSON.parse(readFileSync(kept, 'utf8')) : { rows: [], load: [], note: '' };

for (const workload of workloads({ data: join(work, 'data'), out, registry: registry?.address ?? 'localhost:5000' })) {
  if (flags.only !== undefined && !flags.only.split(',').includes(workload.name)) continue;
  if (workload.registry === true && registry === undefined) {
    console.error(`${workload.name}: no registry`);
    continue;
  }
  try {
    rows.push(...(await runWorkload(workload)));
  } catch (error) {
    console.error(`${workload.name}: ${error.message}`);
  }
  load.push(loadNow());
  save();
}
registry?.stop();

/** All rounds of one workload; a row for each phase. */
async function runWorkload(workload) {
  console.error(`${workload.name}: ${workload.about}`);
  workload.prepare();
  const tools = [mine, ...peers.filter(({ name }) => name === 'buildkit' || workload.peers?.includes(name))].filter(
    (tool) => tool === mine || workload.own !== true,
  );
  if (workload.once !== undefined) await run(mine, workload.once());
  for (const tool of tools) {
    for (let warming = 0; workload.warm !== undefined && warming < (workload.warmings ?? 1); warming++)
      await run(tool, workload.warm(tool.name, warming));
  }
  const samples = workload.phases.map(() => new Map());
  for (let round = 0; round < rounds; round++) {
    // Who goes first changes, so that what one leaves behind (caches of the system) favours nobody.
    const order = round % 2 === 0 ? tools : [...tools].reverse();
    for (const tool of order) {
      // One round is enough for what is twenty times as slow.
      if (tool.name === 'buildah' && round > 0) continue;
      const nonce = `${started.toString(36)}${round}`;
      for (const [index, phase] of workload.phases.entries()) {
        phase.before?.({ tool, nonce });
        const taken = phase.raw === undefined ? await run(tool, phase.task({ tool, nonce })) : await timedWork(tool, phase);
        if (taken !== undefined) add(samples[index], tool.name, taken);
      }
    }
    for (const [index, phase] of workload.phases.entries()) {
      if (phase.floor !== undefined) add(samples[index], 'floor', await measure(phase.floor));
    }
    console.error(`  round ${round + 1}: ${workload.phases.map(({ name }, index) => `${name} ${told(samples[index])}`).join('; ')}`);
  }
  return workload.phases.map(({ name, goal }, index) => ({
    workload: workload.name,
    phase: name,
    about: workload.about,
    against: workload.own === true ? 'floor' : 'buildkit',
    ...(goal === undefined ? {} : { goal }),
    results: Object.fromEntries([...samples[index]].map(([tool, taken]) => [tool, summary(taken)])),
  }));
}

async function run(tool, task) {
  const command = tool.command(task);
  return command === undefined ? undefined : await timed(tool, command);
}

/** A command of one tool; where the phase says what takes everything but the work (`without`), only the work. */
async function timedWork(tool, { raw, without }) {
  const taken = await timed(tool, tool.raw(raw()));
  if (without === undefined) return taken;
  const rest = await timed(tool, tool.raw(without()));
  return { ...taken, wall: Math.max(0, taken.wall - rest.wall), cpu: Math.max(0, taken.cpu - rest.cpu) };
}

function timed(tool, command) {
  return measure(command, { env: tool.env, daemons: tool.daemons(), memory: tool.memory });
}

function add(samples, name, taken) {
  samples.set(name, [...(samples.get(name) ?? []), taken]);
}

function told(samples) {
  return [...samples].map(([name, taken]) => `${name} ${taken.at(-1).wall.toFixed(2)}`).join(', ');
}

function summary(taken) {
  const memory = taken.flatMap((one) => one.memory ?? []);
  return {
    wall: median(taken.map(({ wall }) => wall)),
    cpu: median(taken.map(({ cpu }) => cpu)),
    walls: taken.map(({ wall }) => wall),
    cpus: taken.map(({ cpu }) => Number(cpu.toFixed(3))),
    ...(memory.length === 0 ? {} : { memory: Math.max(...memory) }),
  };
}

function save() {
  const on = machine(peers);
  const own = rows.map((row) => ({ ...row, at: new Date(started).toISOString(), commit: on.commit }));
  // What was not measured this time stays, with its own date.
  const measured = new Set(rows.map(({ phase }) => phase));
  const all = [...earlier.rows.filter(({ phase }) => !measured.has(phase)), ...own];
  const loads = [...earlier.load, ...load];
  const result = { at: new Date(started).toISOString(), machine: on, load: loads, note: flags.note || earlier.note, rows: all };
  writeFileSync(join(flags.out, 'latest.json'), `${JSON.stringify(result, undefined, 1)}\n`);
  writeFileSync(join(flags.out, 'latest.md'), table(result));
  writeFileSync(join(flags.out, 'latest.svg'), chart(result));
}

function loadNow() {
  return Number(spawnSync('cut', ['-d ', '-f1', '/proc/loadavg'], { encoding: 'utf8' }).stdout);
}

/** The registry of BENCH_REGISTRY, or one that is started here; undefined: there is none. */
async function openRegistry() {
  const given = process.env['BENCH_REGISTRY'];
  if (given !== undefined) return { address: given, mirror: given, stop: () => {} };
  if (spawnSync('docker-registry', ['--version']).status !== 0) return undefined;
  const port = await freePort();
  const root = join(work, 'registry');
  writeFileSync(
    join(work, 'registry.yml'),
    `version: 0.1\nstorage: {filesystem: {rootdirectory: ${root}}}\nhttp: {addr: "127.0.0.1:${port}"}\n`,
  );
  const child = spawn('docker-registry', ['serve', join(work, 'registry.yml')], { stdio: 'ignore' });
  for (let attempt = 0; attempt < 100 && spawnSync('curl', ['-fs', `http://127.0.0.1:${port}/v2/`]).status !== 0; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return {
    address: `127.0.0.1:${port}`,
    stop: () => {
      child.kill();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
