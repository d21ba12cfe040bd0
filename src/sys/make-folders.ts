// Missing folders of a destination, and whether they could be made.

import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf } from '../base/index.ts';

/**
 * As `mkdir -p`; `mode` is that of the folders that were missing. Node's own never ends where the system says ENOENT for a name whose
 * parent exists (/proc): paths that a user names are made here.
 */
export function makeFolders(path: string, mode = 0o777): void {
  try {
    mkdirSync(path, mode);
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'EEXIST' && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
    const parent = dirname(path);
    if (code !== 'ENOENT' || parent === path || statSync(parent, { throwIfNoEntry: false }) !== undefined) throw error;
    makeFolders(parent, mode);
    makeFolders(path, mode); // somebody else may be making it, too
  }
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
