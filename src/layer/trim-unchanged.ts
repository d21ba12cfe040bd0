// What overlayfs copied up, or marked, without a difference that anybody could see: dropped, so that every way of running a step
// gives the same layer.

import type { BytePath } from '../base/index.ts';
import type { Entry } from './entry.ts';
import type { Tree } from './tree.ts';

/**
 * Keeps the entries that differ from the tree below, and the directories on the way to them. Opaque marks stay only where they hide
 * something, whiteouts only where something is. `entries` is sorted.
 */
export function trimUnchanged(entries: readonly Entry[], below: Tree): Entry[] {
  const linkTargets = new Set<BytePath>();
  for (const entry of entries) if (entry.kind === 'hardlink' && entry.link !== undefined) linkTargets.add(entry.link);
  const kept: Entry[] = [];
  /** Parents that are equal so far: they are kept once something below them is. Their sizes nest like the paths. */
  const waiting: Entry[] = [];
  for (const entry of entries) {
    while (waiting.length > 0 && !entry.path.startsWith(`${waiting.at(-1)?.path ?? ''}/`)) waiting.pop();
    const trimmed = trim(entry, below, linkTargets.has(entry.path));
    if (trimmed.same) {
      if (entry.kind === 'dir') waiting.push(trimmed.entry);
      continue;
    }
    kept.push(...waiting.splice(0), trimmed.entry);
  }
  return kept;
}

function trim(entry: Entry, below: Tree, isLinkTarget: boolean): { readonly entry: Entry; readonly same: boolean } {
  const old = below.lookup(entry.path);
  if (entry.kind === 'whiteout') return { entry, same: old === undefined };
  let clean = entry;
  if (entry.opaque === true && !(old?.kind === 'dir' && below.list(entry.path).length > 0)) {
    const { opaque: _, ...rest } = entry;
    clean = rest;
  }
  // A file with several names is one change: its links would point at nothing.
  if (old === undefined || clean.opaque === true || isLinkTarget || entry.kind === 'hardlink') return { entry: clean, same: false };
  return { entry: clean, same: sameEntry(clean, old, below) };
}

function sameEntry(entry: Entry, old: Entry, below: Tree): boolean {
  if (entry.kind !== old.kind || entry.mode !== old.mode || entry.uid !== old.uid || entry.gid !== old.gid) return false;
  if (entry.size !== old.size || entry.link !== old.link || entry.devMajor !== old.devMajor || entry.devMinor !== old.devMinor)
    return false;
  // A layer that came as a tar has whole seconds only.
  if (entry.mtime !== old.mtime || (entry.mtimeNs !== old.mtimeNs && entry.mtimeNs !== 0 && old.mtimeNs !== 0)) return false;
  if (!sameXattrs(entry.xattrs, old.xattrs)) return false;
  return entry.kind !== 'file' || entry.digest === (old.digest ?? below.digest(old));
}

function sameXattrs(a: Entry['xattrs'], b: Entry['xattrs']): boolean {
  const names = Object.keys(a ?? {});
  return names.length === Object.keys(b ?? {}).length && names.every((name) => a?.[name] === b?.[name]);
}
