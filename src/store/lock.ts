// Locks between processes: flock(2) on a file below `locks/`. The kernel gives them back when their holder dies, however it dies.

import { closeSync, fstatSync, mkdirSync, openSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from '../base/index.ts';
import { lockBlocking, tryLock } from '../sys/index.ts';
import { unlinkIfThere } from './atomic-file.ts';
import { inStore } from './faults.ts';
import { namesIn } from './owner.ts';

const FIRST_WAIT_MS = 2;
const LONGEST_WAIT_MS = 50;

/** A kind, and the digest or id of what is locked. */
const OF_ONE_THING = /^[a-z]+(-[a-z]+)*-[0-9a-f]{64}/;

/** A held lock; disposing gives it back. */
export type Lock = Disposable;

/** The lock files of one store. A lock holds between processes and between callers of one process. */
export class Locks {
  readonly #root: string;
  readonly #folder: string;

  constructor(root: string) {
    this.#root = root;
    this.#folder = `${root}/locks`;
  }

  /** Waits for the lock called `name` (`[A-Za-z0-9._-]+`). Rejects with `signal.reason`. */
  async acquire(name: string, signal: AbortSignal, kind: 'shared' | 'exclusive' = 'exclusive'): Promise<Lock> {
    for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
      signal.throwIfAborted();
      const lock = this.tryAcquire(name, kind);
      if (lock !== undefined) return lock;
      await sleep(wait, undefined, { signal }).catch(() => {});
    }
  }

  /** The lock, or undefined when somebody holds it. */
  tryAcquire(name: string, kind: 'shared' | 'exclusive' = 'exclusive'): Lock | undefined {
    for (;;) {
      const path = `${this.#folder}/${name}`;
      const fd = this.#open(path);
      let taken = false;
      try {
        taken = tryLock(fd, kind);
        if (!taken) return undefined;
        if (isStillThere(path, fd)) return held(path, fd, kind);
        taken = false; // a holder removed the file between our open and our lock: that lock means nothing any more
      } finally {
        if (!taken) closeSync(fd);
      }
    }
  }

  /** Runs a short synchronous piece of work (microseconds) under a lock, blocking this thread for it. */
  briefly<T>(name: string, work: () => T): T {
    const fd = this.#open(`${this.#folder}/${name}`);
    try {
      lockBlocking(fd, 'exclusive');
      return work();
    } finally {
      closeSync(fd); // the file stays: removing it would need the check above
    }
  }

  /** Removes the files of locks whose holders were killed, of kinds that have a name for each thing: others are few, and stay. */
  sweep(): void {
    for (const name of namesIn(this.#folder)) if (OF_ONE_THING.test(name)) this.tryAcquire(name)?.[Symbol.dispose]();
  }

  #open(path: string): number {
    return inStore(this.#root, 'locking', () => {
      try {
        return openSync(path, 'a');
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') throw error;
        mkdirSync(this.#folder, { recursive: true });
        return openSync(path, 'a');
      }
    });
  }
}

function held(path: string, fd: number, kind: 'shared' | 'exclusive'): Lock {
  let open = true;
  return {
    [Symbol.dispose]() {
      if (!open) return;
      open = false;
      if (kind === 'exclusive') unlinkIfThere(path);
      closeSync(fd);
    },
  };
}

/** Whether an open file is what has that name now: whoever held it may have removed it after it was opened. */
export function isStillThere(path: string, fd: number): boolean {
  try {
    return statSync(path).ino === fstatSync(fd).ino;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
