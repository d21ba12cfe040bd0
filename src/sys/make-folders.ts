// Missing folders of a destination, and whether they could be made.

import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf } from '../base/index.ts';

/**
 * As `mkdir -p`; `mode` is that of the folders that were missing. Node's own never ends where the system says ENOENT for a name whose
 * parent exists (/proc): paths that a user names are made here.
 */
export function makeFolders(path: string, mode = 0o777): void {
  const failure = refusalOf(path, mode);
  if (failure === undefined) return;
  const parent = dirname(path);
  if (errnoOf(failure) !== 'ENOENT' || parent === path) throw failure;
  if (statSync(parent, { throwIfNoEntry: false }) === undefined) {
    makeFolders(parent, mode);
    makeFolders(path, mode); // somebody else may be making it, too
    return;
  }
  // Somebody made the folder above since we were told that there is none. Where the system makes no folders it says so again.
  const again = refusalOf(path, mode);
  if (again !== undefined) throw again;
}

/** Undefined: the folder is there now. */
function refusalOf(path: string, mode: number): Error | undefined {
  try {
    mkdirSync(path, mode);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST' || statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return error as Error;
  }
  return undefined;
}

/**
 * Throws what would keep a folder from being made or written into, as far as that shows beforehand: a file on the way (ENOTDIR), no right
 * to write (EACCES), a file system that may only be read (EROFS). Makes nothing.
 */
export function expectFolder(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  const parent = dirname(path);
  if (found === undefined && parent !== path) return expectFolder(parent);
  if (found?.isDirectory() === false) throw Object.assign(new Error(`ENOTDIR: not a directory, '${path}'`), { code: 'ENOTDIR' });
  accessSync(path, constants.W_OK | constants.X_OK);
}
