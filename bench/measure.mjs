// Runs a command and says what it took: wall seconds, processor seconds (a daemon's share too), peak memory of its Node processes.

import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const TICKS = 100; // per second, in /proc

/** Processor seconds that a process and all below it took so far, with what they waited for. */
export function treeSeconds(root) {
  const children = new Map();
  const seconds = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const fields = statOf(name);
    if (fields === undefined) continue;
    const parent = Number(fields[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    seconds.set(Number(name), (Number(fields[11]) + Number(fields[12]) + Number(fields[13]) + Number(fields[14])) / TICKS);
  }
  let sum = 0;
  for (const queue = [root]; queue.length > 0;) {
    const pid = queue.pop();
    sum += seconds.get(pid) ?? 0;
    queue.push(...(children.get(pid) ?? []));
  }
  return sum;
}

/** Ids of the processes of a name. */
export function processesNamed(name) {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid) && readMaybe(`/proc/${pid}/comm`)?.trim() === name)
    .map(Number);
}

/** Every Node that starts with it reads this machine's certificates first, which takes longer than all else that it does (35 ms of 60). */
const OF_THIS_MACHINE = ['NODE_EXTRA_CA_CERTS', 'NODE_OPTIONS'];

/** Runs `script` in bash. `daemons`: processes whose work counts too. Throws when it fails, with what it wrote. */
export async function measure(script, { env = {}, cwd = '/tmp', daemons = [], memory = false } = {}) {
  const before = daemons.reduce((sum, pid) => sum + treeSeconds(pid), 0);
  const child = spawn('bash', ['-c', `TIMEFORMAT='#took %R %U %S'; time { ${script}\n}`], {
    env: { ...usualEnvironment(), ...env },
    cwd,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let told = '';
  child.stderr.setEncoding('utf8').on('data', (data) => (told = (told + data).slice(-8000)));
  let peak = 0;
  const sampler = memory ? setInterval(() => (peak = Math.max(peak, nodeMemory(child.pid))), 100) : undefined;
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearInterval(sampler);
  if (code !== 0) throw new Error(`failed (${code}): ${script}\n${told}`);
  const [wall, user, system] = /#took (\S+) (\S+) (\S+)/.exec(told).slice(1).map(Number);
  const after = daemons.reduce((sum, pid) => sum + treeSeconds(pid), 0);
  return { wall, cpu: user + system + after - before, ...(memory ? { memory: peak } : {}) };
}

function usualEnvironment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !OF_THIS_MACHINE.includes(name)));
}

/** The middle of some numbers. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Proportional set size of the Node processes below a process, bytes. */
function nodeMemory(root) {
  const parents = new Map();
  for (const name of readdirSync('/proc')) {
    const fields = /^\d+$/.test(name) ? statOf(name) : undefined;
    if (fields !== undefined) parents.set(Number(name), Number(fields[1]));
  }
  let sum = 0;
  for (const pid of parents.keys()) {
    let above = pid;
    while (above !== undefined && above > 1 && above !== root) above = parents.get(above);
    if (above !== root || !readMaybe(`/proc/${pid}/cmdline`)?.startsWith('node\0')) continue;
    sum += Number(/^Pss:\s+(\d+)/m.exec(readMaybe(`/proc/${pid}/smaps_rollup`) ?? '')?.[1] ?? 0) * 1024;
  }
  return sum;
}

/** Fields of /proc/PID/stat after the name: state, parent, … */
function statOf(pid) {
  const text = readMaybe(`/proc/${pid}/stat`);
  return text?.slice(text.lastIndexOf(')') + 2).split(' ');
}

function readMaybe(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // it ended meanwhile
  }
}
