// Where a directory's times tell whether it lists what it did.

import { statfsSync } from 'node:fs';

/** Filesystems of this machine that give a directory new times whenever a name in it is made, removed or renamed (linux/magic.h). */
const TELLING: ReadonlySet<number> = new Set([
  0xef53, // ext2, ext3, ext4
  0x5846_5342, // xfs
  0x9123_683e, // btrfs
  0xf2f5_2010, // f2fs
  0x2fc1_2fc1, // zfs
  0xca45_1a4e, // bcachefs
  0x0102_1994, // tmpfs
  0x794c_7630, // overlayfs
]);

/** Of others (FUSE, 9p, network filesystems) that is not known: there every directory is listed. */
export function showsNewNames(path: string): boolean {
  try {
    return TELLING.has(statfsSync(path).type >>> 0);
  } catch {
    return false;
  }
}
