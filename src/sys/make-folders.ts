// Missing folders of a destination.

import { mkdirSync, statSync } from 'node:fs';
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
