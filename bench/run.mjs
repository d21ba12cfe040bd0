#!/usr/bin/env node
// Measures Slipway beside its peers: `npm run bench -- [--list] [--rounds N] [--only a,b] [--skip-peers] [--note TEXT] [--out FOLDER]`.
// Rounds are interleaved: every phase of a workload by every tool, then again. Results: bench/results/. See README.md.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { assembleBases } from '../scripts/bases/assemble.mjs';
import { startRegistry } from '../scripts/bases/registry.mjs';
import { ensurePrograms } from '../scripts/programs.mjs';
import { measure, median } from './measure.mjs';
import { startPeers } from './peers.mjs';
import { chart, machine, table } from './report.mjs';
import { readImage } from './registry.mjs';
import { runSingle, SINGLES } from './singles.mjs';
import { buildah, buildkit, slipway } from './tools.mjs';
import { workloads } from './workloads.mjs';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    only: { type: 'string' },
    list: { type: 'boolean', default: false },
    'skip-peers': { type: 'boolean', default: false },
    bin: { type: 'string' },
    note: { type: 'string', default: '' },
    out: { type: 'string', default: join(dirname(fileURLToPath(import.meta.url)), 'results') },
  },
});
const rounds = Number(flags.rounds);
if (flags.list) {
  for (const { name, about } of [...workloads({ data: '', out: '', registry: '', goImage: 'golang' }), ...SINGLES])
    console.log(`${name.padEnd(14)} ${about}`);
  process.exit(0);
}
const isWanted = ({ name }) => flags.only === undefined || flags.only.split(',').includes(name);
const work = process.env['BENCH_DATA'] ?? join(tmpdir(), 'slipway-bench');
const out = join(work, 'out');
mkdirSync(out, { recursive: true });
mkdirSync(flags.out, { recursive: true });

try {
  ensurePrograms({ igzip: 'isal', pigz: 'pigz', openssl: 'openssl', curl: 'curl', crun: 'crun' });
} catch (error) {
  console.error(`the floors will be slower than they could be: ${error.message}`);
}
const registry = await openRegistry();
const mine = slipway(work, { registry: registry.address, ...(flags.bin === undefined ? {} : { bin: flags.bin }) });
const programs = flags['skip-peers'] ? undefined : await openPeers();
const peers = programs === undefined ? [] : [buildkit(programs.docker), buildah(programs.buildah)].filter((tool) => tool !== undefined);
const rows = [];
const others = [];
const started = Date.now();
const load = [loadNow()];
const kept = join(flags.out, 'latest.json');
const earlier = flags.only !== undefined && existsSync(kept) ? JSON.parse(readFileSync(kept, 'utf8')) : { rows: [], load: [], note: '' };

for (const workload of workloads({ data: join(work, 'data'), out, registry: registry.address, goImage: registry.goImage })) {
  if (!isWanted(workload)) continue;
  try {
    rows.push(...(await runWorkload(workload)));
  } catch (error) {
    console.error(`${workload.name}: ${error.message}`);
  }
  load.push(loadNow());
  save();
}
await programs?.stop();
await registry.stop();
// These bring peers and bases of their own.
for (const single of SINGLES.filter(isWanted)) {
  if (single.peers === true && flags['skip-peers']) continue;
  console.error(`${single.name}: ${single.about}`);
  try {
    const before = loadNow();
    others.push({ ...runSingle(single), load: before });
    for (const line of others.at(-1).lines) console.error(`  ${line}`);
  } catch (error) {
    console.error(`${single.name}: ${error.message}`);
  }
  save();
}

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
        if (phase.cold === true) await calmDisk(workload, tool);
        const taken = await sample(tool, phase, nonce);
        if (taken !== undefined) add(samples[index], tool.name, taken);
      }
    }
    for (const [index, phase] of workload.phases.entries()) {
      const floor =
        typeof phase.floor === 'function' ? await phase.floor({ tool: mine, nonce: `${started.toString(36)}${round}` }) : phase.floor;
      if (floor !== undefined) add(samples[index], 'floor', await measure(floor));
    }
    console.error(`  round ${round + 1}: ${workload.phases.map(({ name }, index) => `${name} ${told(samples[index])}`).join('; ')}`);
  }
  for (const name of readdirSync(out)) if (name.includes('.old-')) rmSync(join(out, name), { recursive: true, force: true });
  return workload.phases.map(({ name, goal }, index) => ({
    workload: workload.name,
    phase: name,
    about: workload.about,
    against: workload.own === true ? 'floor' : 'buildkit',
    ...(goal === undefined ? {} : { goal }),
    results: Object.fromEntries([...samples[index]].map(([tool, taken]) => [tool, summary(taken)])),
  }));
}

