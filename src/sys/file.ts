// Open files: locks, cheap copies, holes, scoped opening.

import { closeSync, writeFileSync } from 'node:fs';
import type { BytePath } from '../base/index.ts';
import { sysError } from './errno.ts';
import { cPath, cString, syscall, trySyscall } from './syscall.ts';

const EAGAIN = 11;

/** Takes an advisory lock on an open file without waiting (flock(2): ends with the last descriptor, or the process). False: somebody holds it. */
export function tryLock(fd: number, kind: 'shared' | 'exclusive'): boolean {
  const result = trySyscall('flock', 'ii', fd, (kind === 'shared' ? 1 : 2) | 4);
  if (result === -EAGAIN) return false;
  if (result < 0) throw sysError(-result, 'flock');
  return true;
}

/** Takes the lock, blocking this thread until it is free: only for locks that are held for microseconds. */
export function lockBlocking(fd: number, kind: 'shared' | 'exclusive'): void {
  syscall(undefined, 'flock', 'ii', fd, kind === 'shared' ? 1 : 2);
}

const offsetIn = Buffer.alloc(8);
const offsetOut = Buffer.alloc(8);

/**
 * Copies bytes inside the kernel (copy_file_range(2)); returns how many, which may be fewer, 0 at the end of `from`.
 * Undefined where the two files do not allow it (EXDEV, EINVAL, ENOSYS, EOPNOTSUPP): read and write then.
 */
export function copyRange(from: number, fromOffset: number, to: number, toOffset: number, length: number): number | undefined {
  offsetIn.writeBigInt64LE(BigInt(fromOffset));
  offsetOut.writeBigInt64LE(BigInt(toOffset));
  const result = trySyscall('copy_file_range', 'ipipii', from, offsetIn, to, offsetOut, length, 0);
  if (result === -18 || result === -22 || result === -38 || result === -95) return undefined;
  if (result < 0) throw sysError(-result, 'copy_file_range');
  return result;
}

/** A file without a name, in memory; gone with its last descriptor. Not closed by exec unless `closeOnExec`. */
export function openMemoryFile(name: string, closeOnExec = true): number {
  return syscall(undefined, 'memfd_create', 'pi', cString(name), closeOnExec ? 1 : 0);
}

/**
 * A copy of a program in memory that nobody can ever change (all of its seals are set). Closed by exec: start it by its name in /proc/PID/fd.
 * Throws where the machine refuses programs in memory (EACCES).
 */
export function sealedCopy(name: string, bytes: Uint8Array): number {
  const CLOSE_ON_EXEC_AND_SEALABLE = 3;
  const MAY_EXECUTE = 0x10;
  const EINVAL = 22;
  const ADD_SEALS = 1033;
  const ALL_SEALS = 0xf;
  const make = (flags: number): number => trySyscall('memfd_create', 'pi', cString(name), flags);
  // Kernels before 6.3 do not know the flag, and need none.
  let fd = make(CLOSE_ON_EXEC_AND_SEALABLE | MAY_EXECUTE);
  if (fd === -EINVAL) fd = make(CLOSE_ON_EXEC_AND_SEALABLE);
  if (fd < 0) throw sysError(-fd, 'memfd_create');
  try {
    writeFileSync(fd, bytes);
    syscall(undefined, 'fcntl', 'iii', fd, ADD_SEALS, ALL_SEALS);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** openat2(2)'s `resolve` bits. */
export const Resolve = {
  noXdev: 0x01,
  noMagicLinks: 0x02,
  noSymlinks: 0x04,
  beneath: 0x08,
  /** Absolute symlinks and `..` end at the starting directory, as after chroot. */
  inRoot: 0x10,
} as const;

/** Opens a path below `directory` under openat2's rules (Linux 5.6): the kernel refuses what leads outside, races included. */
export function openScoped(directory: number, path: BytePath, flags: number, resolve: number, mode = 0): number {
  const how = Buffer.alloc(24);
  how.writeBigUInt64LE(BigInt(flags), 0);
  how.writeBigUInt64LE(BigInt(mode), 8);
  how.writeBigUInt64LE(BigInt(resolve), 16);
  return syscall(path, 'openat2', 'ippi', directory, cPath(path === '' ? '.' : path), how, how.length);
}
