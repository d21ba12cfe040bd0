// What an entry says wherever it is put, and how a copy changes it.

import type { BytePath, Digest } from '../base/index.ts';
import type { Entry, RowChange } from '../layer/index.ts';

/** What an entry says but for its path and where some layer keeps its bytes. */
export type EntryMeta = Omit<Entry, 'path' | 'digest' | 'offset' | 'pack' | 'headerBytes' | 'opaque'>;

/** The entry that says `meta` at a path. Spelled out: of large copies there are many. */
export function placed(path: BytePath, meta: EntryMeta, digest?: Digest): Entry {
  const { kind, mode, uid, gid, size, mtime, mtimeNs } = meta;
  const entry: { -readonly [key in keyof Entry]: Entry[key] } = { path, kind, mode, uid, gid, size, mtime, mtimeNs };
  if (digest !== undefined) entry.digest = digest;
  if (meta.link !== undefined) entry.link = meta.link;
  if (meta.xattrs !== undefined) entry.xattrs = meta.xattrs;
  if (meta.devMajor !== undefined) entry.devMajor = meta.devMajor;
  if (meta.devMinor !== undefined) entry.devMinor = meta.devMinor;
  return entry;
}

/** An entry's facts as a copy leaves them. */
export function changed(entry: EntryMeta, { uid, gid, mode, time }: RowChange): EntryMeta {
  if (uid === entry.uid && gid === entry.gid && mode === undefined && time === undefined) return entry;
  const bits = mode === undefined || entry.kind === 'symlink' ? entry.mode : mode(entry.mode, entry.kind === 'dir');
  const { mtime, mtimeNs } = time ?? entry;
  return { ...entry, mode: bits, uid, gid, mtime, mtimeNs };
}
