// Reading single files of a result: symlinks are followed inside its root only.

import { readSync } from 'node:fs';
import { type BytePath, compileGoPattern, type GoPattern, toBytePath } from '../../base/index.ts';
import type { Entry, Tree } from '../engine.ts';
import { GO_MODE, goPermissions, type Stat } from '../session/packet.ts';
import { RpcError } from '../wire/rpc-error.ts';

/** Links that one look-up may follow. */
const MAX_LINKS = 255;
/** Bytes that one answer may have: what fits into a message. */
const MAX_READ = 16 << 20;

/** The entry at `path`, links resolved; the last one too unless `keepLast`. Throws NotFound. */
export function findEntry(tree: Tree, path: string, keepLast = false): { readonly path: BytePath; readonly entry: Entry } {
  const todo = toBytePath(path)
    .split('/')
    .filter((name) => name !== '' && name !== '.');
  const done: BytePath[] = [];
  let links = 0;
  let entry = tree.lookup('');
  while (todo.length > 0) {
    const name = todo.shift() as BytePath;
    if (name === '..') {
      done.pop();
      entry = tree.lookup(done.join('/'));
      continue;
    }
    const at = [...done, name].join('/');
    entry = tree.lookup(at);
    if (entry === undefined) throw notFound(path);
    if (entry.kind === 'symlink' && !(keepLast && todo.length === 0)) {
      if (++links > MAX_LINKS) throw new RpcError('failedPrecondition', `too many links in ${path}`);
      const target = entry.link ?? '';
      if (target.startsWith('/')) done.length = 0;
      todo.unshift(...target.split('/').filter((part) => part !== '' && part !== '.'));
      entry = tree.lookup(done.join('/'));
      continue;
    }
    done.push(name);
  }
  return { path: done.join('/'), entry: entry ?? ROOT };
}

const ROOT: Entry = { path: '', kind: 'dir', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0, mtimeNs: 0 };

function notFound(path: string): RpcError {
  return new RpcError('notFound', `open ${path}: no such file or directory`);
}

/** Bytes of a file, or of a range of it. */
export function readFile(tree: Tree, path: string, range?: { readonly offset: number; readonly length: number }): Buffer {
  const { entry } = findEntry(tree, path);
  if (entry.kind === 'dir') throw new RpcError('failedPrecondition', `read ${path}: is a directory`);
  if (entry.kind !== 'file') throw new RpcError('failedPrecondition', `read ${path}: not a regular file`);
  using bytes = tree.open(entry);
  const offset = Math.min(Math.max(range?.offset ?? 0, 0), bytes.size);
  const left = bytes.size - offset;
  const length = range === undefined || range.length <= 0 ? left : Math.min(range.length, left);
  if (length > MAX_READ) throw new RpcError('resourceExhausted', `${path} has ${length} bytes, more than ${MAX_READ} in one read`);
  const buffer = Buffer.allocUnsafe(length);
  for (let at = 0; at < length;) {
    const count = readSync(bytes.fd, buffer, at, length - at, bytes.offset + offset + at);
    if (count === 0) throw new RpcError('aborted', `${path} changed while it was read`);
    at += count;
  }
  return buffer;
}

/** Entries of a directory; `include` is a pattern that their names match. */
export function readDir(tree: Tree, path: string, include: string): Stat[] {
  const found = findEntry(tree, path);
  if (found.entry.kind !== 'dir') throw new RpcError('failedPrecondition', `readdir ${path}: not a directory`);
  const pattern = include === '' ? undefined : compileGlob(include);
  return tree.list(found.path).flatMap((name) => {
    if (pattern !== undefined && pattern(name) === undefined) return [];
    const entry = tree.lookup(found.path === '' ? name : `${found.path}/${name}`);
    return entry === undefined ? [] : [statOf(entry, name)];
  });
}

/** The entry at `path` as it is: a link at its end is not followed. */
export function statFile(tree: Tree, path: string): Stat {
  const { entry } = findEntry(tree, path, true);
  return statOf(entry, path.split('/').at(-1) ?? '');
}

const TYPE_BITS: Readonly<Record<string, number>> = {
  dir: GO_MODE.dir,
  symlink: GO_MODE.symlink,
  char: GO_MODE.device + GO_MODE.charDevice,
  block: GO_MODE.device,
  fifo: GO_MODE.pipe,
  socket: GO_MODE.socket,
};

function statOf(entry: Entry, name: BytePath): Stat {
  return {
    path: name,
    mode: (TYPE_BITS[entry.kind] ?? 0) + goPermissions(entry.mode),
    uid: entry.uid,
    gid: entry.gid,
    size: entry.size,
    modTime: BigInt(entry.mtime) * 1_000_000_000n + BigInt(entry.mtimeNs),
    linkname: entry.kind === 'symlink' ? (entry.link ?? '') : '',
    devmajor: entry.devMajor ?? 0,
    devminor: entry.devMinor ?? 0,
    xattrs: Object.entries(entry.xattrs ?? {}).map(([key, value]) => ({ name: key, value: Buffer.from(value, 'latin1') })),
  };
}

/** Go's filepath.Match for one name: `*`, `?`, `[a-z]`, `\x`. */
function compileGlob(pattern: string): GoPattern {
  let source = '';
  for (let at = 0; at < pattern.length; at += 1) {
    const char = pattern[at] as string;
    if (char === '*') source += '[^/]*';
    else if (char === '?') source += '[^/]';
    else if (char === '[') {
      const end = pattern.indexOf(']', at + 1);
      if (end < 0) throw new RpcError('invalidArgument', `syntax error in pattern ${pattern}`);
      source += `[${pattern.slice(at + 1, end).replace(/\\?(.)/gs, (_, one: string) => (/[\w^-]/.test(one) ? one : escape(one)))}]`;
      at = end;
    } else if (char === '\\' && at + 1 < pattern.length) source += escape(pattern[++at] as string);
    else source += escape(char);
  }
  try {
    return compileGoPattern(`^(?s:${source})$`);
  } catch {
    throw new RpcError('invalidArgument', `syntax error in pattern ${pattern}`);
  }
}

function escape(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
