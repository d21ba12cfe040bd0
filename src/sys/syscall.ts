// The one place that loads koffi: system calls by number through libc's syscall(2). Nothing is loaded before the first call.

import { closeSync, openSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type BytePath, SlipwayError } from '../base/index.ts';
import { sysError } from './errno.ts';

/** An argument: an integer, bytes that the kernel reads or writes, or a null pointer. */
export type SysArgument = number | bigint | string | Uint8Array | null;

type Caller = (number: number, ...args: readonly SysArgument[]) => number;

interface Libc {
  func(definition: string): Caller;
}

/** The version that this room is written for. */
const KOFFI = 3;

interface Koffi {
  readonly version: string;
  load(path: string | null): Libc;
  errno(): number;
  address(bytes: Uint8Array): bigint;
}

/** Numbers by architecture (kernel: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h). */
const NUMBERS = {
  close: [3, 57],
  rt_sigaction: [13, 134],
  ioctl: [16, 29],
  socketpair: [53, 199],
  getsockopt: [55, 209],
  wait4: [61, 260],
  fcntl: [72, 25],
  lseek: [8, 62],
  flock: [73, 32],
  setgroups: [116, 159],
  setresuid: [117, 147],
  setresgid: [119, 149],
  prctl: [157, 167],
  chroot: [161, 51],
  mount: [165, 40],
  umount2: [166, 39],
  lsetxattr: [189, 6],
  fsetxattr: [190, 7],
  lgetxattr: [192, 9],
  llistxattr: [195, 12],
  getdents64: [217, 61],
  openat: [257, 56],
  mknodat: [259, 33],
  unshare: [272, 97],
  utimensat: [280, 88],
  pipe2: [293, 59],
  prlimit64: [302, 261],
  setns: [308, 268],
  renameat2: [316, 276],
  memfd_create: [319, 279],
  copy_file_range: [326, 285],
  statx: [332, 291],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  openat2: [437, 437],
  mount_setattr: [442, 442],
  listxattrat: [465, 465],
} as const;

export type SyscallName = keyof typeof NUMBERS;

let loaded: { readonly koffi: Koffi; readonly libc: Libc; readonly column: 0 | 1; readonly shapes: Map<string, Caller> } | undefined;

function load(): NonNullable<typeof loaded> {
  const column = process.arch === 'x64' ? 0 : process.arch === 'arm64' ? 1 : undefined;
  if (process.platform !== 'linux' || column === undefined) {
    throw new SlipwayError('SYSCALLS_UNSUPPORTED', `no system calls for ${process.platform} on ${process.arch}`, {
      hint: 'builds with processes and layers need linux on x64 or arm64',
    });
  }
  const binding = koffi();
  // The process's own symbols: glibc and musl alike.
  loaded = { koffi: binding, libc: binding.load(null), column, shapes: new Map() };
  return loaded;
}

let binding: Koffi | undefined;

/** The library itself. Throws SYSCALLS_UNSUPPORTED where it has no binary. */
export function koffi(): Koffi {
  return (binding ??= directBinary() ?? wholePackage());
}

/**
 * The binary without what the package does to find it and to warn of names it no longer likes: 1.5 ms instead of 9. Undefined where the
 * package has to choose (musl), or where it is installed another way.
 */
function directBinary(): Koffi | undefined {
  const { arch } = process;
  try {
    if (!loadedByGlibc()) return undefined;
    const found = createRequire(import.meta.url)(`@koromix/koffi-linux-${arch}/linux_${arch}/koffi.node`) as Koffi;
    return found.version.startsWith(`${KOFFI}.`) ? found : undefined;
  } catch {
    return undefined;
  }
}

/** Whether node's own file names glibc's loader: that stands in its first page, behind the headers. */
function loadedByGlibc(): boolean {
  const page = Buffer.alloc(4096);
  const fd = openSync(process.execPath, 'r');
  try {
    readSync(fd, page, 0, page.length, 0);
  } finally {
    closeSync(fd);
  }
  return page.includes('/ld-linux-');
}

