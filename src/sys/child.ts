// What starting and ending other programs needs beyond node:child_process: real pipes, credentials of one thread, reaping, exec.

import { SlipwayError } from '../base/index.ts';
import { sysError } from './errno.ts';
import { libcFunction } from './library.ts';
import { koffi, syscall, trySyscall } from './syscall.ts';

/** The two ends of a pipe(2), both closed on exec. Node's own "pipes" are sockets, which a child cannot open as /dev/stdout. */
export function openPipe(): { readonly read: number; readonly write: number } {
  const fds = Buffer.alloc(8);
  syscall(undefined, 'pipe2', 'pi', fds, 0o2000000);
  return { read: fds.readInt32LE(0), write: fds.readInt32LE(4) };
}

/** Two connected sockets (socketpair(2), a stream both ways), closed on exec. */
export function openSocketPair(): readonly [number, number] {
  const AF_UNIX = 1;
  const SOCK_STREAM_CLOEXEC = 0o2000001;
  const fds = Buffer.alloc(8);
  syscall(undefined, 'socketpair', 'iiip', AF_UNIX, SOCK_STREAM_CLOEXEC, 0, fds);
  return [fds.readInt32LE(0), fds.readInt32LE(4)];
}

/** The user who connected at the other end of a unix socket, as the kernel noted it then (SO_PEERCRED). Undefined: it is no unix socket. */
export function peerUser(fd: number): number | undefined {
  const SOL_SOCKET = 1;
  const SO_PEERCRED = 17;
  const NOBODY = 0xffffffff;
  const credentials = Buffer.alloc(12); // struct ucred: pid, uid, gid
  const length = Buffer.alloc(4);
  length.writeUInt32LE(credentials.length);
  if (trySyscall('getsockopt', 'iiipp', fd, SOL_SOCKET, SO_PEERCRED, credentials, length) < 0) return undefined;
  const user = credentials.readUInt32LE(4);
  return user === NOBODY ? undefined : user;
}

/** Takes the exit status of an ended child that node did not start (an adopted orphan). True when there was one. */
export function reapChild(pid: number): boolean {
  return takeExit(pid) !== undefined;
}

/** How a process ended: by exit(2), or by a signal (its number). */
export type ExitStatus = { readonly code: number } | { readonly signal: number };

/** Takes the exit status of a child that node did not start, and with it the child's number. Undefined: it runs, or is no child of ours. */
export function takeExit(pid: number): ExitStatus | undefined {
  const WNOHANG = 1;
  const status = Buffer.alloc(4);
  if (trySyscall('wait4', 'ipip', pid, status, WNOHANG, null) <= 0) return undefined;
  const word = status.readUInt32LE(0);
  const signal = word & 0x7f;
  return signal === 0 ? { code: (word >>> 8) & 0xff } : { signal };
}

/** Who a thread acts as. */
export interface ThreadIds {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/**
 * Makes the calling thread alone act as someone else and keeps root as the saved id, so that `setThreadIds` of root brings it back.
 * A child forked meanwhile is that user, and its exec forgets the saved id. libuv's own `uid` option drops the supplementary groups.
 */
export function setThreadIds(ids: ThreadIds): void {
  const groups = Buffer.alloc(Math.max(4, ids.groups.length * 4));
  ids.groups.forEach((group, index) => groups.writeUInt32LE(group, index * 4));
  // Towards root the user comes first (the rest needs its rights), away from root last.
  const user = (): number => syscall(undefined, 'setresuid', 'iii', ids.uid, ids.uid, 0);
  if (ids.uid === 0) user();
  syscall(undefined, 'setgroups', 'ip', ids.groups.length, groups);
  syscall(undefined, 'setresgid', 'iii', ids.gid, ids.gid, 0);
  if (ids.uid !== 0) user();
}

/** Sets a limit of a process (0: this one). `resource` is the kernel's number; -1 means unlimited. */
export function setProcessLimit(pid: number, resource: number, soft: number, hard: number): void {
  const limit = Buffer.alloc(16);
  limit.writeBigUInt64LE(BigInt.asUintN(64, BigInt(soft)), 0);
  limit.writeBigUInt64LE(BigInt.asUintN(64, BigInt(hard)), 8);
  syscall(undefined, 'prlimit64', 'iipp', pid, resource, limit, null);
}

/** Limits of a process; `Infinity` means unlimited. */
export function getProcessLimit(pid: number, resource: number): { readonly soft: number; readonly hard: number } {
  const limit = Buffer.alloc(16);
  syscall(undefined, 'prlimit64', 'iipp', pid, resource, null, limit);
  const read = (at: number): number => {
    const value = limit.readBigUInt64LE(at);
    return value === 0xffff_ffff_ffff_ffffn ? Infinity : Number(value);
  };
  return { soft: read(0), hard: read(8) };
}

/**
 * Replaces this process by another program: same number, same terminal, no second process that waits. Returns only by throwing.
 * Signal dispositions that node set to "ignore" would survive, so all go back to the default.
 */
export function replaceProcess(path: string, argv: readonly string[], env: readonly string[]): never {
  const execve = libcFunction('int execve(const char *path, const char **argv, const char **envp)');
  const action = Buffer.alloc(64);
  for (let signal = 1; signal <= 31; signal += 1) trySyscall('rt_sigaction', 'ippi', signal, action, null, 8);
  // Node closes its standard streams on exec too (F_SETFD 0 undoes that).
  for (const fd of [0, 1, 2]) trySyscall('fcntl', 'iii', fd, 2, 0);
  execve(path, [...argv, null], [...env, null]);
  const error = sysError(koffi().errno(), 'execve', path);
  throw new SlipwayError('EXEC_REPLACE', `cannot start ${path}`, { cause: error });
}
