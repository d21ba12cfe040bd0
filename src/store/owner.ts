// Who left a file behind: a name for this process that stays its own though pids are used again.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** How long a file of a process that we cannot see (another PID namespace) counts as owned, ms. */
const UNSEEN_OWNER_MS = 12 * 3600 * 1000;

/** `<tag>.<anything>`. */
const OWNED = /^\d+-\d+-\d+-[0-9a-f]+\./;

let own: string | undefined;

/** `pid-starttime-pidnamespace-boot`: of this process. */
export function ownerTag(): string {
  own ??= [process.pid, startTime('self') ?? 0, pidNamespace(), bootId()].join('-');
  return own;
}

/** Names in a folder that begin with an owner's tag: what else lies there is nobody's, and is left alone. */
export function ownedNames(folder: string): readonly string[] {
  return namesIn(folder).filter((name) => OWNED.test(name));
}

/**
 * Whether the process that `tag` names still runs. One in another PID namespace cannot be asked: it counts as alive while
 * what it left is younger than `UNSEEN_OWNER_MS`.
 */
export function ownerLives(tag: string, ageMs: number): boolean {
  const [pid, start, namespace, boot] = tag.split('-');
  if (pid === undefined || start === undefined || boot !== bootId()) return false;
  // Of a time to come, or of a clock that was set back since: as far away as that.
  if (namespace !== pidNamespace()) return Math.abs(ageMs) < UNSEEN_OWNER_MS;
  return startTime(pid) === start;
}

/** Start time in clock ticks since boot (proc(5), stat field 22); undefined: no such process. */
function startTime(pid: string): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function pidNamespace(): string {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
  } catch {
    return '0';
  }
}

let boot: string | undefined;

function bootId(): string {
  try {
    boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').slice(0, 8);
  } catch {
    boot = '0';
  }
  return boot;
}

/** Names in a folder; none when it does not exist, or something else stands there. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return [];
    throw error;
  }
}
