// When the engine optimizes functions. What runs for a tenth of a second is done by the time its better code is ready, which costs half as
// much again. For processes that are ours: it holds for all of one.

import { setFlagsFromString } from 'node:v8';

type Limits = Readonly<Record<string, number>>;

/** Bytes of bytecode that a function runs. */
const BYTES: Limits = { 'interrupt-budget': 67_584 };
/** Calls of a function, or rounds of its loop, until the first and the second compiler take it. */
const CALLS: Limits = {
  'invocation-count-for-maglev': 400,
  'invocation-count-for-maglev-osr': 100,
  'invocation-count-for-turbofan': 3_000,
};

/** The engines of Node 20, 22, 24 and 26. One that does not know a flag says so on the terminal: others are left alone. */
const ENGINES: Readonly<Record<string, Limits>> = { '11.3': BYTES, '12.4': CALLS, '13.6': CALLS, '14.6': CALLS };

let now = 1;

/** Lets functions run so many times as long as usual before they are optimized, until what it returns is called. */
export function delayOptimizing(times: number): () => void {
  const before = now;
  set(times);
  return () => set(before);
}

function set(times: number): void {
  now = times;
  const [engine = ''] = /^\d+\.\d+/.exec(process.versions.v8) ?? [];
  for (const [flag, usual] of Object.entries(ENGINES[engine] ?? {})) setFlagsFromString(`--${flag}=${Math.round(usual * times)}`);
}
