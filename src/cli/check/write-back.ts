// Writing a cured Dockerfile over the old one.

import {
  accessSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { errnoOf, SlipwayError } from '../../base/index.ts';

/**
 * Replaces a file's text at once: a reader sees the old or the new one. A symbolic link stays one; owner and mode stay. Where that cannot be
 * done by another file in its place (a file with several names, one that is mounted, a closed folder), it is written over. Throws
 * `FIX_REFUSED` when the file is not what `original` was read from: its bytes are no UTF-8, or somebody has changed it since; and when it
 * may not be written.
 */
export function writeBack(path: string, original: string, text: string): void {
  const file = realpathSync(path);
  if (!readFileSync(file).equals(Buffer.from(original, 'utf8'))) {
    throw new SlipwayError('FIX_REFUSED', `${path} is not written: it was changed meanwhile, or has bytes that are no UTF-8`, {
      hint: 'run the check again; convert the file to UTF-8 when it is in another encoding',
    });
  }
  try {
    // A new file in its place would need no permission of the old one.
    accessSync(file, constants.W_OK);
    const stat = statSync(file);
    if (stat.nlink > 1 || !replaceFile(file, text, stat)) writeFileSync(file, text);
  } catch (cause) {
    throw new SlipwayError('FIX_REFUSED', `${path} cannot be written: ${(cause as Error).message}`, {
      cause,
      hint: 'make it writable, or run without --fix and apply what is shown',
    });
  }
}

/** Puts another file in the place of one; false: that cannot be, or it would be somebody else's. */
function replaceFile(file: string, text: string, { uid, gid, mode }: Stats): boolean {
  const temporary = join(dirname(file), `.${basename(file)}.${process.pid}.tmp`);
  let fd: number | undefined;
  try {
    fd = openSync(temporary, 'wx', 0o600);
    writeFileSync(fd, text);
    fchownSync(fd, uid, gid);
    fchmodSync(fd, mode & 0o7777);
    closeSync(fd);
    fd = undefined;
    renameSync(temporary, file);
    return true;
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    if (errnoOf(error) !== 'EEXIST') rmSync(temporary, { force: true });
    if (['EPERM', 'EACCES', 'EBUSY', 'EROFS', 'EEXIST'].includes(errnoOf(error) ?? '')) return false;
    throw error;
  }
}
