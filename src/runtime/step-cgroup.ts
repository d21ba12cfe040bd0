// A cgroup of its own for a step with limits. Made here, not by the OCI runtime: so it works alike on version 1, hybrid and 2 hosts, and costs
// nothing to steps without limits.

import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf, type ResourceLimits, SlipwayError } from '../base/index.ts';
import { makeFolders } from '../sys/index.ts';
import type { CgroupLayout } from './enclosure.ts';

/** A step's cgroup. Disposing removes it; by then no process may be in it. */
export interface StepCgroup extends Disposable {
  /** A process joins by writing 0 into each of these. */
  readonly joinFiles: readonly string[];
  /** Whether the kernel killed something in it for want of memory. */
  outOfMemory(): boolean;
  /** Whether the kernel refused it a process. */
  outOfProcesses(): boolean;
}

/** The PID namespace in whose numbers our cgroups are named. */
function namespace(): string {
  return readlinkSync('/proc/self/ns/pid').replaceAll(/\D/g, '');
}

/** Name of the `count`th container of this process, and of its cgroup: whoever finds it later can tell whether this process still lives. */
export function cgroupName(count: number): string {
  return `slipway-${namespace()}-${process.pid}-${count}`;
}

/** Removes what killed builders left: nobody else can, and an empty cgroup costs the kernel memory. */
function sweep(base: string): void {
  const ours = namespace();
  let names: readonly string[];
  try {
    names = readdirSync(base);
  } catch {
    return; // not ours to look at
  }
  for (const name of names) {
    const [, where, pid] = /^slipway-(\d+)-(\d+)-\d+$/.exec(name) ?? [];
    if (where === ours && pid !== undefined && !existsSync(`/proc/${pid}`)) remove(join(base, name));
  }
}

/**
 * Removes what killed builders left, in every controller: wherever we, or a runtime that makes its cgroups itself, put one from where this
 * process is. `hierarchy` as below.
 */
export function sweepCgroups(hierarchy: string, layout: CgroupLayout, parent?: string): void {
  for (const [controller, own] of ownPaths()) {
    const mounted = controller === '' ? (layout === 'v2' ? '.' : 'unified') : controller.replace(/^name=/, '');
    for (const path of new Set([...upwards(own), ...(parent === undefined ? [] : [join('/', parent)])])) {
      const base = join(hierarchy, mounted, path);
      if (existsSync(base)) sweep(base);
    }
  }
}

/** A cgroup and those above it: the nearest that hands out what is needed gets a step's. */
function upwards(path: string): readonly string[] {
  const all = [path];
  for (let at = path; at !== '/'; all.push(at)) at = at.slice(0, at.lastIndexOf('/')) || '/';
  return all;
}

/** Whether anything is limited at all. */
export function hasLimits(resources: ResourceLimits | undefined): resources is ResourceLimits {
  return resources !== undefined && Object.values(resources).some((value) => value !== undefined && value !== 0 && value !== '');
}

/**
 * Makes the cgroup `name` with the limits. `hierarchy` is where the host's /sys/fs/cgroup can be reached. Throws `RESOURCES_REFUSED`
 * where we may not make one, or where a controller is missing.
 */
export function openStepCgroup(
  hierarchy: string,
  layout: CgroupLayout,
  name: string,
  resources: ResourceLimits,
  parent: string | undefined,
): StepCgroup {
  try {
    if (layout === 'v2') return openV2(hierarchy, name, resources, parent);
    if (layout === 'hybrid' || layout === 'v1') return openV1(hierarchy, name, resources, parent);
  } catch (cause) {
    if (cause instanceof SlipwayError || errnoOf(cause) === undefined) throw cause;
    throw refused(`limits cannot be set: ${(cause as Error).message}`, cause);
  }
  throw refused('limits cannot be set: this machine has no cgroups');
}

const NOT_OURS = 'leave the limits away, run as root, or have the cgroup delegated (systemd: Delegate=yes)';

function refused(message: string, cause?: unknown, hint = NOT_OURS): SlipwayError {
  return new SlipwayError('RESOURCES_REFUSED', message, { ...(cause === undefined ? {} : { cause }), hint });
}

