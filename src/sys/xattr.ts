// Extended attributes, never through a symlink. Values are latin1 of the bytes, as in an Entry.

import type { BytePath } from '../base/index.ts';
import { sysError } from './errno.ts';
import { cPath, type SyscallName, trySyscall } from './syscall.ts';

const ERANGE = 34;
const ENODATA = 61;
const EOPNOTSUPP = 95;
const NONE: readonly string[] = [];

let scratch = Buffer.alloc(0);

/** Names of the path's extended attributes (`user.x`, `security.capability`), latin1; empty where the filesystem has none. */
export function listXattrs(path: BytePath): readonly string[] {
  return names(path, 'llistxattr', cPath(path));
}

/** The value, or undefined when the path has no such attribute. */
export function getXattr(path: BytePath, name: string): string | undefined {
  return read(path, 'lgetxattr', cPath(path), name);
}

/** All attributes of a path, sorted by name; undefined when there are none. `keep` picks names. */
export function readXattrs(path: BytePath, keep: (name: string) => boolean = () => true): Record<string, string> | undefined {
  let result: Record<string, string> | undefined;
  for (const name of [...listXattrs(path)].sort()) {
    if (!keep(name)) continue;
    const value = getXattr(path, name);
    if (value !== undefined) (result ??= {})[name] = value;
  }
  return result;
}

/** Sets an attribute. Throws EPERM, ENOTSUP, … as the kernel says. */
export function setXattr(path: BytePath, name: string, value: string): void {
  const bytes = Buffer.from(value, 'latin1');
  const result = trySyscall('lsetxattr', 'pppii', cPath(path), Buffer.from(`${name}\0`, 'latin1'), bytes, bytes.length, 0);
  if (result < 0) throw sysError(-result, 'lsetxattr', path);
}

/** `setXattr` on an open file. */
export function setXattrOf(fd: number, name: string, value: string): void {
  const bytes = Buffer.from(value, 'latin1');
  const result = trySyscall('fsetxattr', 'ippii', fd, Buffer.from(`${name}\0`, 'latin1'), bytes, bytes.length, 0);
  if (result < 0) throw sysError(-result, 'fsetxattr');
}

function names(path: BytePath | undefined, call: SyscallName, target: Buffer | number): readonly string[] {
  const kind = typeof target === 'number' ? 'i' : 'p';
  for (;;) {
    const length = trySyscall(call, `${kind}pi`, target, scratch, scratch.length);
    if (length === 0 || length === -EOPNOTSUPP) return NONE;
    // A buffer of length 0 asks for the size; ERANGE says that it grew since.
    if (length === -ERANGE || (length > 0 && scratch.length === 0)) grow();
    else if (length < 0) throw sysError(-length, call, path);
    else return scratch.toString('latin1', 0, length - 1).split('\0');
  }
}

function read(path: BytePath | undefined, call: SyscallName, target: Buffer | number, name: string): string | undefined {
  if (scratch.length === 0) grow();
  const kind = typeof target === 'number' ? 'i' : 'p';
  const cName = Buffer.from(`${name}\0`, 'latin1');
  for (;;) {
    const length = trySyscall(call, `${kind}ppi`, target, cName, scratch, scratch.length);
    if (length === -ENODATA || length === -EOPNOTSUPP) return undefined;
    if (length === -ERANGE) grow();
    else if (length < 0) throw sysError(-length, call, path);
    else return scratch.toString('latin1', 0, length);
  }
}

/** 64 KiB is the kernel's limit for a value and for a list of names (XATTR_SIZE_MAX, XATTR_LIST_MAX). */
function grow(): void {
  scratch = Buffer.alloc(scratch.length === 0 ? 4096 : 65536);
}
