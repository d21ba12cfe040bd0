// COPY: what `cp -a` would do, on trees instead of mounted folders. The rules are those of BuildKit's copy, top level and below.

import { baseName, type BytePath, parentPath, SlipwayError } from '../base/index.ts';
import type { CopyAction } from '../graph/index.ts';
import type { Entry, RowChange, Tree } from '../layer/index.ts';
import { FolderTree } from '../source/index.ts';
import { copyFilters, type CopyFilters, type CopyMatch, findMatches, missing, walkMatch } from './copy-walk.ts';
import { hasWildcards } from '../dockerfile/index.ts';
import { changed, type EntryMeta } from './entry-meta.ts';
import { type EntryTime, makeDirectories, shown } from './file-actions.ts';
import { type Draft, type DraftNode, type Inode, sourceOf } from './file-draft.ts';
import { type ModeChange, parseModeChange } from './file-mode.ts';
import type { Ids } from './file-owner.ts';
import { cleanPath, resolvePath } from './file-path.ts';

/** Takes an archive apart instead of copying it, when it is one. */
export type Unpack = (draft: Draft, tree: Tree, entry: Entry, directory: BytePath, owner: Ids | undefined) => boolean;

/** What a copy needs beside its action. */
export interface CopySurroundings {
  readonly source: Tree;
  readonly owner: Ids | undefined;
  /** For what is made without a time of its own: directories on the way. */
  readonly now: EntryTime;
  readonly unpack: Unpack;
}

/** A copy of all that is there, as it is. */
export const COPY_EVERYTHING: CopyAction = {
  kind: 'copy',
  src: '/',
  dest: '/',
  followSymlink: false,
  dirCopyContents: true,
  attemptUnpack: false,
  createDestPath: true,
  allowWildcard: false,
  allowEmptyWildcard: false,
  includePatterns: [],
  excludePatterns: [],
  alwaysReplaceExistingDestPaths: false,
  requiredPaths: [],
};

/** Applies a copy to the draft. */
export function copy(draft: Draft, action: CopyAction, around: CopySurroundings): void {
  const source = action.src;
  const wildcard = action.allowWildcard && hasWildcards(action.src);
  const matches = findMatches(around.source, source, { wildcard, followLinks: action.followSymlink });
  if (matches.length === 0) {
    if (wildcard && action.allowEmptyWildcard) return;
    throw missing(cleanPath(source));
  }
  const copier = new Copier(draft, action, around);
  for (const match of matches) copier.copyMatch(match);
}

/** A directory of the source that is being copied. `done`: it is in the destination. */
interface OpenDirectory {
  readonly entry: Entry;
  readonly node: DraftNode;
  readonly created: boolean;
  readonly atTop: boolean;
  readonly before: Entry | undefined;
  done: boolean;
}

class Copier {
  readonly #draft: Draft;
  readonly #action: CopyAction;
  readonly #around: CopySurroundings;
  readonly #filters: CopyFilters;
  readonly #mode: ModeChange | undefined;
  readonly #time: EntryTime | undefined;

  constructor(draft: Draft, action: CopyAction, around: CopySurroundings) {
    this.#draft = draft;
    this.#action = action;
    this.#around = around;
    this.#filters = copyFilters(action);
    this.#mode = action.mode === undefined ? undefined : parseModeChange(action.mode);
    this.#time = action.timestamp === undefined ? undefined : { mtime: action.timestamp, mtimeNs: 0 };
  }

