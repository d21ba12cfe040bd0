// Mount points in a root filesystem that must not end up in the image.

import { chmodSync, mkdirSync, readdirSync, rmdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { type BytePath, errnoOf, fsPath } from '../base/index.ts';
import { type FileTime, resolveInRoot, S_IFDIR, S_IFMT, S_IFREG, setTimes, statx } from '../sys/index.ts';
import { Anchors } from './anchor.ts';
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
export function mountPointsOf(mounts: readonly MountPoint[]): readonly MountPoint[] {
  return [...SYSTEM_POINTS, ...mounts];
}

/** Stubs made for a run; disposing removes what the run left of them. */
export interface MountStubs extends Disposable {
  /** Paths that were made, deepest first. */
  readonly made: readonly BytePath[];
}

/**
 * Makes the mount points that `root` lacks, with the folders above them, before a runtime would. Disposed after the run: those that are still
 * empty are removed, and a folder that nobody else wrote into gets its time back, so that a layer does not show them. Filled ones
 * were the step's own doing and stay.
 */
export function makeMountStubs(root: BytePath, points: readonly MountPoint[]): MountStubs {
  const anchors = new Anchors();
  /** By the paths that the folders have now; the step may rename them. */
  const before = new Map<BytePath, FileTime>();
  const made: Stub[] = [];
  for (const { path, kind, mode } of points) {
    const { path: real, missing } = resolveInRoot(root, path);
    const absent: BytePath[] = [];
    let at = real;
    for (; absent.length < missing && at !== root; at = parentOf(at)) absent.push(at);
    if (absent.length === 0) continue;
    const folder = anchors.folder(at);
    if (!before.has(folder)) before.set(folder, statx(folder).modified);
    for (const stub of absent.reverse()) {
      const entry = anchors.entry(stub);
      if (!makeStub(entry, stub === real ? kind : 'dir', stub === real ? mode : undefined)) break;
      made.push({ path: stub, entry, folder: anchors.folder(parentOf(stub)) });
    }
  }
  // Only our own coming has been seen in these folders so far.
  const after = new Map([...before.keys()].map((folder) => [folder, nanoseconds(statx(folder).modified)] as const));
  made.sort((a, b) => b.path.length - a.path.length);
  return {
    made: made.map(({ path }) => path),
    [Symbol.dispose]: () => {
      try {
        const folders = new Map<BytePath, FileTime>();
        for (const stub of made) removeIfEmpty(stub, folders);
        for (const [folder, now] of folders) {
          const untouched = after.get(folder) === nanoseconds(now);
          ignoreMissing(() => setTimes(folder, undefined, untouched ? (before.get(folder) ?? now) : now));
        }
      } finally {
        anchors[Symbol.dispose]();
      }
    },
  };
}

/** One thing that was made, reached through its folder whatever that is called later (see anchor.ts). */
interface Stub {
  readonly path: BytePath;
  readonly entry: BytePath;
  readonly folder: BytePath;
}

/** False: something stands in the way, or the root cannot be written; the runtime will say what is wrong. */
function makeStub(path: BytePath, kind: MountPoint['kind'], mode: number | undefined): boolean {
  try {
    if (kind === 'dir') mkdirSync(fsPath(path));
    else writeFileSync(fsPath(path), '', { flag: 'wx' });
    // The umask must not take anything away.
    chmodSync(fsPath(path), mode ?? (kind === 'dir' ? 0o755 : 0o644));
    return true;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
}

/** Removes one stub; `folders` keeps the time that its folder had before anything was removed from it. */
function removeIfEmpty({ entry: path, folder }: Stub, folders: Map<BytePath, FileTime>): void {
  ignoreMissing(() => {
    const stat = statx(path);
    const isFolder = (stat.mode & S_IFMT) === S_IFDIR;
    const empty = isFolder ? readdirSync(fsPath(path)).length === 0 : (stat.mode & S_IFMT) === S_IFREG && stat.size === 0n;
    if (!empty) return;
    if (!folders.has(folder)) folders.set(folder, statx(folder).modified);
    if (isFolder) rmdirSync(fsPath(path));
    else unlinkSync(fsPath(path));
  });
}

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
