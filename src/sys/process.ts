// The process itself: namespaces and what prctl(2) sets.

import type { BytePath } from '../base/index.ts';
import { cPath, syscall } from './syscall.ts';

/** Namespaces of unshare(2) and setns(2) (sched.h). */
export const Namespace = {
  mount: 0x00020000,
  cgroup: 0x02000000,
  uts: 0x04000000,
  ipc: 0x08000000,
  user: 0x10000000,
  pid: 0x20000000,
  net: 0x40000000,
} as const;

/**
 * Leaves namespaces for new ones. Only the calling thread moves, and what it starts afterwards: call it in the main thread before
 * any asynchronous file I/O, so that the threads of the pool are born inside. User namespaces are refused (EINVAL) to a process with threads.
 */
export function unshare(namespaces: number): void {
  syscall(undefined, 'unshare', 'i', namespaces);
}

/** Joins the namespaces that `fd` (a file of /proc/PID/ns, or a pidfd) names; the calling thread only. */
export function joinNamespace(fd: number, namespaces: number): void {
  syscall(undefined, 'setns', 'ii', fd, namespaces);
}

/** Orphaned descendants become our children instead of init's. */
export function becomeSubreaper(): void {
  prctl(36, 1);
}

/** From now on no exec gains privileges. There is no way back. */
export function setNoNewPrivileges(): void {
  prctl(38, 1);
}

/** prctl(2) with integer arguments. */
export function prctl(option: number, a = 0, b = 0, c = 0, d = 0): number {
  return syscall(undefined, 'prctl', 'iiiii', option, a, b, c, d);
}

/** Makes `path` the calling thread's root directory. The working directory stays outside: change it too. */
export function chroot(path: BytePath): void {
  syscall(path, 'chroot', 'p', cPath(path));
}