/**
 * ext4 takes no inode that was freed in the last minutes while it remembers when that was: whoever makes files right after many were
 * removed waits ten times as long for each. A cache that was just emptied must not slow down what is built next, whose ever it was. So
 * what is removed is written out and forgotten, and what every run reads is read again. Where making files is most of the work, a minute
 * goes by as well: blocks of inodes come back with each one that is taken, and tell of their freed neighbours again.
 */
async function calmDisk({ reads = [], fetches = [], makesFiles = false }, tool) {
  spawnSync('sync');
  if (makesFiles) await setTimeout(61_000);
  try {
    writeFileSync('/proc/sys/vm/drop_caches', '1');
  } catch {
    return; // not ours to say
  }
  for (const path of reads) spawnSync('find', [path, '-type', 'f', '-exec', 'cat', '{}', '+'], { stdio: 'ignore' });
  for (const image of fetches) await readImage(image);
  spawnSync('bash', ['-c', tool.touch], { env: { ...process.env, ...tool.env }, cwd: '/tmp', stdio: 'ignore' });
}

/** Undefined: the tool has no such output, or it is a peer that failed, which is said and costs it this sample. */
async function sample(tool, phase, nonce) {
  try {
    return phase.raw === undefined ? await run(tool, phase.task({ tool, nonce })) : await timedWork(tool, phase);
  } catch (error) {
    if (tool === mine) throw error;
    console.error(`  ${tool.name}, ${phase.name}: no sample of this round: ${error.message}`);
    return undefined;
  }
}

async function run(tool, task) {
  const command = tool.command(task);
  return command === undefined ? undefined : await timed(tool, command);
}

/** A command of one tool; where the phase says what takes everything but the work (`without`, or `rest`, a shell command), only the work. */
async function timedWork(tool, { raw, without, rest }) {
  const taken = await timed(tool, tool.raw(raw()));
  if (without === undefined && rest === undefined) return taken;
  const other = await timed(tool, rest ?? tool.raw(without()));
  return { ...taken, wall: Math.max(0, taken.wall - other.wall), cpu: Math.max(0, taken.cpu - other.cpu) };
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
  const at = new Date(started).toISOString();
  const dated = others.map((one) => ({ ...one, at, machine: on }));
  const singles = [...(earlier.others ?? []).filter(({ name }) => !others.some((one) => one.name === name)), ...dated];
  // When only scripts of their own ran, what is said above the table stays that of the table.
  const about =
    rows.length === 0 && earlier.rows.length > 0
      ? { at: earlier.at, machine: earlier.machine, load: earlier.load }
      : { at, machine: on, load: [...earlier.load, ...load] };
  const result = { ...about, note: flags.note || earlier.note, rows: all, others: singles };
  writeFileSync(join(flags.out, 'latest.json'), `${JSON.stringify(result, undefined, 1)}\n`);
  writeFileSync(join(flags.out, 'latest.md'), table(result));
  writeFileSync(join(flags.out, 'latest.svg'), chart(result));
}

function loadNow() {
  return Number(spawnSync('cut', ['-d ', '-f1', '/proc/loadavg'], { encoding: 'utf8' }).stdout);
}

/** The registry of BENCH_REGISTRY, or one of our own with bases made of this machine's packages. */
async function openRegistry() {
  const given = process.env['BENCH_REGISTRY'];
  if (given !== undefined) return { address: given, goImage: process.env['BENCH_GO_IMAGE'], stop: () => {} };
  const folder = join(work, 'registry');
  rmSync(folder, { recursive: true, force: true });
  const own = await startRegistry({ folder });
  const cache = join(dirname(fileURLToPath(import.meta.url)), '../.cache/standins/bases');
  mkdirSync(cache, { recursive: true });
  await assembleBases(['busybox', 'golang'], { cache, address: own.address, log: (line) => console.error(line) });
  const stop = async () => {
    await own.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { address: own.address, goImage: 'golang', stop };
}

/** The programs of BENCH_DOCKER and BENCH_BUILDAH, or peers of our own. */
async function openPeers() {
  const [docker, other] = [process.env['BENCH_DOCKER'], process.env['BENCH_BUILDAH']];
  if (docker !== undefined || other !== undefined) return { docker, buildah: other, stop: () => {} };
  return await startPeers({ folder: process.env['BENCH_PEERS'] ?? join(work, 'peers'), shared: work, mirror: registry.address });
}
