// What every waiting function receives last.

import type { ProgressSink } from './progress.ts';

/** The surroundings of one build request. */
export interface JobContext {
  /** Aborted when nobody wants the result any more. */
  readonly signal: AbortSignal;
  readonly progress: ProgressSink;
  /** The clock; tests inject one. */
  readonly now: () => Date;
  /** Told by work that has nothing to do itself for a while, such as when a process runs: the moment for what can be done beside it. */
  readonly onWaiting?: () => void;
}

/** A job that nothing observes: for tests and for work outside a build. */
export function quietJob(signal: AbortSignal = new AbortController().signal): JobContext {
  return { signal, progress: () => {}, now: () => new Date() };
}
