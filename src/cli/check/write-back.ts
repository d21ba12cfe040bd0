// Writing a cured Dockerfile over the old one.

import { chmodSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { SlipwayError } from '../../base/index.ts';

/**
 * Replaces a file's text at once: a reader sees the old or the new one. A symbolic link stays one; the mode stays. Throws `FIX_REFUSED`
 * when the file is not what `original` was read from: its bytes are no UTF-8, or somebody has changed it since.
 */
export function writeBack(path: string, original: string, text: string): void {
  const file = realpathSync(path);
  if (!readFileSync(file).equals(Buffer.from(original, 'utf8'))) {
    throw new SlipwayError('FIX_REFUSED', `${path} is not written: it was changed meanwhile, or has bytes that are no UTF-8`, {
      hint: 'run the check again; convert the file to UTF-8 when it is in another encoding',
    });
  }
  const temporary = join(dirname(file), `.${basename(file)}.${process.pid}.tmp`);
  try {
    writeFileSync(temporary, text, { flag: 'wx' });
    chmodSync(temporary, statSync(file).mode & 0o7777);
    renameSync(temporary, file);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw new SlipwayError('FIX_REFUSED', `${path} cannot be written: ${(cause as Error).message}`, {
      cause,
      hint: 'make its folder writable, or run without --fix and apply what is shown',
    });
  }
}