/** Controllers that limits need, each with the files to write. */
function filesV1(resources: ResourceLimits): ReadonlyMap<string, readonly (readonly [file: string, value: string | undefined])[]> {
  const { memory, memorySwap, cpuShares, cpuPeriod, cpuQuota, cpusetCpus, cpusetMems, pids } = resources;
  const text = (value: number | undefined): string | undefined => (value === undefined || value === 0 ? undefined : String(value));
  return used([
    ['memory', [['memory.limit_in_bytes', text(memory)], ['memory.memsw.limit_in_bytes', text(memorySwap)]]],
    ['cpu', [['cpu.shares', text(cpuShares)], ['cpu.cfs_period_us', text(cpuPeriod)], ['cpu.cfs_quota_us', text(cpuQuota)]]],
    ['cpuset', [['cpuset.cpus', cpusetCpus], ['cpuset.mems', cpusetMems]]],
    ['pids', [['pids.max', pids !== undefined && pids < 0 ? 'max' : text(pids)]]],
  ]); // prettier-ignore
}

function filesV2(resources: ResourceLimits): ReadonlyMap<string, readonly (readonly [file: string, value: string | undefined])[]> {
  const { memory, memorySwap, cpuShares, cpuPeriod, cpuQuota, cpusetCpus, cpusetMems, pids } = resources;
  const swap =
    memorySwap === undefined || memorySwap === 0 ? undefined : memorySwap < 0 ? 'max' : String(Math.max(0, memorySwap - (memory ?? 0)));
  // The kernel's own conversion of shares (2…262144) to weights (1…10000).
  const weight = cpuShares === undefined || cpuShares === 0 ? undefined : String(1 + Math.floor(((cpuShares - 2) * 9999) / 262142));
  const quota = cpuQuota === undefined || cpuQuota === 0 ? undefined : `${cpuQuota < 0 ? 'max' : cpuQuota} ${cpuPeriod ?? 100000}`;
  return used([
    ['memory', [['memory.max', memory === undefined || memory === 0 ? undefined : memory < 0 ? 'max' : String(memory)], ['memory.swap.max', swap]]],
    ['cpu', [['cpu.weight', weight], ['cpu.max', quota]]],
    ['cpuset', [['cpuset.cpus', cpusetCpus], ['cpuset.mems', cpusetMems]]],
    ['pids', [['pids.max', pids === undefined || pids === 0 ? undefined : pids < 0 ? 'max' : String(pids)]]],
  ]); // prettier-ignore
}

type Files = readonly (readonly [file: string, value: string | undefined])[];

function used(all: readonly (readonly [string, Files])[]): ReadonlyMap<string, Files> {
  return new Map(all.filter(([, files]) => files.some(([, value]) => value !== undefined && value !== '')));
}

/** A client's choice: a path inside the hierarchy, whatever it climbs. */
function parentPath(parent: string | undefined): string | undefined {
  return parent === undefined ? undefined : join('/', parent);
}

function openV1(hierarchy: string, name: string, resources: ResourceLimits, parent: string | undefined): StepCgroup {
  const own = ownPaths();
  const folders: string[] = [];
  const memory: string[] = [];
  const pids: string[] = [];
  try {
    for (const [controller, files] of filesV1(resources)) {
      const base = join(hierarchy, controller, parentPath(parent) ?? own.get(controller) ?? '/');
      if (!existsSync(base)) throw refused(`limits cannot be set: the ${controller} controller is not mounted`);
      const folder = join(base, name);
      sweep(base);
      makeFolders(folder);
      folders.push(folder);
      if (controller === 'memory') memory.push(join(folder, 'memory.oom_control'));
      if (controller === 'pids') pids.push(join(folder, 'pids.events'));
      if (controller === 'cpuset') inheritCpuset(folder, base);
      for (const [file, value] of files) write(folder, file, value);
    }
  } catch (error) {
    folders.forEach(remove);
    throw error;
  }
  return {
    joinFiles: folders.map((folder) => join(folder, 'cgroup.procs')),
    outOfMemory: () => memory.some((file) => countOf(file, 'oom_kill') > 0),
    outOfProcesses: () => pids.some((file) => countOf(file, 'max') > 0),
    [Symbol.dispose]: () => folders.forEach(remove),
  };
}

/** A new cpuset of version 1 is empty, and nothing may join it until both files are filled. */
function inheritCpuset(folder: string, base: string): void {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) writeFileSync(join(folder, file), readFileSync(join(base, file)));
}

