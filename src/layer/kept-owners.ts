// Owners and modes that the disk could not hold: where files cannot be given away, everything on disk is ours, and what the layers below
// say still counts.

import type { Entry } from './entry.ts';
import type { Tree } from './tree.ts';

/**
 * The entry of a folder that was written without the right to chown (`FolderRights.owners` false), with the owner that the tree below
 * has for it, and its mode unless the step changed it.
 */
export function withKeptOwner(entry: Entry, below: Tree): Entry {
  const old = entry.kind === 'whiteout' ? undefined : below.lookup(entry.path);
  if (old === undefined || old.kind !== entry.kind) return entry;
  // As FolderForm loosens it, so that we can read what is ours.
  const onDisk = old.mode | (entry.kind === 'dir' ? 0o700 : entry.kind === 'file' ? 0o600 : 0);
  return { ...entry, uid: old.uid, gid: old.gid, mode: entry.mode === onDisk ? old.mode : entry.mode };
}
