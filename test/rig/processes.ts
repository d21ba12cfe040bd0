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

/** A process, ended ones that nobody has waited for included. */
export interface SeenProcess {
  /** As ps shows it: `Z` has ended. */
  readonly state: string;
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  /** When it began, in ticks since boot: numbers are used again. */
  readonly began: string;
}

/** All processes by their numbers. */
export function allProcesses(): ReadonlyMap<number, SeenProcess> {
  const found = new Map<number, SeenProcess>();
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const [, name = '', rest = ''] = /^\d+ \((.*)\) (.*)/s.exec(readFileSync(`/proc/${entry}/stat`, 'latin1')) ?? [];
      const fields = rest.split(' ');
      const [state = '', parent] = fields;
      found.set(Number(entry), { state, pid: Number(entry), parent: Number(parent), name, began: fields[19] ?? '' });
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}

/** Processes that a process started, and those that they did. */
export function descendantsOf(pid: number): readonly SeenProcess[] {
  const all = allProcesses();
  const isBelow = (one: number): boolean => {
    const parent = all.get(one)?.parent ?? 0;
    return parent === pid || (parent > 1 && isBelow(parent));
  };
  return [...all.values()].filter((one) => isBelow(one.pid));
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
