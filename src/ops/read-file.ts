// One file of a tree, whole: Dockerfiles of remote contexts, files that clients ask for.

import { readSync } from 'node:fs';
import { type BytePath, fromBytePath, SlipwayError } from '../base/index.ts';
import type { Tree } from '../layer/index.ts';
import { resolvePath } from './file-path.ts';

/** Bytes of a file, symlinks followed inside the tree; undefined when there is no such file. Throws `FILE_TOO_LARGE` above `limit` bytes. */
export function readTreeFile(tree: Tree, path: BytePath, limit = 64 << 20): Uint8Array | undefined {
  const entry = tree.lookup(resolvePath(tree, path, { followLast: true }));
  if (entry?.kind !== 'file') return undefined;
  if (entry.size > limit) throw new SlipwayError('FILE_TOO_LARGE', `${fromBytePath(path)} is larger than ${limit} bytes`);
  using bytes = tree.open(entry);
  const data = Buffer.alloc(bytes.size);
  for (let at = 0; at < data.length;) {
    const read = readSync(bytes.fd, data, at, data.length - at, bytes.offset + at);
    if (read === 0) throw new SlipwayError('FILE_CHANGED', `${fromBytePath(path)} became shorter while it was read`);
    at += read;
  }
  return data;
}
