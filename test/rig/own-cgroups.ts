// Cgroups for one place of a test, in whichever hierarchies the machine has: given to an ordinary user, as systemd's `Delegate=yes` does, or
// with a limit on the processes in them, as `docker run --pids-limit` sets.

import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const ROOT = '/sys/fs/cgroup';
const CONTROLLERS = ['memory', 'cpu', 'cpuset', 'pids'];
let count = 0;

/** Makes them and adds to `undo` what removes them. Returns the files into which a process writes 0 to join. */
export function ownCgroups(uid: number, undo: (() => void)[], pids?: number): readonly string[] {
  const name = `slipway-test-${process.pid}-${(count += 1)}`;
  if (existsSync(join(ROOT, 'cgroup.controllers'))) {
    // Version 2: processes live in a leaf, so that the folder above it can be divided.
    writeFileSync(join(ROOT, 'cgroup.subtree_control'), CONTROLLERS.map((controller) => `+${controller}`).join(' '));
    const above = make(join(ROOT, name), uid, undo);
    if (pids !== undefined) writeFileSync(join(above, 'pids.max'), String(pids));
    return [join(make(join(above, 'own'), uid, undo), 'cgroup.procs')];
  }
  return CONTROLLERS.filter((controller) => existsSync(join(ROOT, controller))).map((controller) => {
    const folder = make(join(ROOT, controller, name), uid, undo);
    // Nothing may join a cpuset of version 1 before both are filled.
    if (controller === 'cpuset')
      for (const file of ['cpuset.cpus', 'cpuset.mems']) writeFileSync(join(folder, file), readFileSync(join(dirname(folder), file)));
    if (controller === 'pids' && pids !== undefined) writeFileSync(join(folder, 'pids.max'), String(pids));
    return join(folder, 'cgroup.procs');
  });
}

function make(folder: string, uid: number, undo: (() => void)[]): string {
  mkdirSync(folder);
  undo.push(() => removeTree(folder));
  for (const name of ['', 'cgroup.procs', 'tasks', 'cgroup.subtree_control'])
    if (existsSync(join(folder, name))) chownSync(join(folder, name), uid, uid);
  return folder;
}

/** Fails where a process still lives in one: whoever started it has left something behind. */
function removeTree(folder: string): void {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) if (entry.isDirectory()) removeTree(join(folder, entry.name));
  rmdirSync(folder);
}

/** Cgroups that were made beside or below those of `joinFiles`: by steps that left them. */
export function furtherCgroups(joinFiles: readonly string[]): readonly string[] {
  return joinFiles.map(dirname).flatMap((folder) => {
    const top = folder.endsWith('/own') ? dirname(folder) : folder;
    const names = readdirSync(top, { withFileTypes: true }).filter((entry) => entry.isDirectory() && entry.name !== 'own');
    return names.map(({ name }) => join(top, name));
  });
}

/** Whether a process still lives in them. One that was killed stays for a moment, until its parent has taken note. */
export function areInhabited(joinFiles: readonly string[]): boolean {
  return joinFiles.some((file) => readFileSync(file, 'utf8') !== '');
}
