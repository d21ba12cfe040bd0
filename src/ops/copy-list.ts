// The paths that a copy selects, listed for comparing them with an earlier selection: as the user would write them.

import { type BytePath, type Digest, fromBytePath, parentPath } from '../base/index.ts';
import type { Entry, SelectedPath } from '../layer/index.ts';
import { type PathList, PathListWriter } from '../solver/index.ts';
import { EMPTY_SHA256, type FolderTree, walkRows } from '../source/index.ts';
import type { CopySelector } from './copy-select.ts';
import { cleanPath, joinPath } from './file-path.ts';

/** Lists selected paths under the names that they count by. */
export function listPaths(selector: CopySelector, selected: Iterable<SelectedPath>, digestOf: (entry: Entry) => Digest): PathList {
  const base = selector.allowWildcard ? parentPath(cleanPath(selector.src)) : cleanPath(selector.src);
  const list = new PathListWriter();
  for (const { path, entry } of selected) addEntry(list, joinPath(base, path), entry, digestOf);
  return list.finish();
}

/** Lists a directory of a user's folder with all that is in it. `top`: what counts as itself. */
export function listDirectory(selector: CopySelector, tree: FolderTree, path: BytePath, top: Entry): PathList {
  const base = cleanPath(selector.src);
  const list = new PathListWriter();
  const digestOf = (entry: Entry): Digest => tree.digest(entry);
  addEntry(list, base, top, digestOf);
  walkRows(tree, path, base, {
    row: (rows, slot, prefix) => {
      const { bytes } = rows;
      const mode = rows.mode(slot) & 0o7777;
      const [start, end] = [rows.nameStart(slot), rows.nameEnd(slot)];
      if (rows.isDirectory(slot)) list.addDirectory(prefix, bytes, start, end, mode);
      else if (rows.size(slot) === 0) list.addFile(prefix, bytes, start, end, mode, EMPTY_SHA256, 0);
      else list.addFile(prefix, bytes, start, end, mode, bytes, rows.digest(slot));
    },
    node: ({ entry }, below) => addEntry(list, below, entry, digestOf),
  });
  return list.finish();
}

function addEntry(list: PathListWriter, path: BytePath, entry: Entry, digestOf: (entry: Entry) => Digest): void {
  const { kind, mode, uid, gid, link = '' } = entry;
  // It counts only as being there.
  if (kind === 'dir' && mode === 0 && entry.mtime === 0) return;
  list.add(path === '' ? '.' : path, {
    kind: kind === 'file' || kind === 'dir' || kind === 'symlink' ? kind : 'other',
    content: kind === 'file' ? digestOf(entry) : fromBytePath(link),
    mode,
    ...(uid === 0 && gid === 0 ? {} : { owner: `${uid}:${gid}` }),
  });
}