function openV2(hierarchy: string, name: string, resources: ResourceLimits, parent: string | undefined): StepCgroup {
  const needed = filesV2(resources);
  const base = join(hierarchy, parentPath(parent) ?? delegatedFolder(hierarchy, ownPaths().get('') ?? '/', [...needed.keys()]));
  makeFolders(base);
  enable(base, [...needed.keys()]);
  const folder = join(base, name);
  sweep(base);
  mkdirSync(folder);
  try {
    for (const [controller, files] of needed) {
      if (!readFileSync(join(folder, 'cgroup.controllers'), 'latin1').split(/\s+/).includes(controller)) {
        throw refused(`limits cannot be set: the ${controller} controller is not delegated to us`);
      }
      for (const [file, value] of files) write(folder, file, value);
    }
  } catch (error) {
    remove(folder);
    throw error;
  }
  return {
    joinFiles: [join(folder, 'cgroup.procs')],
    outOfMemory: () => countOf(join(folder, 'memory.events'), 'oom_kill') > 0,
    outOfProcesses: () => countOf(join(folder, 'pids.events'), 'max') > 0,
    [Symbol.dispose]: () => remove(folder),
  };
}

/** The nearest folder, from our own cgroup upwards, whose children can have the controllers. */
function delegatedFolder(hierarchy: string, own: string, controllers: readonly string[]): string {
  for (let path = own; ; path = path.slice(0, path.lastIndexOf('/')) || '/') {
    try {
      enable(join(hierarchy, path), controllers);
      const given = readFileSync(join(hierarchy, path, 'cgroup.subtree_control'), 'latin1').split(/\s+/);
      if (controllers.every((controller) => given.includes(controller))) return path;
    } catch (error) {
      // Busy: processes live in it, so its children cannot have controllers. Forbidden: not ours.
      if (!['EBUSY', 'EACCES', 'EPERM', 'ENOENT', 'EROFS'].includes(errnoOf(error) ?? '')) throw error;
    }
    if (path === '/') throw refused(`limits cannot be set: no cgroup above us hands out ${controllers.join(', ')}`);
  }
}

function enable(folder: string, controllers: readonly string[]): void {
  const file = join(folder, 'cgroup.subtree_control');
  const given = readFileSync(file, 'latin1').split(/\s+/);
  const missing = controllers.filter((controller) => !given.includes(controller));
  if (missing.length > 0) writeFileSync(file, missing.map((controller) => `+${controller}`).join(' '));
}

/** Our own cgroup by controller; `''` is version 2. */
function ownPaths(): ReadonlyMap<string, string> {
  const paths = new Map<string, string>();
  for (const line of readFileSync('/proc/self/cgroup', 'latin1').trim().split('\n')) {
    const [, controllers = '', path = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    for (const controller of controllers.split(',')) paths.set(controller, path);
  }
  return paths;
}

function write(folder: string, file: string, value: string | undefined): void {
  if (value === undefined || value === '') return;
  const path = join(folder, file);
  // Swap accounting may be switched off: the limit of memory still holds.
  if (file.includes('sw') && !existsSync(path)) return;
  try {
    writeFileSync(path, value);
  } catch (cause) {
    const code = errnoOf(cause);
    if (code !== 'EINVAL' && code !== 'ERANGE') throw cause;
    throw refused(`the kernel refuses the limit ${file} = ${value} (${code})`, cause, whatFits(folder, file));
  }
}

/** What a limit may be. */
function whatFits(folder: string, file: string): string {
  if (file.startsWith('cpuset.')) {
    const here = ['', '.effective'].map((form) => join(dirname(folder), `${file}${form}`)).filter((path) => existsSync(path));
    const given = here.map((path) => readFileSync(path, 'latin1').trim()).find((text) => text !== '');
    return `${file === 'cpuset.cpus' ? 'processors' : 'memory nodes'} here are ${given ?? 'not known'}`;
  }
  if (file.includes('memsw')) return 'it counts memory and swap together: --memory has to be given with it, and not to be more';
  return 'look at its value';
}

function countOf(file: string, key: string): number {
  try {
    const line = readFileSync(file, 'latin1')
      .split('\n')
      .find((each) => each.startsWith(`${key} `));
    return Number(line?.split(' ')[1] ?? 0);
  } catch {
    return 0;
  }
}

function remove(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    // EBUSY: the last process is still being buried; an empty cgroup does no harm, and the next build sweeps it. Others may not be ours to remove.
    if (!['ENOENT', 'EBUSY', 'EACCES', 'EPERM'].includes(errnoOf(error) ?? '')) throw error;
  }
}
