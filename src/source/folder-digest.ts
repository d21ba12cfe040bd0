// The digest of everything below a directory of a folder: what `pathDigest` says of the same selection, written from stamps where they are
// all that there is.

import type { BytePath, Digest } from '../base/index.ts';
import { type Entry, FactsDigest } from '../layer/index.ts';
import { S_IFDIR, S_IFMT, S_IFREG } from '../sys/index.ts';
import { EMPTY_SHA256 } from './file-hash.ts';
import type { FolderDirectory } from './folder-directory.ts';
import type { FolderTree } from './folder-tree.ts';

/** `top` counts as the directory itself, under the empty path. Digests of files are known, or computed now. */
export function folderDigest(tree: FolderTree, path: BytePath, top: Entry): Digest {
  const facts = new FactsDigest();
  facts.add(top, '', undefined, false);
  addBelow(tree, path, '', facts);
  return facts.digest();
}

function addBelow(tree: FolderTree, path: BytePath, relative: BytePath, facts: FactsDigest): void {
  const directory = tree.directory(path);
  const prefix = Buffer.from(relative === '' ? '' : `${relative}/`, 'latin1');
  for (let slot = 0; slot < directory.count; slot += 1) {
    if (!addPlain(directory, slot, prefix, facts)) {
      const { entry } = directory.node(slot);
      const below = prefix.toString('latin1') + directory.name(slot);
      facts.add(entry, below, entry.kind === 'file' ? tree.digest(entry) : undefined, false);
    }
    if (!directory.isDirectory(slot)) continue;
    const name = directory.name(slot);
    addBelow(tree, path === '' ? name : `${path}/${name}`, relative === '' ? name : `${relative}/${name}`, facts);
  }
}

/** A remembered file or directory. False: it is something else. */
function addPlain(directory: FolderDirectory, slot: number, prefix: Buffer, facts: FactsDigest): boolean {
  const { block } = directory;
  if (block === undefined || directory.fresh(slot) !== undefined) return false;
  const { bytes, digests } = block;
  const start = block.nameStart(slot);
  const end = block.nameEnd(slot);
  const mode = directory.mode(slot);
  switch (mode & S_IFMT) {
    case S_IFDIR:
      facts.addDirectory(prefix, bytes, start, end, mode & 0o7777, 0, 0);
      return true;
    case S_IFREG: {
      const size = directory.size(slot);
      if (size === 0) facts.addFile(prefix, bytes, start, end, mode & 0o7777, 0, 0, 0, EMPTY_SHA256, 0);
      else facts.addFile(prefix, bytes, start, end, mode & 0o7777, 0, 0, size, bytes, digests + slot * 32);
      return true;
    }
    default:
      return false;
  }
}
