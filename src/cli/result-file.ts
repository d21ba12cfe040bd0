// Files that a command writes when all is done (`--iidfile`, `--metadata-file`, reports), looked at before anything is.

import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';

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
