// A path inside a folder that steps write to, as something to mount. A step that used the folder before, or uses it now, may have left any
// symlink on the way: none leads out of the folder.

import { mkdirSync, statSync } from 'node:fs';
import { type BytePath, errnoOf, fsPath } from '../base/index.ts';
import { dropTree, type HeldPlace, holdInRoot } from '../sys/index.ts';
import { unmountQuietly } from './overlay-mount.ts';
import { bindSelected, missingSource } from './overlay-view.ts';
import type { MountedView, MounterSettings } from './rootfs.ts';

/** Throws `MOUNT_SOURCE_MISSING` when the folder has no such path. */
export function openFolderView(within: BytePath, selector: BytePath, options: MounterSettings): MountedView {
  return options.mounts ? mountInFolder(within, selector, options) : holdInFolder(within, selector);
}

function mountInFolder(within: BytePath, selector: BytePath, options: MounterSettings): MountedView {
  const folder = options.tempFolder('view');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const targets: string[] = [];
  const release = (): Promise<void> => {
    for (const target of targets) unmountQuietly(target);
    return dropTree(folder);
  };
  try {
    const view = bindSelected(within, { selector, writable: true }, folder, targets);
    return { ...view, [Symbol.asyncDispose]: release };
  } catch (error) {
    void release();
    throw error;
  }
}

/** Where nothing can be mounted, and one step at a time has the folder: a path by a descriptor of the folder that the thing lies in. */
function holdInFolder(within: BytePath, selector: BytePath): MountedView {
  const held = hold(within, selector);
  try {
    const [name, ...more] = held.names;
    if (!held.there || more.length > 0) throw missingSource(selector);
    const path = name === undefined ? held.path : `${held.folder}/${name}`;
    return {
      path,
      kind: statSync(fsPath(path)).isDirectory() ? 'dir' : 'file',
      [Symbol.asyncDispose]: () => Promise.resolve(held[Symbol.dispose]()),
    };
  } catch (error) {
    held[Symbol.dispose]();
    throw error;
  }
}

function hold(within: BytePath, selector: BytePath): HeldPlace {
  try {
    return holdInRoot(within, selector);
  } catch (error) {
    if (errnoOf(error) === 'ELOOP') throw missingSource(selector, error);
    throw error;
  }
}
