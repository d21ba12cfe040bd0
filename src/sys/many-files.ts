// Calls for loops over many files, by an open directory and a name in it. The name is put where the kernel reads it and nothing is made
// for a call: a third of what node:fs takes. A path through /proc/self/fd costs the kernel more than half as much again as opening the file.

import type { BytePath } from '../base/index.ts';
import { STATX_BASIC, STATX_BYTES, STATX_WORDS } from './directory-reader.ts';
import { sysError } from './errno.ts';
import { STAMP, STAMP_WORDS } from './stamp.ts';
import { addressOf, AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, numericSyscall, type NumericSyscall } from './syscall.ts';

const O_CLOEXEC = 0o2000000;
const EPERM = 1;
const EINVAL = 22;
const ENAMETOOLONG = 36;
const ENOSYS = 38;
const EOPNOTSUPP = 95;
/** PATH_MAX, with the NUL. */
const NAME_BYTES = 4096;

/** What one thread calls with: memory that never moves. */
interface Calls {
  readonly openat: NumericSyscall;
  readonly close: NumericSyscall;
  readonly statx: NumericSyscall;
  readonly utimensat: NumericSyscall;
  readonly listxattrat: NumericSyscall;
  readonly name: Buffer;
  readonly nameAt: number;
  /** Where an empty name is. */
  readonly nothingAt: number;
  readonly stat: Uint32Array;
  readonly statAt: number;
  /** Two timespecs. */
  readonly times: Uint32Array;
  readonly timesAt: number;
}

let calls: Calls | undefined;

function prepare(): Calls {
  const memory = Buffer.allocUnsafeSlow(NAME_BYTES + STATX_BYTES + 40).fill(0);
  const at = addressOf(memory);
  const statAt = NAME_BYTES;
  const timesAt = statAt + STATX_BYTES;
  return (calls = {
    openat: numericSyscall('openat', 5),
    close: numericSyscall('close', 3),
    statx: numericSyscall('statx', 5),
    utimensat: numericSyscall('utimensat', 5),
    listxattrat: numericSyscall('listxattrat', 5),
    name: memory.subarray(0, NAME_BYTES),
    nameAt: at,
    nothingAt: at + timesAt + 32,
    stat: new Uint32Array(memory.buffer, memory.byteOffset + statAt, STATX_BYTES / 4),
    statAt: at + statAt,
    times: new Uint32Array(memory.buffer, memory.byteOffset + timesAt, 8),
    timesAt: at + timesAt,
  });
}

/** Puts a name where the kernel reads it. */
function place({ name }: Calls, text: BytePath, call: string): void {
  if (text.length >= NAME_BYTES) throw sysError(ENAMETOOLONG, call, text);
  for (let at = 0; at < text.length; at += 1) {
    const byte = text.charCodeAt(at);
    if (byte === 0) throw sysError(EINVAL, call, text);
    name[at] = byte;
  }
  name[text.length] = 0;
}

/** openat(2) of a name in an open directory (undefined: of a path). Closed by exec. What it opens is closed by `closeFile`, in a worker. */
export function openAt(directory: number | undefined, name: BytePath, flags: number, mode = 0): number {
  const all = calls ?? prepare();
  place(all, name, 'open');
  const fd = all.openat(directory ?? AT_FDCWD, all.nameAt, flags | O_CLOEXEC, mode, 0);
  if (fd < 0) throw sysError(-fd, 'open', name);
  return fd;
}

/** Closes what a function of this room opened: node:fs warns of a descriptor that a worker did not open by it. */
export function closeFile(fd: number): void {
  (calls ?? prepare()).close(fd, 0, 0);
}

/** Writes the stamp of an open file into `words`. */
export function stampOfOpen(fd: number, words: Uint32Array, to: number): void {
  const { statx, statAt, stat, nothingAt } = calls ?? prepare();
  const result = statx(fd, nothingAt, AT_EMPTY_PATH, STATX_BASIC, statAt);
  if (result < 0) throw sysError(-result, 'statx');
  for (let word = 0; word < STAMP_WORDS; word += 1) words[to + word] = stat[STATX_WORDS[word] as number] as number;
  words[to + STAMP.mode] = (stat[7] as number) & 0xffff;
}

/** Sets both times of an open file: seconds, of any sign, and nanoseconds. */
export function dateOpen(fd: number, seconds: number, nanoseconds: number): void {
  const { utimensat, times, timesAt } = calls ?? prepare();
  const high = Math.floor(seconds / 0x1_0000_0000);
  for (let at = 0; at < 8; at += 4) {
    times[at] = seconds;
    times[at + 1] = high;
    times[at + 2] = nanoseconds;
    times[at + 3] = 0;
  }
  const result = utimensat(fd, 0, timesAt, 0, 0);
  if (result < 0) throw sysError(-result, 'utime');
}

let listsByName = true;

/**
 * Whether a name in an open directory has extended attributes, not through a symlink. Undefined: a kernel before 6.13, or what filters
 * its calls, has no such call: ask by a path. Throws the kernel's errors.
 */
export function hasXattrs(directory: number, name: BytePath): boolean | undefined {
  if (!listsByName) return undefined;
  const all = calls ?? prepare();
  place(all, name, 'listxattr');
  const length = all.listxattrat(directory, all.nameAt, AT_SYMLINK_NOFOLLOW, 0, 0);
  if (length >= 0 || length === -EOPNOTSUPP) return length > 0;
  if (length !== -ENOSYS && length !== -EPERM) throw sysError(-length, 'listxattr', name);
  listsByName = false;
  return undefined;
}
