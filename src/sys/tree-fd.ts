// Bind mounts from open files: what was resolved under scoped rules is what gets mounted, whatever happens to the path meanwhile.

import { AT_EMPTY_PATH, cString, syscall } from './syscall.ts';

/** A detached bind mount of what `fd` (O_PATH will do) is open on. The caller closes it. */
export function cloneTreeOf(fd: number, recursive: boolean): number {
  const OPEN_TREE_CLONE = 1;
  const O_CLOEXEC = 0o2000000;
  const AT_RECURSIVE = 0x8000;
  return syscall(
    undefined,
    'open_tree',
    'ipi',
    fd,
    cString(''),
    OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0),
  );
}
