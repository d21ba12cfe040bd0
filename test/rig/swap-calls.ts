// The worst process that may race with us: it swaps something exactly between two calls of node:fs or of the kernel, each pair of them in
// turn, for one call and for good. What a real process hits by luck once in a million is tried every time.

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { koffi } from '../../src/sys/syscall.ts';

const calls = fs as unknown as Record<string, unknown>;
/** Through a descriptor: nothing can be swapped beneath these. */
const BY_DESCRIPTOR = new Set([
  'closeSync',
  'readSync',
  'writeSync',
  'fstatSync',
  'fchmodSync',
  'fchownSync',
  'futimesSync',
  'ftruncateSync',
]);

/** What is told of the next call. */
let tick = (): void => {};

// Calls of the kernel are prepared once and kept, so they are watched from before the first one on.
const library = koffi();
const load = library.load.bind(library);
library.load = (path) => {
  const libc = load(path);
  return {
    func: (definition) => {
      const call = libc.func(definition);
      return (...args) => {
        tick();
        return call(...args);
      };
    },
  };
};

export interface Race {
  /** Before each run. */
  readonly prepare?: () => void;
  /** What the other process does; a second time, it undoes it. */
  readonly swap: () => void;
  readonly work: (what: string) => Promise<void> | void;
}

/** Runs `work` with `swap` before its first, second, … call, until there is no such call. Returns how many runs that were. */
export async function swapAtEachCall({ prepare, swap, work }: Race): Promise<number> {
  let runs = 0;
  for (const length of [1, Infinity]) {
    for (let at = 1; ; at += 1) {
      runs += 1;
      prepare?.();
      const turn = await withCalls(at, length, swap, work);
      if (turn < at) break;
    }
  }
  return runs;
}

/** Number of calls that there were. */
async function withCalls(at: number, length: number, swap: () => void, work: (what: string) => Promise<void> | void): Promise<number> {
  let count = 0;
  let swapped = false;
  let resting = false;
  const toggle = (): void => {
    resting = true;
    swap();
    swapped = !swapped;
    resting = false;
  };
  tick = () => {
    if (resting) return;
    count += 1;
    if (count === at || (swapped && count === at + length)) toggle();
  };
  const originals = new Map<string, unknown>();
  for (const [name, call] of Object.entries(calls)) {
    if (!name.endsWith('Sync') || BY_DESCRIPTOR.has(name) || typeof call !== 'function') continue;
    originals.set(name, call);
    calls[name] = Object.assign((...args: unknown[]): unknown => {
      tick();
      return Reflect.apply(call, calls, args) as unknown;
    }, call);
  }
  syncBuiltinESMExports();
  try {
    await work(`swapped before call ${at}, for ${length}`);
  } finally {
    for (const [name, call] of originals) calls[name] = call;
    syncBuiltinESMExports();
    tick = () => {};
    if (swapped) toggle();
  }
  return count;
}
