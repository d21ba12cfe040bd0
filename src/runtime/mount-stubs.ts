// Mount points that the runtime makes in a root filesystem and that must not end up in the image.

import { readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { type BytePath, errnoOf, fsPath } from '../base/index.ts';
import { type FileTime, resolveInRoot, S_IFDIR, S_IFMT, S_IFREG, setTimes, statx } from '../sys/index.ts';
import type { MountPoint } from './process-spec.ts';

/** Always there in a container. */
const SYSTEM_POINTS: readonly MountPoint[] = [
  { path: '/dev', kind: 'dir' },
  { path: '/proc', kind: 'dir' },
  { path: '/sys', kind: 'dir' },
  { path: '/etc/hosts', kind: 'file' },
  { path: '/etc/resolv.conf', kind: 'file' },
];

/** Where a run mounts things. */
export function mountPointsOf(mounts: readonly { readonly path: BytePath; readonly kind: 'dir' | 'file' }[]): readonly MountPoint[] {
  return [...SYSTEM_POINTS, ...mounts];
}

/** Remembers what does not exist before a run; disposing removes what the run left of it. */
export interface MountStubs extends Disposable {
  /** Paths that did not exist, deepest first. */
  readonly absent: readonly BytePath[];
}

/**
 * Notes which mount points, and which folders above them, `root` lacks. Disposed after the run: those that are still empty are removed and
 * the folder they were in gets its time back, so that a layer does not show them. Filled ones were the step's own doing and stay.
 */
export function watchMountStubs(root: BytePath, points: readonly MountPoint[]): MountStubs {
  const absent = new Set<BytePath>();
  const times = new Map<BytePath, FileTime>();
  for (const { path } of points) {
    const { path: real, missing } = resolveInRoot(root, path);
    let at = real;
    for (let count = 0; count < missing && at !== root; count += 1) {
      absent.add(at);
      at = parentOf(at);
    }
    if (missing > 0 && !times.has(at)) times.set(at, statx(at).modified);
  }
  const deepestFirst = [...absent].sort((a, b) => b.length - a.length);
  return {
    absent: deepestFirst,
    [Symbol.dispose]: () => {
      const after = new Map<BytePath, FileTime>();
      for (const path of deepestFirst) removeIfEmpty(path, times, after);
      for (const [folder, time] of after) ignoreMissing(() => setTimes(folder, undefined, time));
    },
  };
}

/** Removes one stub and notes which time its folder should have: the one before the run, unless the step wrote into it as well. */
function removeIfEmpty(path: BytePath, before: ReadonlyMap<BytePath, FileTime>, after: Map<BytePath, FileTime>): void {
  ignoreMissing(() => {
    const stat = statx(path);
    const isFolder = (stat.mode & S_IFMT) === S_IFDIR;
    const empty = isFolder ? readdirSync(fsPath(path)).length === 0 : (stat.mode & S_IFMT) === S_IFREG && stat.size === 0n;
    if (!empty) return;
    const folder = parentOf(path);
    const now = after.get(folder) ?? statx(folder).modified;
    const untouched = stat.born !== undefined && nanoseconds(now) <= nanoseconds(stat.born) + TICK;
    if (isFolder) rmdirSync(fsPath(path));
    else unlinkSync(fsPath(path));
    after.set(folder, untouched ? (before.get(folder) ?? now) : now);
  });
}

/** The folder's time and the stub's birth come from one system call, but from two looks at the clock. */
const TICK = 1_000_000n;

function nanoseconds(time: FileTime): bigint {
  return BigInt(time.seconds) * 1_000_000_000n + BigInt(time.nanoseconds);
}

function parentOf(path: BytePath): BytePath {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

function ignoreMissing(work: () => void): void {
  try {
    work();
  } catch (error) {
    const code = errnoOf(error);
    if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'ENOTEMPTY') throw error;
  }
}
