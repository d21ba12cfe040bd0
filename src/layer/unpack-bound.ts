// How much may come out of an archive of a given size. Gzip cannot pack better than 1:1032, so what promises more is a bomb, of
// another compression or of holes; a few gigabytes of it are still unpacked, as disk images are like that.

import { statfsSync } from 'node:fs';

const LARGEST_RATIO = 1100;
/** Bytes that any archive may have, however small it is. */
const ALWAYS = 4 * 2 ** 30;
/** Bytes that are tried though the disk has less: the disk's own word is the clearer one. */
const SMALL = 64 * 2 ** 20;
/** Tar headers come on top of the files. */
const HEADERS = 4 * 2 ** 30;

/** Most bytes of files that an archive of `size` bytes may unpack to, into the filesystem of `folder` when there is one. */
export function unpackBound(size: number, folder?: string): number {
  const sound = Math.max(ALWAYS, size * LARGEST_RATIO);
  if (folder === undefined) return sound;
  const { bavail, bsize } = statfsSync(folder);
  return Math.min(sound, Math.max(SMALL, bavail * bsize));
}

/** The same for the tar itself, headers included. */
export function tarBound(files: number): number {
  return files + HEADERS;
}
