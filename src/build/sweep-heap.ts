// Gives back what a large build needed only until now: the engine would let garbage pile up while other threads need memory of their own.

import { memoryUsage } from 'node:process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Below this, bytes, nobody cares. */
const LARGE_HEAP = 72 << 20;

let collect: (() => void) | undefined;

/** Collects garbage when the heap is large: some 50 ms, for a moment when this thread would wait anyway. */
export function sweepHeap(): void {
  if (memoryUsage().heapUsed < LARGE_HEAP) return;
  if (collect === undefined) {
    // The engine has no other way in after it has started.
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
}
