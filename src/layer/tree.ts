// A read-only file tree: a stack of layers, or a user's folder. What copies, path digests and checks look at.

import type { BytePath, Digest } from '../base/index.ts';
import type { Entry } from './entry.ts';

/** Paths are relative to the root without leading `/`; `''` is the root. Nothing here follows symlinks. All calls are synchronous. */
export interface Tree {
  /** The entry at exactly this path, or undefined. Kind `hardlink` is resolved: the entry comes back as the file it shares. */
  lookup(path: BytePath): Entry | undefined;
  /** Names in a directory, sorted bytewise; empty for what is no directory. */
  list(path: BytePath): readonly BytePath[];
  /** Entries of what `list` names, in its order: for walks, where a tree has them at hand. */
  entries?(path: BytePath): readonly Entry[];
  /** Bytes of a file entry that this tree gave. Throws when the file changed since it was scanned. */
  open(entry: Entry): FileBytes;
  /** sha256 of a file entry's bytes (remembered, or computed now). */
  digest(entry: Entry): Digest;
  /** Key under which hardlinked entries are equal (`dev:ino`, layer and path); undefined when the file has one name. */
  linkKey(entry: Entry): string | undefined;
  /** All that is below the root, in the order of `list`, a directory before what is in it: where a tree knows a shorter way. */
  walk?(): Iterable<FoundEntry>;
}

/** An entry that a walk comes by, and what its tree says of it. */
export interface FoundEntry {
  readonly entry: Entry;
  /** As `Tree.linkKey`. */
  readonly linkKey: string | undefined;
  /** Opens the bytes of a file. */
  open(): FileBytes;
}

/** An open range of a file. */
export interface FileBytes extends Disposable {
  readonly fd: number;
  /** Where the bytes start in the file. */
  readonly offset: number;
  readonly size: number;
  /** The file is a complete one of ours: a layer may take it as a pack, by a hard link. */
  readonly pack?: OwnPack;
}

/** A file that nobody writes to any more, with bytes of files in it. */
export interface OwnPack {
  readonly path: string;
  /** The entry whose tar header stands right before the bytes, with its `headerBytes`. */
  readonly header?: Entry;
}

/** The sorted entries of one layer. */
export interface LayerIndex {
  /** In `compareEntryPaths` order, each path once. */
  readonly entries: readonly Entry[];
  /** Types, modes, owners, link targets, xattrs and bytes of all entries; never mtimes or offsets. */
  readonly contentDigest: Digest;
}
