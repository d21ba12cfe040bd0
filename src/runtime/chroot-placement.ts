// Mounts without mounting, for the chroot rungs: what would be mounted is moved or written into the root for the time of the step, what was
// there is put aside, and afterwards everything goes back to its place.

import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import type { AsyncDisposableStack } from '../base/index.ts';
import { type BytePath, errnoOf, fromBytePath, fsPath, SlipwayError } from '../base/index.ts';
import { type FileTime, mknod, S_IFCHR, setTimes, statx } from '../sys/index.ts';
import { Anchors } from './anchor.ts';
import { listenForAgent, writeSecret } from './private-mounts.ts';
import type { BindMount, ProcessMount } from './process-spec.ts';
import { wipeFile } from './wipe.ts';

/** Where things go and where what they replace waits. */
interface Place {
  readonly root: BytePath;
  /** On the root's filesystem, outside it. */
  readonly aside: BytePath;
  readonly anchors: Anchors;
  readonly stack: AsyncDisposableStack;
}

/** Devices that programs cannot do without: name, major, minor. */
const DEVICES = [
  ['null', 1, 3],
  ['zero', 1, 5],
  ['full', 1, 7],
  ['random', 1, 8],
  ['urandom', 1, 9],
  ['tty', 5, 0],
] as const;

/** What was put in place. */
export interface Placement {
  /** For people. */
  readonly notices: readonly string[];
  /** Paths in the root of files that hold secrets as long as the step lasts. */
  readonly secretFiles: readonly BytePath[];
}

const NO_DEVICES =
  'no device nodes can be had here (CAP_MKNOD): /dev/null, /dev/zero and /dev/urandom were plain files for the time of the step';

const STAND_IN_BYTES = 1 << 20;

/** Puts everything in place; disposing `stack` undoes it, last first. */
export async function placeMounts(
  root: BytePath,
  files: readonly { readonly path: BytePath; readonly text: string }[],
  mounts: readonly ProcessMount[],
  rootInMemory: boolean,
  stack: AsyncDisposableStack,
): Promise<Placement> {
  const place: Place = { root, aside: `${root}.aside`, anchors: stack.use(new Anchors()), stack };
  mkdirSync(fsPath(place.aside), { mode: 0o700 });
  stack.defer(() => rm(fsPath(place.aside), { recursive: true, force: true }));
  const notices: string[] = [];
  const secretFiles: BytePath[] = [];
  if (!placeDevices(place)) notices.push(NO_DEVICES);
  for (const { path, text } of files) {
    put(place, path, (target) => makeFile(target, text), remove);
  }
  for (const mount of mounts) {
    switch (mount.type) {
      case 'bind':
        placeBind(place, mount);
        break;
      case 'tmpfs':
        put(place, mount.dest, (target) => makeFolder(target, 0o1777), remove);
        break;
      case 'secret':
        put(
          place,
          mount.dest,
          (target) => {
            secretFiles.push(mount.dest);
            writeSecret(fsPath(target), mount);
          },
          wipeFile,
        );
        if (!rootInMemory) notices.push(onDisk(fromBytePath(mount.dest)));
        break;
      case 'ssh': {
        const ready: string[] = [];
        put(place, mount.dest, (target) => void ready.push(target), remove);
        for (const target of ready) await listenForAgent(target, mount, stack);
        break;
      }
    }
  }
  return { notices, secretFiles };
}

function onDisk(dest: string): string {
  return `the secret at ${dest} was a file on disk for the time of the step, readable by its user alone; as a variable (env=NAME) it stays in memory`;
}

/** The folder itself is moved in, and back with what the step did to it. */
function placeBind(place: Place, mount: BindMount): void {
  const move = (from: BytePath, to: BytePath): void => {
    try {
      renameSync(fsPath(from), fsPath(to));
    } catch (cause) {
      if (errnoOf(cause) !== 'EXDEV') throw cause;
      throw new SlipwayError(
        'MOUNT_UNSUPPORTED',
        `${fromBytePath(mount.source)} cannot be mounted on this rung: it is on another filesystem`,
        { cause },
      );
    }
  };
  const isFolder = statSync(fsPath(mount.source)).isDirectory();
  put(
    place,
    mount.dest,
    (target) => move(mount.source, target),
    (target) => {
      try {
        move(target, mount.source);
      } catch (error) {
        // A real mount point cannot be removed, only what is in it.
        if (errnoOf(error) !== 'ENOENT') throw error;
        if (isFolder) mkdirSync(fsPath(mount.source));
        else writeFileSync(fsPath(mount.source), '');
      }
    },
  );
}

