// Owners and modes that the disk cannot hold: where files cannot be given away, everything on disk is ours. Files and folders carry who they
// belong to in an attribute, which goes with them when a step renames or changes them, and not when it makes new ones in their place. What can
// have no such attribute (symlinks, devices) keeps what the layers below say of its path.

import type { Entry } from './entry.ts';
import type { Tree } from './tree.ts';

/** Never part of a layer. */
export const OWNER_NOTE = 'user.slipway.owner';

/** What is noted of an entry on disk, for a process that is `uid:gid`; undefined: the disk says it all. Bytes as in `Entry.xattrs`. */
export function ownerNote(entry: Entry, uid: number, gid: number): string | undefined {
  if (entry.uid === uid && entry.gid === gid && entry.mode === loosened(entry)) return undefined;
  return `${entry.uid}:${entry.gid}:${entry.mode.toString(8)}`;
}

/** The mode that an entry has on disk, so that we can read what is ours. */
export function loosened({ kind, mode }: Pick<Entry, 'kind' | 'mode'>): number {
  return mode | (kind === 'dir' ? 0o700 : kind === 'file' ? 0o600 : 0);
}

/** Owner and mode of what was found with a note on disk: the noted mode counts unless a step changed it. A note that is none of ours says nothing. */
export function notedOwner(
  note: string | undefined,
  found: Pick<Entry, 'kind' | 'mode' | 'uid' | 'gid'>,
): Pick<Entry, 'uid' | 'gid' | 'mode'> | undefined {
  const [, uid, gid, octal] = /^(\d{1,10}):(\d{1,10}):([0-7]{1,4})$/.exec(note ?? '') ?? [];
  if (uid === undefined || gid === undefined || octal === undefined || Number(uid) > MAX_ID || Number(gid) > MAX_ID) return undefined;
  const mode = Number.parseInt(octal, 8);
  return { uid: Number(uid), gid: Number(gid), mode: found.mode === loosened({ kind: found.kind, mode }) ? mode : found.mode };
}

const MAX_ID = 0xffff_fffe;

/** The entry of a folder that was written without the right to chown (`FolderRights.owners` false), of a kind that can carry no note. */
export function withKeptOwner(entry: Entry, below: Tree): Entry {
  if (entry.kind === 'whiteout' || entry.kind === 'file' || entry.kind === 'dir' || entry.kind === 'hardlink') return entry;
  const old = below.lookup(entry.path);
  if (old === undefined || old.kind !== entry.kind) return entry;
  return { ...entry, uid: old.uid, gid: old.gid };
}
