// More layers than the kernel stacks: the lowest ones become one folder.

import { createHash } from 'node:crypto';
import type { JobContext } from '../base/index.ts';
import { openCopyThread } from './copy-thread.ts';
import type { MounterSettings } from './rootfs.ts';

/**
 * The stack with all but its topmost `keep` layers flattened into one. Nothing lies below them, so their whiteouts have done their work
 * and are left out. `known` remembers the flattened ones of this builder.
 */
export async function flattenLowest(
  lowers: readonly string[],
  keep: number,
  options: MounterSettings,
  known: Map<string, Promise<string>>,
  job: JobContext,
): Promise<readonly string[]> {
  // A fixed boundary, so that a stage that goes on growing finds the same folder again.
  const count = Math.floor((lowers.length - 1) / keep) * keep;
  const lowest = lowers.slice(0, count);
  const key = createHash('sha256').update(lowest.join('\0')).digest('hex');
  let made = known.get(key);
  if (made === undefined) {
    made = flatten(lowest, options, job);
    known.set(key, made);
    // A failure (a cancelled build) is not remembered.
    made.catch(() => known.delete(key));
  }
  return [await made, ...lowers.slice(count)];
}

async function flatten(lowest: readonly string[], options: MounterSettings, job: JobContext): Promise<string> {
  const target = options.tempFolder('flat');
  await using thread = openCopyThread();
  await thread.run({ type: 'copy', lowers: lowest, target }, job.signal);
  return target;
}
