// An ordinary user's way into a user namespace: a process with threads cannot enter one, so the command starts itself anew inside.

import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { SlipwayError } from '../base/index.ts';
import { replaceProcess } from '../sys/index.ts';
import { type HostView, subordinateIds } from './rungs.ts';

/** How to start the command again inside its namespaces. */
export interface ReexecPlan {
  readonly program: string;
  readonly args: readonly string[];
  /** For an `unshare` that cannot map subordinate ids: who maps them from outside once the process waits for it. */
  readonly mapping?: { readonly uid: readonly string[]; readonly gid: readonly string[] };
}

/**
 * How to start `command` (program and arguments) inside the namespaces of a rootless rung. The user becomes root there; with
 * subordinate ids all others are mapped too. The new process finds itself on that rung. `gate`: a descriptor that is free for `mapping`.
 */
export function planReexec(rung: 'rootless-subid' | 'rootless-single', command: readonly string[], host: HostView, gate = 3): ReexecPlan {
  const unshare = host.find('unshare');
  if (unshare === undefined)
    throw new SlipwayError('PROGRAM_MISSING', 'unshare is not on PATH', { hint: 'install it: apt-get install util-linux' });
  if (rung === 'rootless-single') return { program: unshare, args: ['--user', '--map-root-user', '--mount', '--', ...command] };
  const help = spawnSync(unshare, ['--help'], { encoding: 'latin1' }).stdout;
  if (help.includes('--map-auto'))
    return { program: unshare, args: ['--user', '--map-auto', '--map-root-user', '--mount', '--', ...command] };
  const range = (file: string): readonly string[] => {
    const { start, count } = subordinateIds(host, file) ?? { start: 0, count: 0 };
    return ['1', String(start), String(count)];
  };
  const uid = ['0', String(host.uid), '1', ...range('/etc/subuid')];
  const gid = ['0', String(process.getgid?.() ?? host.uid), '1', ...range('/etc/subgid')];
  return {
    program: unshare,
    args: ['--user', '--mount', '--', '/bin/sh', '-c', `read -r _ <&${gate} && exec ${gate}<&- && exec "$@"`, 'sh', ...command],
    mapping: { uid, gid },
  };
}

/** Looks, two milliseconds apart, at whether a process is in its namespace: half a minute, on a machine that has time for other things. */
const MOST_LOOKS = 15_000;

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Starts the command anew. Where `unshare` maps ids by itself this process becomes it and never returns; else it stays to map them, passes
 * signals on and resolves with the exit code.
 */
export async function reexec(plan: ReexecPlan, env: Readonly<Record<string, string | undefined>>, host: HostView): Promise<number> {
  const variables = Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  if (plan.mapping === undefined) replaceProcess(plan.program, [plan.program, ...plan.args], variables);
  const child = spawn(plan.program, plan.args, { stdio: ['inherit', 'inherit', 'inherit', 'pipe'], env: { ...env } });
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 128 + constants.signals[signal])));
  });
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const name of FORWARDED) process.on(name, forward);
  try {
    if (child.pid !== undefined) await mapIds(child.pid, plan.mapping, host);
    const gate = child.stdio[3] as NodeJS.WritableStream;
    gate.end('\n');
    return await ended;
  } finally {
    for (const name of FORWARDED) process.off(name, forward);
  }
}

/** Maps the ids of a process that was started with `mapping` and waits at its gate. Throws `ROOTLESS_MAPPING`. */
export async function mapIds(pid: number, mapping: NonNullable<ReexecPlan['mapping']>, host: HostView): Promise<void> {
  // The child is in its namespace once that differs from ours; until then its map is the host's. One that has ended has none.
  for (let looks = 0; looks < MOST_LOOKS && (host.read(`/proc/${pid}/uid_map`) ?? '') !== ''; looks += 1) await delay(2);
  for (const [program, args] of [
    ['newuidmap', mapping.uid],
    ['newgidmap', mapping.gid],
  ] as const) {
    const { status, stderr, error } = spawnSync(host.find(program) ?? program, [String(pid), ...args], { encoding: 'utf8' });
    if (status === 0) continue;
    // One that could not be started said nothing.
    throw new SlipwayError('ROOTLESS_MAPPING', `${program} failed: ${error?.message ?? (stderr.trim() || `exit code ${status}`)}`, {
      hint: `check /etc/subuid and /etc/subgid, or take --rung rootless-single`,
    });
  }
}
