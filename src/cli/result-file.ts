// Files that a command writes when all is done (`--iidfile`, `--metadata-file`, reports), looked at before anything is.

import { accessSync, constants, statSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { SlipwayError } from '../base/index.ts';
import type { World } from './world.ts';

/** What keeps a file from being written, as far as that shows beforehand, and what to do about it. Undefined: nothing does. */
export function whyUnwritable(path: string): { readonly text: string; readonly hint: string } | undefined {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found?.isDirectory() === true) return { text: 'it is a folder', hint: 'name a file in it' };
    const folder = dirname(path);
    if (found === undefined && statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
      return { text: `there is no folder ${folder}`, hint: 'make the folder first' };
    accessSync(found === undefined ? folder : path, found === undefined ? constants.W_OK | constants.X_OK : constants.W_OK);
    return undefined;
  } catch (error) {
    return { text: (error as Error).message, hint: 'name a file that you may write' };
  }
}

/** Refuses a file about a build that could not be written when it is done. Throws `RESULT_FILE`. */
export function checkAside(flag: string, file: string | undefined, world: World): void {
  const reason = file === undefined ? undefined : whyUnwritable(resolve(world.cwd, file));
  if (reason === undefined) return;
  throw new SlipwayError('RESULT_FILE', `${flag} ${file} cannot be written: ${reason.text}`, { hint: reason.hint });
}

/** Writes a file about a build. Throws `RESULT_FILE`: the build itself is done by then. */
export function writeAside(flag: string, file: string, text: string, world: World): void {
  try {
    writeFileSync(resolve(world.cwd, file), text);
  } catch (error) {
    throw new SlipwayError('RESULT_FILE', `${flag} ${file} cannot be written: ${(error as Error).message}`, {
      hint: 'the build is done; run it again with another file, and it comes from the cache',
      cause: error,
    });
  }
}
