// The terminal inside a container. The runtime stands between it and ours, and older ones (crun before 1.8.7) do not hand a size on.

import { closeSync, constants, fstatSync, openSync, readFileSync, statSync } from 'node:fs';
import { errnoOf } from '../base/index.ts';
import { setTerminalSize } from '../sys/index.ts';
import type { TerminalSize } from './process-spec.ts';

/**
 * Sets the size of the terminal of the container that the process `runtime` runs: the first of the container's own. Its foreground processes
 * get SIGWINCH. False: there is none yet, or no more.
 */
export function resizeInnerTerminal(runtime: number, size: TerminalSize): boolean {
  for (const pid of descendants(runtime)) {
    const fd = openInner(pid);
    if (fd === undefined) continue;
    try {
      setTerminalSize(fd, size);
      return true;
    } finally {
      closeSync(fd);
    }
  }
  return false;
}

/** Tries to set each value until it could be done, or a newer one came: that is the one that counts. */
export function setNewest<T>(set: (value: T) => boolean, wait: () => Promise<unknown>): (value: T) => Promise<void> {
  let newest = 0;
  return async (value) => {
    const own = (newest += 1);
    while (own === newest && !set(value)) await wait();
  };
}

function* descendants(pid: number): Generator<number> {
  for (const child of childrenOf(pid)) {
    yield child;
    yield* descendants(child);
  }
}

function childrenOf(pid: number): readonly number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim();
    return text === '' ? [] : text.split(' ').map(Number);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

/** Undefined while the process still sees our own terminals, or none. */
function openInner(pid: number): number | undefined {
  try {
    const fd = openSync(`/proc/${pid}/root/dev/pts/0`, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
    if (fstatSync(fd).dev !== statSync('/dev/pts').dev) return fd;
    closeSync(fd);
    return undefined;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return ['ENOENT', 'ESRCH', 'EIO', 'ENXIO', 'EACCES'].includes(errnoOf(error) ?? '');
}
