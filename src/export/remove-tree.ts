// Taking away what is in the way in a user's folder. Node's own `rm` looks at a name and then goes into it by the same name, which may be
// a symlink to elsewhere by then: here each folder is opened first, and emptied through its descriptor.

import { closeSync, constants, existsSync, openSync, readdirSync, rmdirSync, rmSync, unlinkSync } from 'node:fs';
import { errnoOf } from '../base/index.ts';

const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
/** So often somebody may put something else there, or something new into it, meanwhile. */
const ATTEMPTS = 100;

const throughProc = existsSync('/proc/self/fd');

/** Removes a file, a symlink, or a folder with all that is in it; nothing is there: fine. `path` leads through nothing that may change but its last name. */
export function removeTree(path: string | Buffer): void {
  if (!throughProc) return rmSync(path, { recursive: true, force: true });
  for (let attempt = 1; ; attempt += 1) {
    try {
      if (removeFile(path)) return;
      empty(path);
      return rmdirSync(path);
    } catch (error) {
      const code = errnoOf(error) ?? '';
      if (code === 'ENOENT') return;
      if (attempt === ATTEMPTS || !['ENOTDIR', 'ELOOP', 'ENOTEMPTY', 'EEXIST'].includes(code)) throw error;
    }
  }
}

/** False: it is a folder. */
function removeFile(path: string | Buffer): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EISDIR') return false;
    throw error;
  }
}

function empty(path: string | Buffer): void {
  const fd = openSync(path, DIRECTORY);
  try {
    const folder = `/proc/self/fd/${fd}`;
    for (const name of readdirSync(folder, { encoding: 'buffer' })) removeTree(Buffer.concat([Buffer.from(`${folder}/`), name]));
  } finally {
    closeSync(fd);
  }
}
