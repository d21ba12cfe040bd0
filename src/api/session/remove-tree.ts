// Removes what a client made: folders may lie in folders as deep as a path can be long, which node's own recursion does not survive.
// Nobody else changes these folders meanwhile; for a user's folder, which somebody may, there is `export/remove-tree.ts`.

import { chmodSync, lstatSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { type BytePath, errnoOf, fsPath, toBytePath } from '../../base/index.ts';

/** Removes a file or folder with everything in it, without following links. Nothing there is fine. */
export function removeTree(path: BytePath): void {
  const open = [path];
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const folders = removeFiles(top);
    for (const folder of folders) open.push(folder);
    if (folders.length === 0) {
      removeEmpty(top);
      open.pop();
    }
  }
}

/** Removes what is no folder; returns the folders in it. */
function removeFiles(path: BytePath): BytePath[] {
  try {
    if (!lstatSync(fsPath(path)).isDirectory()) {
      unlinkSync(fsPath(path));
      return [];
    }
    const entries = readdirSync(openedUp(path), { withFileTypes: true, encoding: 'buffer' });
    const inside = (name: Buffer): BytePath => `${path}/${name.toString('latin1')}`;
    for (const entry of entries) if (!entry.isDirectory()) unlinkSync(fsPath(inside(entry.name)));
    return entries.filter((entry) => entry.isDirectory()).map((entry) => inside(entry.name));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** A folder may have been made without permission to change it, which binds everybody but root. */
function openedUp(path: BytePath): ReturnType<typeof fsPath> {
  const name = fsPath(path);
  if (process.getuid?.() !== 0) chmodSync(name, 0o700);
  return name;
}

function removeEmpty(path: BytePath): void {
  try {
    rmdirSync(fsPath(path));
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) throw error;
  }
}

/** The same for a path of ours. */
export function removeFolder(path: string): void {
  removeTree(toBytePath(path));
}
