// The end of a secret's file.

import { closeSync, constants, fstatSync, ftruncateSync, openSync, rmSync, writeSync } from 'node:fs';
import { type BytePath, fsPath } from '../base/index.ts';

/** Overwrites the bytes before the name goes; whatever a step put in its place just goes. */
export function wipeFile(path: BytePath): void {
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

function remove(path: BytePath): void {
  rmSync(fsPath(path), { force: true, recursive: true });
}
