// The lock of an OCI layout's index, which BuildKit's client takes too: `index.json.lock`, removed by whoever held it.

import { closeSync, constants, openSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { SlipwayError } from '../base/index.ts';
import { LAYOUT_INDEX_FILE } from '../oci/index.ts';
import { tryLock } from '../sys/index.ts';
import { isStillThere } from './lock.ts';

const WAIT_MS = 25;
/** It is held as long as it takes to write one small file. */
const MOST_WAITS = 400;

/** Waits for the lock of the layout in `folder`. Throws `EXPORT_LAYOUT_LOCKED` when somebody keeps it for ten seconds. */
export async function lockLayout(folder: string, signal: AbortSignal): Promise<Disposable> {
  const path = `${folder}/${LAYOUT_INDEX_FILE}.lock`;
  for (let waits = 0; waits < MOST_WAITS; waits += 1) {
    signal.throwIfAborted();
    const lock = tryLayout(path);
    if (lock !== undefined) return lock;
    await sleep(WAIT_MS, undefined, { signal }).catch(() => {});
  }
  throw new SlipwayError('EXPORT_LAYOUT_LOCKED', `another program is writing to the OCI layout ${folder}`, {
    hint: 'try again when it is done',
  });
}

function tryLayout(path: string): Disposable | undefined {
  const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW, 0o644);
  // A lock that somebody removed keeps nobody out.
  if (tryLock(fd, 'exclusive') && isStillThere(path, fd)) {
    return {
      [Symbol.dispose]: () => {
        rmSync(path, { force: true });
        closeSync(fd);
      },
    };
  }
  closeSync(fd);
  return undefined;
}
