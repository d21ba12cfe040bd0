// The digest of everything below a directory of a folder: what `pathDigest` says of the same selection, written from rows where they are
// all that there is.

import type { BytePath, Digest } from '../base/index.ts';
import { type Entry, FactsDigest } from '../layer/index.ts';
import { EMPTY_SHA256 } from './file-hash.ts';
import type { FolderTree } from './folder-tree.ts';
import { walkRows } from './walk-rows.ts';

/** `top` counts as the directory itself, under the empty path. Digests of files are known, or computed now. */
export function folderDigest(tree: FolderTree, path: BytePath, top: Entry): Digest {
  const facts = new FactsDigest();
  facts.add(top, '', undefined, false);
  walkRows(tree, path, '', {
    row: (rows, slot, prefix) => {
      const { bytes } = rows;
      const mode = rows.mode(slot) & 0o7777;
      const [start, end] = [rows.nameStart(slot), rows.nameEnd(slot)];
      if (rows.isDirectory(slot)) return facts.addDirectory(prefix, bytes, start, end, mode, 0, 0);
      const size = rows.size(slot);
      if (size === 0) facts.addFile(prefix, bytes, start, end, mode, 0, 0, 0, EMPTY_SHA256, 0);
      else facts.addFile(prefix, bytes, start, end, mode, 0, 0, size, bytes, rows.digest(slot));
    },
    node: ({ entry }, below) => facts.add(entry, below, entry.kind === 'file' ? tree.digest(entry) : undefined, false),
  });
  return facts.digest();
}