  copyMatch(match: CopyMatch): void {
    const dest = this.#action.dest;
    if (this.#action.attemptUnpack && match.entry.kind === 'file' && this.#unpack(match, dest)) return;
    if (!this.#action.createDestPath) this.#needParent(dest);
    // `/a/b` needs `/a`, `/a/b/` and `/a/b/.` need `/a/b`; seen before symlinks are resolved.
    const asDirectory = /(^|\/)\.?$/.test(dest);
    this.#makeDirectories(resolvePath(this.#draft, asDirectory ? dest : parentPath(dest), { followLast: true }));
    const target = this.#placeFor(match, resolvePath(this.#draft, dest, { followLast: true }));
    this.#copyTree(match, target);
  }

  /** Where the match goes, its parents made: into the directory that is there, or to the very path. */
  #placeFor(match: CopyMatch, dest: BytePath): DraftNode {
    const isDirectory = match.entry.kind === 'dir';
    const contents = this.#action.dirCopyContents;
    const there = this.#draft.lookup(dest);
    const inside = isDirectory ? !contents && there !== undefined : there?.kind === 'dir';
    let place = dest;
    if (inside && baseName(match.named) !== '') place = dest === '' ? baseName(match.named) : `${dest}/${baseName(match.named)}`;
    const made = isDirectory && contents && there === undefined ? place : parentPath(place);
    this.#makeDirectories(made);
    return this.#draft.at(place);
  }

  #copyTree(match: CopyMatch, target: DraftNode): void {
    const { source } = this.#around;
    const open: OpenDirectory[] = [];
    const links = new Map<string, Inode>();
    const nodeOf = (relative: BytePath): DraftNode =>
      relative === '' ? target : (open.at(-1) as OpenDirectory).node.child(baseName(relative));
    walkMatch(source, match, this.#filters, {
      enter: (entry, relative, selected) => {
        const node = nodeOf(relative);
        const atTop = relative === '';
        const before = node.entry;
        if (selected) {
          this.#replaceIfAsked(node, entry);
          this.#copyOpenDirectories(open, !atTop);
        }
        const created = selected && this.#copyDirectory(node, entry, !atTop);
        open.push({ entry, node, created, atTop, before, done: selected });
        return !this.#graft(node, entry);
      },
      leave: (entry, relative, selected) => {
        const { node, created, atTop, before } = open.pop() as OpenDirectory;
        if (selected && (!atTop || created)) this.#setInfo(node, entry);
        // The top directory that was there keeps all but its time.
        else if (atTop && before !== undefined) this.#setTime(node, entry);
      },
      leaf: (entry, relative) => {
        const node = nodeOf(relative);
        this.#replaceIfAsked(node, entry);
        this.#copyOpenDirectories(open, relative !== '');
        this.#copyLeaf(node, entry, links);
      },
    });
  }

  /** Makes the directories that were only walked through so far. */
  #copyOpenDirectories(open: readonly OpenDirectory[], overwrite: boolean): void {
    for (const directory of open) {
      if (directory.done) continue;
      directory.done = true;
      if (this.#copyDirectory(directory.node, directory.entry, overwrite)) this.#setInfo(directory.node, directory.entry);
    }
  }

  /** The directory itself, nothing in it. True: it is new. One that was there gets the source's mode if `overwrite`. */
  #copyDirectory(node: DraftNode, entry: Entry, overwrite: boolean): boolean {
    const there = node.entry;
    if (there === undefined) {
      node.put({ meta: { ...entry, uid: 0, gid: 0 } });
      return true;
    }
    if (there.kind !== 'dir') {
      throw new SlipwayError('COPY_ONTO_FILE', `cannot copy to non-directory: ${shown(node.path)}`, {
        hint: `${shown(node.path)} is a ${there.kind} in the destination, but a directory in the source; remove it first or copy elsewhere`,
        facts: { path: shown(node.path), kind: there.kind },
      });
    }
    if (overwrite && there.mode !== entry.mode) node.put({ meta: { ...there, mode: entry.mode } });
    return false;
  }

  /** Puts all that is in a directory into an empty one, without looking at it. False: something may be different about a part of it. */
  #graft(node: DraftNode, entry: Entry): boolean {
    const { source } = this.#around;
    const { include, exclude } = this.#filters;
    if (!(source instanceof FolderTree) || include !== undefined || exclude !== undefined) return false;
    const count = source.countBelow(entry.path);
    if (count === undefined || count === 0 || node.names().length > 0) return false;
    node.graft({ tree: source, path: entry.path, change: this.#changeOf(entry), count });
    return true;
  }

  #copyLeaf(node: DraftNode, entry: Entry, links: Map<string, Inode>): void {
    if (node.kind === 'dir') {
      throw new SlipwayError('COPY_ONTO_DIRECTORY', `cannot replace to directory ${shown(node.path)} with file`, {
        hint: `${shown(node.path)} is a directory in the destination; remove it first or copy elsewhere`,
        facts: { path: shown(node.path) },
      });
    }
    const key = entry.kind === 'file' ? this.#around.source.linkKey(entry) : undefined;
    const linked = key === undefined ? undefined : links.get(key);
    const inode: Inode = linked ?? {
      meta: this.#infoOf(entry),
      bytes: entry.kind === 'file' ? sourceOf(this.#around.source, entry) : undefined,
    };
    if (key !== undefined) links.set(key, inode);
    node.put(inode);
  }

  #replaceIfAsked(node: DraftNode, entry: Entry): void {
    if (!this.#action.alwaysReplaceExistingDestPaths || node.kind === undefined) return;
    if (node.kind !== 'dir' || entry.kind !== 'dir') node.remove();
  }

  /** Owner, mode, times and xattrs of the source; the xattrs that a directory here has stay too. */
  #setInfo(node: DraftNode, entry: Entry): void {
    const xattrs = { ...node.entry?.xattrs, ...entry.xattrs };
    node.put({ meta: { ...this.#infoOf(entry), ...(Object.keys(xattrs).length > 0 && { xattrs }) } });
  }

  #setTime(node: DraftNode, entry: Entry): void {
    const there = node.entry;
    if (there === undefined || node.path === '') return;
    // The root of a stack of layers has no time of its own.
    if (entry.path === '' && entry.mtime === 0 && this.#time === undefined) return;
    const time = this.#time ?? { mtime: entry.mtime, mtimeNs: entry.mtimeNs };
    if (time.mtime !== there.mtime || time.mtimeNs !== there.mtimeNs) node.put({ meta: { ...there, ...time } });
  }

  #infoOf(entry: Entry): EntryMeta {
    return changed(entry, this.#changeOf(entry));
  }

  #changeOf({ uid, gid }: Entry): RowChange {
    return { uid, gid, ...this.#around.owner, mode: this.#mode, time: this.#time };
  }

  #makeDirectories(path: BytePath): void {
    const mode = typeof this.#action.mode === 'number' ? this.#action.mode & 0o777 : 0o755;
    makeDirectories(this.#draft, path, { mode, owner: this.#around.owner, time: this.#time ?? this.#around.now });
  }

  #unpack(match: CopyMatch, dest: BytePath): boolean {
    const directory = resolvePath(this.#draft, dest, { followLast: true });
    return this.#around.unpack(this.#draft, this.#around.source, match.entry, directory, this.#around.owner);
  }

  #needParent(dest: BytePath): void {
    const parent = parentPath(resolvePath(this.#draft, dest, { followLast: true }));
    if (this.#draft.lookup(parent) !== undefined) return;
    throw new SlipwayError('PATH_MISSING', `failed to stat ${shown(cleanPath(this.#action.dest))}: ${shown(parent)} does not exist`);
  }
}