/** False where devices are forbidden, or do nothing on the root's filesystem: then plain files stand in, so that what is written there is no content. */
function placeDevices(place: Place): boolean {
  const real = devicesWork(place);
  for (const [name, major, minor] of DEVICES) {
    if (real && isDevice(place, name)) continue;
    const make = (target: BytePath): void => (real ? makeDevice(target, major, minor) : makeStandIn(target, name));
    put(place, `/dev/${name}`, make, remove);
  }
  put(place, '/dev/shm', (target) => makeFolder(target, 0o1777), remove);
  return real;
}

function isDevice({ root, anchors }: Place, name: string): boolean {
  const { folder, names, there } = anchors.place(root, `/dev/${name}`);
  return there && names.length === 1 && lstatSync(fsPath(`${folder}/${names[0]}`)).isCharacterDevice();
}

function makeDevice(target: BytePath, major: number, minor: number): void {
  mknod(target, S_IFCHR | 0o666, major, minor);
  chmodSync(fsPath(target), 0o666);
}

/** Tried beside the root: mknod may be refused (EPERM), and so may be opening what it made (EACCES, on a mount without devices). */
function devicesWork({ aside }: Place): boolean {
  const probe = `${aside}/null`;
  try {
    makeDevice(probe, 1, 3);
    closeSync(openSync(fsPath(probe), constants.O_WRONLY));
    return true;
  } catch (error) {
    if (!['EPERM', 'EACCES', 'ENXIO'].includes(errnoOf(error) ?? '')) throw error;
    return false;
  } finally {
    remove(probe);
  }
}

/** Random bytes for who wants some, zeros for who wants those, and an empty file for all that is thrown away. */
function makeStandIn(target: BytePath, name: string): void {
  const bytes = name.endsWith('random')
    ? randomBytes(STAND_IN_BYTES)
    : Buffer.alloc(name === 'zero' || name === 'full' ? STAND_IN_BYTES : 0);
  writeFileSync(fsPath(target), bytes, { flag: 'wx' });
  chmodSync(fsPath(target), 0o666);
}

/**
 * Makes room at `dest`, lets `make` fill it, and defers the way back. Both are given a path by a descriptor of its folder, so that the way back
 * is the same whatever the step did to the folders above.
 */
function put(place: Place, dest: BytePath, make: (target: BytePath) => void, unmake: (target: BytePath) => void): void {
  const { root, aside, anchors, stack } = place;
  const { folder: first, names, there, path } = anchors.place(root, dest);
  const last = names.at(-1);
  if (last === undefined) throw new SlipwayError('MOUNT_UNSUPPORTED', `nothing can be mounted over ${fromBytePath(dest)} on this rung`);
  if (there && names.length > 1)
    throw new SlipwayError(
      'MOUNT_UNSUPPORTED',
      `nothing can be mounted at ${fromBytePath(dest)}: what is above it in the root is no directory`,
    );
  const before = statx(`${first}/.`).modified;
  stack.defer(() => restoreTime(`${first}/.`, before));
  let folder = first;
  for (const [index, name] of names.slice(0, -1).entries()) {
    const made = `${folder}/${name}`;
    makeFolder(made, 0o755);
    stack.defer(() => removeIfEmpty(made));
    folder = anchors.below(folder, name, [path, ...names.slice(0, index + 1)].join('/'));
  }
  const target = `${folder}/${last}`;
  if (there) {
    const waiting = `${aside}/${Math.random().toString(36).slice(2)}`;
    renameSync(fsPath(target), fsPath(waiting));
    stack.defer(() => restore(waiting, target));
  }
  make(target);
  stack.defer(() => unmake(target));
}

/** Back to its place; where the step removed the folder around it, it is gone with that. */
function restore(waiting: BytePath, target: BytePath): void {
  try {
    renameSync(fsPath(waiting), fsPath(target));
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

function makeFile(path: BytePath, text: string): void {
  writeFileSync(fsPath(path), text, { flag: 'wx' });
  chmodSync(fsPath(path), 0o644);
}

function makeFolder(path: BytePath, mode: number): void {
  mkdirSync(fsPath(path), { mode: 0o700 });
  chmodSync(fsPath(path), mode);
}

/** Only our own coming and going is undone: a step that wrote there as well has left a later time, which a second look cannot tell from ours. */
function restoreTime(path: BytePath, time: FileTime): void {
  try {
    setTimes(path, undefined, time);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

function remove(path: BytePath): void {
  rmSync(fsPath(path), { force: true, recursive: true });
}

function removeIfEmpty(path: BytePath): void {
  try {
    if (lstatSync(fsPath(path)).isDirectory()) rmdirSync(fsPath(path));
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTEMPTY') throw error;
  }
}
