// What a layer says about one path. A layer is a list of these, sorted; the bytes of files live elsewhere.

import type { BytePath, Digest } from '../base/index.ts';

/** Kinds of entries. `whiteout` removes the path of that name in the layers below (OCI image spec, layer: whiteouts). */
export type EntryKind = 'file' | 'dir' | 'symlink' | 'hardlink' | 'char' | 'block' | 'fifo' | 'socket' | 'whiteout';

/** One path of a layer. Paths are relative to the root, without leading or trailing `/`; the root itself is `''`. */
export interface Entry {
  readonly path: BytePath;
  readonly kind: EntryKind;
  /** Permission bits with setuid, setgid and sticky (0o7777). */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of a file; 0 for everything else. */
  readonly size: number;
  /** Whole seconds since the epoch (may be negative), and nanoseconds 0…999,999,999. */
  readonly mtime: number;
  readonly mtimeNs: number;
  /** Symlink: the target as written. Hardlink: path in the same layer of the entry it shares (which is earlier in order or not). */
  readonly link?: BytePath;
  readonly devMajor?: number;
  readonly devMinor?: number;
  /** Extended attributes, values as latin1 of the bytes; sorted by name when written. */
  readonly xattrs?: Readonly<Record<string, string>>;
  /** A directory that hides everything that lower layers have below it. */
  readonly opaque?: boolean;
  /** sha256 of a file's bytes. Always present in a committed layer's index. */
  readonly digest?: Digest;
  /** Where the bytes start in the layer's uncompressed tar or pack, when it exists as one. */
  readonly offset?: number;
  /** Which of the layer's packs `offset` counts in; absent: the first. */
  readonly pack?: number;
  /** The so many bytes before `offset` are this entry's tar header as we write it: then bytes can be taken over in runs. */
  readonly headerBytes?: number;
}

/** Order of entries: bytewise by path components (`a`, `a/b`, `a.b`): a directory right before what is in it. */
export function compareEntryPaths(a: BytePath, b: BytePath): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    const x = a.charCodeAt(index);
    const y = b.charCodeAt(index);
    if (x !== y) return (x === 47 ? -1 : x) - (y === 47 ? -1 : y);
  }
  return a.length - b.length;
}
