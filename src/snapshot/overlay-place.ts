// The folders that an overlay mount needs.

import { chmodSync, chownSync, mkdirSync, statSync } from 'node:fs';
import { errnoOf, SlipwayError } from '../base/index.ts';

/** Folders of one mount. */
export interface OverlayPlace {
  readonly upper: string;
  readonly work: string;
  readonly merged: string;
}

/** Makes the folders. The upper one is what a process sees as `/`, so it has the mode and the owner of a root folder. */
export function makePlace(folder: string, lowers: readonly string[]): OverlayPlace {
  const place = { upper: `${folder}/upper`, work: `${folder}/work`, merged: `${folder}/merged` };
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const path of Object.values(place)) mkdirSync(path);
  chmodSync(place.upper, 0o755);
  const top = lowers.at(-1);
  if (top !== undefined) {
    const { uid, gid } = statTop(top);
    if (uid !== process.geteuid?.() || gid !== process.getegid?.()) ownQuietly(place.upper, uid, gid);
  }
  return place;
}

/** An owner that is not mapped into our user namespace cannot be given: the root folder stays ours. */
function ownQuietly(path: string, uid: number, gid: number): void {
  try {
    chownSync(path, uid, gid);
  } catch (error) {
    if (errnoOf(error) !== 'EINVAL' && errnoOf(error) !== 'EPERM') throw error;
  }
}

function statTop(folder: string): { readonly uid: number; readonly gid: number } {
  try {
    return statSync(folder);
  } catch (cause) {
    throw new SlipwayError('LAYER_FOLDER_MISSING', `the folder of a layer is gone: ${folder}`, {
      cause,
      hint: 'check the store: slipway store check',
    });
  }
}
