// Missing folders of a destination.

import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf } from '../base/index.ts';

/** As `mkdir -p`. Node's own never ends where the system says ENOENT for a name whose parent exists (/proc). */
export function makeFolders(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'EEXIST' && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
    const parent = dirname(path);
    if (code !== 'ENOENT' || parent === path || statSync(parent, { throwIfNoEntry: false }) !== undefined) throw error;
    makeFolders(parent);
    makeFolders(path); // somebody else may be making it, too
  }
}
