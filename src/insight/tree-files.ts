// A tree as the checks read it: paths resolved as a process inside would, files read in bounded pieces. Nothing here is ever run.

import { readSync } from 'node:fs';
import { type BytePath, isSlipwayError } from '../base/index.ts';
import type { Entry, Tree } from '../layer/index.ts';

/** Symlinks followed before a path counts as a loop: the kernel's number. */
const MAX_LINKS = 40;
/** Bytes of a path or link: the kernel follows none that are longer. */
const MAX_PATH = 4096;

/** Reads `length` bytes at `offset` of one file; fewer at its end. `into`: memory to use, as long as that. */
export type RangeReader = (offset: number, length: number, into?: Buffer) => Buffer;

/** The real path of `path` inside the tree and what stands there; undefined: nothing does, or its symlinks loop. */
export function resolveInTree(tree: Tree, path: BytePath): Entry | undefined {
  if (path.length > MAX_PATH) return undefined;
  const todo = partsOf(path).reverse();
  const done: BytePath[] = [];
  let links = 0;
  for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
    if (part === '..') {
      done.pop();
      continue;
    }
    done.push(part);
    const entry = tree.lookup(done.join('/'));
    if (entry === undefined) return undefined;
    if (entry.kind === 'symlink') {
      if (++links > MAX_LINKS) return undefined;
      done.pop();
      const target = entry.link ?? '';
      if (target.length > MAX_PATH || todo.length > MAX_PATH) return undefined;
      if (target.startsWith('/')) done.length = 0;
      todo.push(...partsOf(target).reverse());
    } else if (entry.kind !== 'dir' && todo.length > 0) return undefined;
  }
  return tree.lookup(done.join('/'));
}

/** Whether a file (symlinks followed) is there. */
export function fileAt(tree: Tree, path: BytePath): Entry | undefined {
  const entry = resolveInTree(tree, path);
  return entry?.kind === 'file' ? entry : undefined;
}

/** Calls `work` with a reader of the file's bytes; undefined when they cannot be read (not fetched, changed meanwhile). */
export function withFile<T>(tree: Tree, entry: Entry, work: (read: RangeReader, size: number) => T): T {
  using bytes = tree.open(entry);
  return work((offset, length, into) => {
    const wanted = offset < 0 ? 0 : Math.max(0, Math.min(length, bytes.size - offset));
    const data = into?.subarray(0, wanted) ?? Buffer.alloc(wanted);
    let at = 0;
    while (at < data.length) {
      const read = readSync(bytes.fd, data, at, data.length - at, bytes.offset + offset + at);
      if (read === 0) break;
      at += read;
    }
    return at === data.length ? data : data.subarray(0, at);
  }, bytes.size);
}

/** The first `limit` bytes of a file. */
export function headOf(tree: Tree, entry: Entry, limit: number): Buffer {
  return withFile(tree, entry, (read) => read(0, limit));
}

/** Text of a file (symlinks followed), cut at `limit` bytes; undefined when there is none. */
export function textAt(tree: Tree, path: BytePath, limit = 1 << 20): string | undefined {
  const entry = fileAt(tree, path);
  return entry === undefined ? undefined : headOf(tree, entry, limit).toString('utf8');
}

/** All entries below a directory, parents first; at most `limit`. Symlinks are given, not followed. */
export function* walkTree(tree: Tree, top: BytePath = '', limit = 1_000_000): Generator<Entry> {
  const stack: BytePath[] = [top];
  let given = 0;
  for (let path = stack.pop(); path !== undefined; path = stack.pop()) {
    const entries = tree.entries?.(path) ?? tree.list(path).flatMap((name) => tree.lookup(path === '' ? name : `${path}/${name}`) ?? []);
    for (const entry of entries) {
      if (++given > limit) return;
      yield entry;
    }
    for (let index = entries.length - 1; index >= 0; index -= 1) {
      const entry = entries[index] as Entry;
      if (entry.kind === 'dir') stack.push(entry.path);
    }
  }
}

/** An absolute or relative path in the tree's form: no leading `/`, no `.` and no empty parts; `..` stops at the root. */
export function treePath(path: BytePath, from: BytePath = ''): BytePath {
  const done: BytePath[] = path.startsWith('/') ? [] : partsOf(from);
  for (const part of partsOf(path)) {
    if (part === '..') done.pop();
    else done.push(part);
  }
  return done.join('/');
}

function partsOf(path: BytePath): BytePath[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

/** Runs a part of a check that reads files whose bytes may be nowhere at hand; undefined then. */
export function whereReadable<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (isSlipwayError(error, 'LAYER_BYTES_ABSENT') || isSlipwayError(error, 'FILE_CHANGED')) return undefined;
    throw error;
  }
}
