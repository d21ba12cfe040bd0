// Mounts without mounting, for the chroot rungs: what would be mounted is moved or written into the root for the time of the step, what was
// there is put aside, and afterwards everything goes back to its place.

import {
  chmodSync,
  closeSync,
  constants,
  ftruncateSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import type { AsyncDisposableStack } from '../base/index.ts';
import { type BytePath, errnoOf, fromBytePath, fsPath, SlipwayError } from '../base/index.ts';
import { type FileTime, mknod, resolveInRoot, S_IFCHR, setTimes, statx } from '../sys/index.ts';
import { listenForAgent, writeSecret } from './private-mounts.ts';
import type { BindMount, ProcessMount } from './process-spec.ts';

/** Where things go and where what they replace waits. */
interface Place {
  readonly root: BytePath;
  /** On the root's filesystem, outside it. */
  readonly aside: BytePath;
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

/** Puts everything in place; disposing `stack` undoes it, last first. Returns notices. */
export async function placeMounts(
  root: BytePath,
  files: readonly { readonly path: BytePath; readonly text: string }[],
  mounts: readonly ProcessMount[],
  rootInMemory: boolean,
  stack: AsyncDisposableStack,
): Promise<readonly string[]> {
  const place: Place = { root, aside: `${root}.aside`, stack };
  mkdirSync(fsPath(place.aside), { mode: 0o700 });
  stack.defer(() => rm(fsPath(place.aside), { recursive: true, force: true }));
  const notices: string[] = [];
  if (!placeDevices(place)) notices.push('no device nodes can be made here: the step has no /dev/null');
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
        put(place, mount.dest, (target) => writeSecret(fsPath(target), mount), wipe);
        if (!rootInMemory) notices.push(`the secret at ${fromBytePath(mount.dest)} was a file on disk for the time of the step`);
        break;
      case 'ssh': {
        const ready: string[] = [];
        put(place, mount.dest, (target) => void ready.push(fromBytePath(target)), remove);
        for (const target of ready) await listenForAgent(target, mount, stack);
        break;
      }
    }
  }
  return notices;
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
  put(
    place,
    mount.dest,
    (target) => move(mount.source, target),
    (target) => move(target, mount.source),
  );
}

/** False where devices are forbidden. */
function placeDevices(place: Place): boolean {
  for (const [name, major, minor] of DEVICES) {
    const { path, missing } = resolveInRoot(place.root, `/dev/${name}`);
    if (missing === 0 && lstatSync(fsPath(path)).isCharacterDevice()) continue;
    try {
      put(
        place,
        `/dev/${name}`,
        (target) => {
          mknod(target, S_IFCHR | 0o666, major, minor);
          chmodSync(fsPath(target), 0o666);
        },
        remove,
      );
    } catch (error) {
      if (errnoOf(error) === 'EPERM') return false;
      throw error;
    }
  }
  put(place, '/dev/shm', (target) => makeFolder(target, 0o1777), remove);
  return true;
}

/** Makes room at `dest`, lets `make` fill it, and defers the way back. */
function put(place: Place, dest: BytePath, make: (target: BytePath) => void, unmake: (target: BytePath) => void): void {
  const { root, aside, stack } = place;
  const { path, missing } = resolveInRoot(root, dest);
  if (path === root) throw new SlipwayError('MOUNT_UNSUPPORTED', `nothing can be mounted over ${fromBytePath(dest)} on this rung`);
  const made: BytePath[] = [];
  let parent = parentOf(path);
  for (let count = 1; count < missing; count += 1) {
    made.push(parent);
    parent = parentOf(parent);
  }
  const before = statx(parent).modified;
  stack.defer(() => restoreTime(parent, before));
  for (const folder of made.reverse()) {
    makeFolder(folder, 0o755);
    stack.defer(() => removeIfEmpty(folder));
  }
  if (missing === 0) {
    const waiting = `${aside}/${Math.random().toString(36).slice(2)}`;
    renameSync(fsPath(path), fsPath(waiting));
    stack.defer(() => renameSync(fsPath(waiting), fsPath(path)));
  }
  make(path);
  stack.defer(() => unmake(path));
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

/** A secret's bytes are overwritten before its name goes; whatever the step put in its place just goes. */
function wipe(path: BytePath): void {
  let fd: number;
  try {
    fd = openSync(fsPath(path), constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return remove(path);
  }
  try {
    const { size } = fstatSync(fd);
    if (fstatSync(fd).isFile()) writeSync(fd, Buffer.alloc(Math.min(size, 1 << 20)), 0, null, 0);
    ftruncateSync(fd, 0);
  } catch {
    // Replaced by something that cannot be written: it is removed all the same.
  } finally {
    closeSync(fd);
  }
  remove(path);
}

function parentOf(path: BytePath): BytePath {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}
