// What changed between two lists of paths, in words.

import type { ListedPath } from '../solver/index.ts';

/** One changed path. */
export interface PathChange {
  /** `src/a.ts (content)`, `a → b (renamed)`. */
  readonly text: string;
  readonly kind: 'new' | 'removed' | 'renamed' | 'changed';
}

type Paths = ReadonlyMap<string, ListedPath>;

/** The changes from one list to another, in path order. A folder that is new or gone is told by its files, if it has any. */
export function diffLists(before: Paths, now: Paths): readonly PathChange[] {
  const gone = [...before.values()].filter(({ path }) => !now.has(path));
  const added = [...now.values()].filter(({ path }) => !before.has(path));
  const renames = pairRenames(gone, added);
  const renamed = new Set([...renames.keys(), ...renames.values()]);
  const changes: { readonly path: string; readonly change: PathChange }[] = [];
  for (const [from, to] of renames)
    changes.push({ path: to.path, change: { kind: 'renamed', text: `${from.path} → ${to.path} (renamed)` } });
  for (const item of shown(gone, renamed, before))
    changes.push({ path: item.path, change: { kind: 'removed', text: `${item.path} (removed)` } });
  for (const item of shown(added, renamed, now)) changes.push({ path: item.path, change: { kind: 'new', text: `${item.path} (new)` } });
  for (const item of now.values()) {
    const old = before.get(item.path);
    const what = old === undefined ? undefined : difference(old, item);
    if (what !== undefined) changes.push({ path: item.path, change: { kind: 'changed', text: `${item.path} (${what})` } });
  }
  return changes.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0)).map(({ change }) => change);
}

/** How many things a list counts: files, not the folders around them. */
export function countFiles(list: Paths): number {
  let count = 0;
  for (const { kind } of list.values()) if (kind !== 'dir') count += 1;
  return count;
}

function difference(old: ListedPath, now: ListedPath): string | undefined {
  if (old.kind !== now.kind) return `${old.kind} became ${now.kind}`;
  const parts: string[] = [];
  if (old.content !== now.content) parts.push(now.kind === 'symlink' ? `target ${old.content} → ${now.content}` : 'content');
  if (old.mode !== now.mode) parts.push(`mode ${octal(old.mode)} → ${octal(now.mode)}`);
  if ((old.owner ?? '') !== (now.owner ?? '')) parts.push(`owner ${old.owner ?? '?'} → ${now.owner ?? '?'}`);
  return parts.length === 0 ? undefined : parts.join(', ');
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}

/** Files that vanished at one path and appeared with the same bytes at another. */
function pairRenames(gone: readonly ListedPath[], added: readonly ListedPath[]): ReadonlyMap<ListedPath, ListedPath> {
  const byContent = new Map<string, ListedPath[]>();
  for (const item of gone) {
    if (item.kind !== 'file') continue;
    const list = byContent.get(item.content);
    if (list === undefined) byContent.set(item.content, [item]);
    else list.push(item);
  }
  const pairs = new Map<ListedPath, ListedPath>();
  for (const item of added) {
    const from = item.kind === 'file' ? byContent.get(item.content)?.shift() : undefined;
    if (from !== undefined) pairs.set(from, item);
  }
  return pairs;
}

/** Without renamed files, and without folders whose files tell the same. */
function shown(items: readonly ListedPath[], renamed: ReadonlySet<ListedPath>, all: Paths): readonly ListedPath[] {
  const full = new Set<string>();
  for (const { path, kind } of all.values()) {
    if (kind === 'dir') continue;
    for (let slash = path.lastIndexOf('/'); slash > 0 && !full.has(path.slice(0, slash)); slash = path.lastIndexOf('/', slash - 1)) {
      full.add(path.slice(0, slash));
    }
  }
  return items.filter((item) => !renamed.has(item) && !(item.kind === 'dir' && full.has(item.path)));
}
