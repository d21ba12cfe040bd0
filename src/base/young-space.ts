// How fast the engine's space for new objects grows. For processes that are ours: it holds for all of one.

import { setFlagsFromString } from 'node:v8';

/** How many times larger it becomes each time: the engine's own measure. It begins with one megabyte and ends at 16. */
const USUAL = 2;

/** Lets it become so many times larger at once, until what it returns is called. */
export function growYoungSpace(times: number): () => void {
  setFlagsFromString(`--semi-space-growth-factor=${times}`);
  return () => setFlagsFromString(`--semi-space-growth-factor=${USUAL}`);
}