function wholePackage(): Koffi {
  try {
    return createRequire(import.meta.url)('koffi') as Koffi;
  } catch (cause) {
    throw new SlipwayError('SYSCALLS_UNSUPPORTED', 'the library for system calls (koffi) cannot be loaded', {
      cause,
      hint: 'install slipway with its optional platform packages: npm i --include=optional',
    });
  }
}

const C_TYPES: Readonly<Record<string, string>> = { p: 'void *', s: 'const char *' };

/**
 * Calls the kernel. `shape` has a letter for each argument: `i` an integer, `p` a pointer to bytes (BytePaths go through `cPath`), `s` an
 * ASCII string or NUL-terminated bytes.
 * Returns the result, or minus errno.
 */
export function trySyscall(name: SyscallName, shape: string, ...args: readonly SysArgument[]): number {
  const { koffi, libc, column, shapes } = loaded ?? load();
  let caller = shapes.get(shape);
  if (caller === undefined) {
    const types = [...shape].map((letter, index) => `${C_TYPES[letter] ?? 'int64_t '}a${index}`);
    // Variadic in the header; a fixed prototype passes the same registers on both architectures.
    caller = libc.func(`long syscall(long number, ${types.join(', ')})`);
    shapes.set(shape, caller);
  }
  const result = caller(NUMBERS[name][column], ...args);
  return result === -1 ? -koffi.errno() : result;
}

/** Calls by numbers only (pointers as `addressOf` gives them), for loops. They return the result, or minus errno. */
export interface NumericSyscall {
  (a: number, b: number, c: number): number;
  (a: number, b: number, c: number, d: number, e: number): number;
}

/** Prepares a call of three or five arguments. */
export function numericSyscall(name: SyscallName, count: 3 | 5): NumericSyscall {
  const { koffi, libc, column } = loaded ?? load();
  const caller = libc.func(`long syscall(long number, ${Array.from({ length: count }, (_, at) => `int64_t a${at}`).join(', ')})`);
  const number = NUMBERS[name][column];
  const settle = (result: number): number => (result === -1 ? -koffi.errno() : result);
  // Written out: gathering and spreading arguments costs more than the call.
  if (count === 3) return (a, b, c) => settle(caller(number, a, b, c));
  return (a: number, b: number, c: number, d?: number, e?: number) => settle(caller(number, a, b, c, d as number, e as number));
}

/** Where a buffer's bytes are. Only of buffers that never move (`allocUnsafeSlow`) and that are held as long as the address is used. */
export function addressOf(bytes: Uint8Array): number {
  return Number((loaded ?? load()).koffi.address(bytes));
}

/** Like `trySyscall`, but throws a SysError; `path` is for its message. */
export function syscall(path: BytePath | undefined, name: SyscallName, shape: string, ...args: readonly SysArgument[]): number {
  const result = trySyscall(name, shape, ...args);
  if (result < 0) throw sysError(-result, name, path);
  return result;
}

/** A NUL-terminated path. Throws EINVAL for a path with a NUL in it, as node:fs refuses one. */
export function cPath(path: BytePath): Buffer {
  if (path.includes('\0')) throw sysError(22, 'path', path);
  const bytes = Buffer.allocUnsafe(path.length + 1);
  bytes.write(path, 0, 'latin1');
  bytes[path.length] = 0;
  return bytes;
}

/** A NUL-terminated string or a null pointer. */
export function cString(text: string | undefined): Buffer | null {
  return text === undefined ? null : Buffer.from(`${text}\0`, 'utf8');
}

/** `AT_FDCWD`: relative paths start at the working directory. */
export const AT_FDCWD = -100;
/** `AT_SYMLINK_NOFOLLOW`. */
export const AT_SYMLINK_NOFOLLOW = 0x100;
/** `AT_EMPTY_PATH`: an empty path means the descriptor itself. */
export const AT_EMPTY_PATH = 0x1000;
