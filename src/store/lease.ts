// What a running build uses stays. A lease is a file that says since when; using a thing moves its mtime to now; collection
// takes nothing that was used since the oldest living lease began. So protecting a thing costs one utimes and no bookkeeping.

import { existsSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { dirname } from 'node:path';
import { errnoOf } from '../base/index.ts';
import { freshName, unlinkIfThere } from './atomic-file.ts';
import { inStore } from './faults.ts';
import { ownedNames, ownerLives, ownerTag } from './owner.ts';

/** How long a collector may keep its gate shut before it counts as dead, ms. It holds it for single renames. */
const GATE_LIMIT_MS = 10_000;
/** A folder that changed less than this before it was looked through may change again without its time telling so, ms. */
const GATE_REST_MS = 3000;
/** What two readings of the time since boot may be apart from the clock's, ms. */
const UPTIME_MARGIN_MS = 1000;

/** A build's claim. Disposing ends it; so does the death of the process. */
export type Lease = Disposable;

/** Leases, uses and the collector's gate of one store. */
export class Leases {
  readonly #root: string;
  readonly #now: () => Date;
  readonly #starts = new Set<{ readonly start: number }>();
  /** When a path was used last: enough for every lease that began before. */
  readonly #used = new Map<string, number>();
  /** When the gate changed last, ns: since then it is open, and was when it was looked through. */
  #restedGate: bigint | undefined;

  constructor(root: string, now: () => Date) {
    this.#root = root;
    this.#now = now;
  }

  /** Begins a lease: everything used or made from now on is protected until it is disposed. */
  acquire(): Lease {
    const lease = { start: Math.floor(this.#now().getTime()) };
    const path = `${this.#root}/leases/${ownerTag()}.${freshName()}`;
    const written = inStore(this.#root, 'taking a lease', () => writeLease(path, `${lease.start} ${uptime()}`));
    this.#starts.add(lease);
    this.#used.clear();
    return {
      [Symbol.dispose]: () => {
        if (!this.#starts.delete(lease)) return;
        this.#used.clear();
        if (written) unlinkIfThere(path);
      },
    };
  }

  /**
   * Says that the file or folder at `path` is used now: it stays while this process holds a lease, and its age starts anew.
   * False: it is not there. A thing found after `use` said true will not be taken away.
   */
  use(path: string): boolean {
    // A clock that was set back must not make a use look older than the lease that covers it.
    const begun = Math.max(0, ...[...this.#starts].map(({ start }) => start));
    // Used before under all the leases that we hold: no collector takes it, so only whether it is there is left to ask.
    if (this.#starts.size > 0 && (this.#used.get(path) ?? -1) >= begun) return existsSync(path);
    const time = Math.max(this.#now().getTime(), begun);
    const seconds = time / 1000;
    try {
      utimesSync(path, seconds, seconds);
    } catch (error) {
      const code = errnoOf(error);
      if (code === 'ENOENT' || code === 'ENOTDIR') return false;
      // Somebody else's store, or a read-only one: nothing is collected there by us.
      if (code !== 'EPERM' && code !== 'EACCES' && code !== 'EROFS') throw error;
    }
    const there = this.#gateWasOpen() || existsSync(path);
    if (there && this.#starts.size > 0) this.#used.set(path, time);
    return there;
  }

  /**
   * Since when things must have been unused to be taken: the start of the oldest living lease, else infinity. When the clock was set back
   * meanwhile, what was made since has times from before that start: then as long ago as the lease lasts, which the time since boot tells.
   */
  protectedSince(): number {
    let oldest = Infinity;
    for (const name of ownedNames(`${this.#root}/leases`)) {
      const path = `${this.#root}/leases/${name}`;
      try {
        const age = this.#now().getTime() - statSync(path).mtimeMs;
        if (ownerLives(name.slice(0, name.indexOf('.')), age)) oldest = Math.min(oldest, this.#startOf(readFileSync(path, 'latin1')));
        else unlinkIfThere(path);
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') throw error; // ended meanwhile
      }
    }
    return oldest;
  }

  /**
   * Runs `take` with the gate shut, telling it since when things are protected. Whoever uses a thing meanwhile waits for the
   * gate and looks again; so either the taker sees the use, or the user sees that the thing is gone. Keep it to renames.
   */
  take<T>(take: (protectedSince: number) => T): T {
    const folder = `${this.#root}/gate`;
    mkdirSync(folder, { recursive: true });
    const path = `${folder}/${ownerTag()}.${freshName()}`;
    inStore(this.#root, 'collecting garbage', () => writeFileSync(path, ''));
    try {
      return take(this.protectedSince());
    } finally {
      unlinkIfThere(path);
    }
  }

  /** The start that a lease tells, by the clock as it is now. */
  #startOf(text: string): number {
    const [start = NaN, upAtStart = NaN] = text.split(' ').map(Number);
    const lasts = (uptime() - upAtStart) * 1000;
    return Math.min(start, Number.isNaN(lasts) ? Infinity : this.#now().getTime() - lasts - UPTIME_MARGIN_MS) || 0;
  }

  /** Whether no collector was at work; when one was, returns after it finished. */
  #gateWasOpen(): boolean {
    const folder = `${this.#root}/gate`;
    // To shut it changes the folder's time: one question instead of five (a hundred times in a build that finds everything).
    const changed = statSync(folder, { bigint: true, throwIfNoEntry: false })?.mtimeNs;
    if (changed !== undefined && changed === this.#restedGate) return true;
    let open = true;
    for (const name of ownedNames(folder)) {
      open = false;
      const path = `${folder}/${name}`;
      const owner = name.slice(0, name.indexOf('.'));
      for (let waited = 0; existsSync(path); waited += 1) {
        if (waited > GATE_LIMIT_MS || !ownerLives(owner, 0)) {
          unlinkIfThere(path);
          break;
        }
        pause();
      }
    }
    const rested = changed !== undefined && this.#now().getTime() - Number(changed / 1_000_000n) > GATE_REST_MS;
    this.#restedGate = open && rested ? changed : undefined;
    return open;
  }
}

/** False on a disk that may only be read: nothing can be taken away there, either. Whoever has to write says so. */
function writeLease(path: string, start: string): boolean {
  try {
    writeFileSync(path, start);
  } catch (error) {
    if (errnoOf(error) === 'EROFS') return false;
    if (errnoOf(error) !== 'ENOENT') throw error;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, start);
  }
  return true;
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Stops this thread for a millisecond. */
function pause(): void {
  Atomics.wait(sleeper, 0, 0, 1);
}
