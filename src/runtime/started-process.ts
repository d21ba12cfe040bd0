// A started program and its end. Node does not see the ends of children that it did not start: SIGCHLD says when to look for them.

import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { type ExitStatus, libcHas, takeExit } from '../sys/index.ts';

/** A running program. */
export interface StartedProcess {
  readonly pid: number;
  /** Rejects when it could not be started after all. */
  readonly ended: Promise<ExitStatus>;
}

/** What node started. */
export function startedByNode(child: ChildProcess): StartedProcess {
  const ended = new Promise<ExitStatus>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(signal === null ? { code: code ?? 1 } : { signal: constants.signals[signal] }));
  });
  return { pid: child.pid ?? 0, ended };
}

/** Signals may come late or as one: every running child is looked at, and now and then without a signal. */
const LOOK_ANYWAY_MS = 500;

const running = new Map<number, (status: ExitStatus) => void>();
let looking: NodeJS.Timeout | undefined;

let light: boolean | undefined;

/** Whether `spawnProcess` works here and ends can be seen: only the main thread hears signals. */
export function canStartLightly(): boolean {
  return (light ??= isMainThread && libcHas('posix_spawn_file_actions_addchdir_np'));
}

/** Waits for the end of a child that `spawnProcess` started. The process stays alive until then. */
export function watchExit(pid: number): StartedProcess {
  const ended = new Promise<ExitStatus>((resolve) => running.set(pid, resolve));
  if (looking === undefined) {
    process.on('SIGCHLD', look);
    looking = setInterval(look, LOOK_ANYWAY_MS);
  }
  // It may have ended before anybody listened.
  setImmediate(look);
  return { pid, ended };
}

function look(): void {
  for (const [pid, resolve] of running) {
    const status = takeExit(pid);
    if (status === undefined) continue;
    running.delete(pid);
    resolve(status);
  }
  if (running.size > 0 || looking === undefined) return;
  clearInterval(looking);
  looking = undefined;
  process.off('SIGCHLD', look);
}
