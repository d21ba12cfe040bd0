// When the engine optimizes functions. What runs for a tenth of a second is done by the time its better code is ready, which costs half as
// much again. For processes that are ours: it holds for all of one.

import { setFlagsFromString } from 'node:v8';

/** How long a function runs before it is optimized, in bytes of bytecode: the measure of the engine of Node 20. */
const USUAL = 67_584;

/** Later engines count calls, have a compiler in between that is soon done, and complain about a flag that they do not know. */
const COUNTS_BYTES = process.versions.v8.startsWith('11.3.');

let now = USUAL;

/**
 * Lets functions run for so many bytes of bytecode before they are optimized, until what it returns is called. Engines that do not count
 * them go on as they do.
 */
export function delayOptimizing(bytes: number): () => void {
  const before = now;
  set(bytes);
  return () => set(before);
}

function set(bytes: number): void {
  now = bytes;
  if (COUNTS_BYTES) setFlagsFromString(`--interrupt-budget=${bytes}`);
}
