// The plain file actions: make directories, files and symlinks, remove.

import { baseName, type BytePath, fromBytePath, parentPath, SlipwayError } from '../base/index.ts';
import type { MkdirAction, MkfileAction, RmAction, SymlinkAction } from '../graph/index.ts';
import { compilePathGlob, splitWildcard } from './file-glob.ts';
import type { EntryMeta } from './entry-meta.ts';
import { type Draft, DraftTree, type DraftNode } from './file-draft.ts';
import type { Ids } from './file-owner.ts';
import { joinPath, resolvePath } from './file-path.ts';

/** A point in time as entries have it. */
export interface EntryTime {
  readonly mtime: number;
  readonly mtimeNs: number;
}

/** Attributes for what an action makes anew. */
export interface NewEntry {
  readonly mode: number;
  readonly owner: Ids | undefined;
  readonly time: EntryTime;
}

/** Makes the directory and what is missing above it. `path` is resolved: symlinks in it are in the way. Existing ones stay as they are. */
export function makeDirectories(draft: Draft, path: BytePath, made: NewEntry): DraftNode {
  let node = draft.root;
  if (path === '') return node;
  for (const name of path.split('/')) {
    const above = node.entry;
    node = node.child(name);
    const kind = node.entry?.kind;
    if (kind === 'dir') continue;
    if (kind !== undefined) {
      throw new SlipwayError('PATH_NOT_DIRECTORY', `mkdir ${shown(node.path)}: not a directory`, {
        hint: `${shown(node.path)} is a ${kind} in the destination`,
        facts: { path: shown(node.path), kind },
      });
    }
    node.put({ meta: { kind: 'dir', size: 0, ...bornIn(above, made), ...made.time } });
  }
  return node;
}

/** Mode and owner of a new directory. One with setgid hands its group and that bit on, as the kernel has it. */
function bornIn(above: EntryMeta | undefined, { mode, owner }: NewEntry): Ids & { readonly mode: number } {
  const setgid = above === undefined ? 0 : above.mode & 0o2000;
  const born = setgid === 0 ? ROOT : { ...ROOT, gid: above?.gid ?? 0 };
  return { mode: (mode & 0o7777) | setgid, ...(owner ?? born) };
}

/** WORKDIR and LLB mkdir. An existing directory stays as it is. */
export function makeDirectory(draft: Draft, action: MkdirAction, owner: Ids | undefined, time: EntryTime): void {
  const path = resolvePath(draft, action.path, { followLast: true });
  const made = { mode: action.mode & 0o777, owner, time };
  if (!action.makeParents) {
    if (draft.lookup(path) !== undefined) return;
    needDirectory(draft, parentPath(path), 'mkdir');
  }
  makeDirectories(draft, path, made);
}

/** Writes a file. An existing one keeps its mode and owner. */
export function makeFile(draft: Draft, action: MkfileAction, owner: Ids | undefined, time: EntryTime): void {
  const path = resolvePath(draft, action.path, { followLast: true });
  needDirectory(draft, parentPath(path), 'open');
  const node = draft.at(path);
  const before = node.entry;
  if (before !== undefined && before.kind !== 'file') {
    throw new SlipwayError('PATH_NOT_FILE', `open ${shown(path)}: is a ${before.kind}`, { facts: { path: shown(path) } });
  }
  const data = Buffer.from(action.data, 'latin1');
  const kept = before === undefined ? { mode: action.mode & 0o777, ...ROOT } : { mode: before.mode, uid: before.uid, gid: before.gid };
  const xattrs = before?.xattrs === undefined ? {} : { xattrs: before.xattrs };
  node.put({ meta: { kind: 'file', ...kept, ...(owner ?? {}), size: data.length, ...time, ...xattrs }, bytes: { kind: 'data', data } });
}

/** Makes a symlink; what is at the path must not exist. */
export function makeSymlink(draft: Draft, action: SymlinkAction, owner: Ids | undefined, time: EntryTime): void {
  const path = resolvePath(draft, action.path, { followLast: true });
  needDirectory(draft, parentPath(path), 'symlink');
  const node = draft.at(path);
  if (node.entry !== undefined) {
    throw new SlipwayError('PATH_EXISTS', `symlink ${fromBytePath(action.target)} ${shown(path)}: file exists`, {
      facts: { path: shown(path) },
    });
  }
  node.put({ meta: { kind: 'symlink', mode: 0o777, ...(owner ?? ROOT), size: 0, ...time, link: action.target } });
}

/** Removes a path, or all that a glob matches. Symlinks on the way are followed, the last one is removed itself. */
export function remove(draft: Draft, action: RmAction): void {
  const path = action.path;
  const { base, pattern } = action.allowWildcard ? splitWildcard(path) : { base: path, pattern: '' };
  if (pattern === '') {
    removePath(draft, base, action.allowNotFound);
    return;
  }
  const tree = new DraftTree(draft);
  const start = joinPath(resolvePath(draft, parentPath(base), { followLast: true }), baseName(base));
  const glob = compilePathGlob(pattern);
  const search = (relative: BytePath): void => {
    for (const name of tree.list(joinPath(start, relative))) {
      const below = joinPath(relative, name);
      if (glob.matches(below)) draft.at(joinPath(start, below)).remove();
      else if (glob.mayMatchBelow(below)) search(below);
    }
  };
  search('');
}

function removePath(draft: Draft, path: BytePath, allowNotFound: boolean): void {
  const named = path.split('/').filter((part) => part !== '' && part !== '.');
  const name = named.pop();
  if (name === undefined || name === '..') {
    throw new SlipwayError('PATH_INVALID', `cannot remove ${JSON.stringify(fromBytePath(path))}: the root stays`);
  }
  const target = joinPath(resolvePath(draft, named.join('/'), { followLast: true }), name);
  if (draft.lookup(target) !== undefined) draft.at(target).remove();
  else if (!allowNotFound) {
    throw new SlipwayError('PATH_MISSING', `remove ${shown(target)}: no such file or directory`, { facts: { path: shown(target) } });
  }
}

function needDirectory(draft: Draft, path: BytePath, verb: string): void {
  const kind = draft.lookup(path)?.kind;
  if (kind === 'dir') return;
  const why = kind === undefined ? 'no such file or directory' : 'not a directory';
  throw new SlipwayError('PATH_NOT_DIRECTORY', `${verb} ${shown(path)}: ${why}`, { facts: { path: shown(path) } });
}

/** A path of a tree as people write it. */
export function shown(path: BytePath): string {
  return `/${fromBytePath(path)}`;
}

const ROOT: Ids = { uid: 0, gid: 0 };
