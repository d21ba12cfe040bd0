// The locks of an OCI layout: of its index, which BuildKit's client takes too (`index.json.lock`, removed by whoever held it), and of the
// blobs that are being written.

import { closeSync, constants, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SlipwayError } from '../base/index.ts';
import { LAYOUT_INDEX_FILE } from '../oci/index.ts';
import { makeFolders, tryLock } from '../sys/index.ts';
import { isStillThere } from './lock.ts';
import { namesIn } from './owner.ts';

const WAIT_MS = 25;
/** How long somebody else's sweep is waited for before the next look. */
const SWEEP_WAIT_MS = 10;
/** Half-written files of ours (`freshName`, `temporaryBlob`): in the folder itself, and among the blobs. */
const UNFINISHED = /^(?:\.tmp(?:-[0-9a-z]+){3}|(?:[0-9a-f]{64}|index\.json)\.[0-9a-f]{12}\.tmp)$/;
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

/** Somebody writes blobs into a layout. */
export interface LayoutClaim extends Disposable {
  /** Whether nobody else does. Then the claim keeps others out, until it is disposed; undefined: a file system without such locks. */
  alone(): boolean | undefined;
}

/**
 * Claims a layout for writing blobs: as long as it is held nobody removes any. A lock of the folder itself: a file for that would be one
 * more in a folder that is kept, and sent about.
 */
export async function claimLayout(folder: string, signal: AbortSignal): Promise<LayoutClaim> {
  const path = join(folder, 'blobs/sha256');
  makeFolders(path);
  for (;;) {
    signal.throwIfAborted();
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    const taken = tryClaim(fd, 'shared');
    if (taken !== false)
      return { alone: () => (taken === undefined ? undefined : tryClaim(fd, 'exclusive')), [Symbol.dispose]: () => closeSync(fd) };
    closeSync(fd);
    await sleep(SWEEP_WAIT_MS, undefined, { signal }).catch(() => {});
  }
}

function tryClaim(fd: number, kind: 'shared' | 'exclusive'): boolean | undefined {
  try {
    return tryLock(fd, kind);
  } catch {
    return undefined;
  }
}

/** Removes what killed builders left half-written in a layout. Only for whoever is alone there. */
export function removeUnfinished(folder: string): void {
  for (const below of [folder, join(folder, 'blobs/sha256')]) {
    for (const name of namesIn(below)) if (UNFINISHED.test(name)) rmSync(join(below, name), { force: true });
  }
}
