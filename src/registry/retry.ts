// Tries again what may be passing trouble, waiting longer each time, or as long as the server asked.

import { isSlipwayError } from '../base/index.ts';
import type { Limits } from './config.ts';
import { isTransient } from './faults.ts';

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 8000;
/** A server that wants us to wait longer than this is told to the user instead. */
const LONGEST_ASKED_MS = 60_000;

/** Runs `work` until it succeeds, fails for good, or the tries are used up; the last failure is thrown. */
export async function withRetries<T>(limits: Limits, signal: AbortSignal, work: (attempt: number) => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await work(attempt);
    } catch (error) {
      const wait = waitBefore(error, attempt);
      if (signal.aborted || attempt >= limits.retries || wait === undefined) throw error;
      await limits.delay(wait, signal);
    }
  }
}

/** Milliseconds to wait before another try, or undefined when it would not help. */
export function waitBefore(error: unknown, attempt: number): number | undefined {
  const backOff = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt);
  if (!isSlipwayError(error)) return isTransient(error) ? backOff : undefined;
  const { status, retryAfterMs, worthTries } = error.facts;
  if (typeof worthTries === 'number' && attempt < worthTries) return backOff;
  if (typeof status !== 'number') return error.code === 'REGISTRY_UNREACHABLE' && isTransient(error.cause) ? backOff : undefined;
  if (status !== 429 && status !== 408 && status !== 425 && (status < 500 || status === 501 || status === 505)) return undefined;
  if (typeof retryAfterMs !== 'number') return backOff;
  return retryAfterMs <= LONGEST_ASKED_MS ? Math.max(retryAfterMs, backOff) : undefined;
}
