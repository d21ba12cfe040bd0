// Mount points in a root filesystem that must not end up in the image.

import { chmodSync, mkdirSync, readdirSync, rmdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { type BytePath, errnoOf, fsPath } from '../base/index.ts';
import { type FileTime, S_IFDIR, S_IFMT, S_IFREG, setTimes, statx } from '../sys/index.ts';
import { Anchors } from './anchor.ts';
import type { MountPoint } from './process-spec.ts';

/** Always there in a container. */
const SYSTEM_POINTS: readonly MountPoint[] = [
  { path: '/dev', kind: 'dir', lasting: true },
  { path: '/proc', kind: 'dir', lasting: true },
  { path: '/sys', kind: 'dir', lasting: true },
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
  try {
    return new Stubs(root, points, anchors);
  } catch (error) {
    anchors[Symbol.dispose]();
    throw error;
  }
}

class Stubs implements MountStubs {
  readonly #anchors: Anchors;
  /** Times of folders before anything was made in them, by paths that stay right (see anchor.ts), as all paths here. */
  readonly #before = new Map<BytePath, FileTime>();
  readonly #after: ReadonlyMap<BytePath, bigint>;
  readonly #made: Stub[] = [];

  constructor(root: BytePath, points: readonly MountPoint[], anchors: Anchors) {
    this.#anchors = anchors;
    for (const point of points) this.#make(root, point);
    // Only our own coming has been seen in these folders so far.
    this.#after = new Map([...this.#before.keys()].map((folder) => [folder, nanoseconds(timeOf(folder))] as const));
    this.#made.reverse();
  }

  get made(): readonly BytePath[] {
    return this.#made.map(({ path }) => path);
  }

  [Symbol.dispose](): void {
    try {
      const folders = new Map<BytePath, FileTime>();
      for (const stub of this.#made) removeIfEmpty(stub, folders);
      for (const [folder, now] of folders) {
        const untouched = this.#after.get(folder) === nanoseconds(now);
        ignoreMissing(() => setTimes(`${folder}/.`, undefined, untouched ? (this.#before.get(folder) ?? now) : now));
      }
    } finally {
      this.#anchors[Symbol.dispose]();
    }
  }

  #make(root: BytePath, { path, kind, mode }: MountPoint): void {
    const place = this.#anchors.place(root, path);
    // It is there, or what is there is in its way: the runtime will say so.
    if (place.there) return;
    if (!this.#before.has(place.folder)) this.#before.set(place.folder, timeOf(place.folder));
    let { folder, path: at } = place;
    for (const [index, name] of place.names.entries()) {
      if (index > 0) folder = this.#anchors.below(folder, place.names[index - 1] as BytePath, at);
      const isLast = index === place.names.length - 1;
      const entry = `${folder}/${name}`;
      at = `${at}/${name}`;
      if (!makeStub(entry, isLast ? kind : 'dir', isLast ? mode : undefined)) return;
      this.#made.push({ path: at, entry, folder });
    }
  }
}

/** One thing that was made, reached through its folder whatever that is called later. */
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
    if (!folders.has(folder)) folders.set(folder, timeOf(folder));
    if (isFolder) rmdirSync(fsPath(path));
    else unlinkSync(fsPath(path));
  });
}

function nanoseconds(time: FileTime): bigint {
  return BigInt(time.seconds) * 1_000_000_000n + BigInt(time.nanoseconds);
}

function timeOf(folder: BytePath): FileTime {
  return statx(`${folder}/.`).modified;
}

function ignoreMissing(work: () => void): void {
  try {
    work();
  } catch (error) {
    const code = errnoOf(error);
    if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'ENOTEMPTY') throw error;
  }
}
