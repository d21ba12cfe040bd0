// Waiting for something to come about, and looking at the machine's processes.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';

/** Looks again until it is so; fails after two minutes. */
export async function until(so: () => boolean): Promise<void> {
  for (let round = 0; !so(); round += 1) {
    assert.ok(round < 2400, 'it did not come to that');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Living processes whose program, or one of whose arguments, is exactly `word`. */
export function processesWith(word: string): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').includes(word);
    } catch {
      return false;
    }
  });
}

/** Sends a signal to a process that may end at any moment: with another one that got it, for instance. */
export function killIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ESRCH');
  }
}

/** Children of a process by the name of their program; ended ones do not count. */
export function childrenOf(parent: number, name: string): readonly number[] {
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      const [, comm, state, above] = /^\d+ \((.*)\) (\S) (\d+)/s.exec(readFileSync(`/proc/${entry}/stat`, 'latin1')) ?? [];
      return comm === name && state !== 'Z' && Number(above) === parent ? [Number(entry)] : [];
    } catch {
      return []; // It ended meanwhile.
    }
  });
}
