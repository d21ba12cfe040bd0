// When the engine optimizes functions. What runs for a tenth of a second is done by the time its better code is ready, which costs half as
// much again. For processes that are ours: it holds for all of one.

import { setFlagsFromString } from 'node:v8';

/** How long a function runs before it is optimized, in bytes of bytecode: the engine's own measure. */
const USUAL = 67_584;

let now = USUAL;

/** Lets functions run for so many bytes of bytecode before they are optimized, until what it returns is called. */
export function delayOptimizing(bytes: number): () => void {
  const before = now;
  set(bytes);
  return () => set(before);
}

function set(bytes: number): void {
  now = bytes;
  setFlagsFromString(`--interrupt-budget=${bytes}`);
}
