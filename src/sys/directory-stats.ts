// Stats of many names: statx(2) relative to an open directory, into one buffer. Half of what lstat of whole paths costs.

import type { BytePath } from '../base/index.ts';
import { sysError } from './errno.ts';
import { AT_SYMLINK_NOFOLLOW, cPath, trySyscall } from './syscall.ts';

const STATX_BASIC = 0x7ff;
const ENOENT = 2;
const ENOTDIR = 20;
const WIDE = /[^\x01-\x7f]/;

const bytes = Buffer.allocUnsafeSlow(256);
const words = new Uint32Array(bytes.buffer, bytes.byteOffset, 64);
const HIGH = 0x1_0000_0000;

/** Reads one name after another; the fields are those of the last one that `read` found. */
export class DirectoryStats {
  readonly #fd: number;

  /** `directory` is a descriptor of it (O_PATH will do), and stays the caller's. */
  constructor(directory: number) {
    this.#fd = directory;
  }

  /** Looks at a name, never through a symlink. False: it is not there. */
  read(name: BytePath): boolean {
    const path = WIDE.test(name) ? cPath(name) : name;
    const result = trySyscall('statx', 'isiip', this.#fd, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC, bytes);
    if (result === -ENOENT || result === -ENOTDIR) return false;
    if (result < 0) throw sysError(-result, 'statx', name);
    return true;
  }

  /** Type and permission bits. */
  get mode(): number {
    return (words[7] as number) & 0xffff;
  }

  get links(): number {
    return words[4] as number;
  }

  /** Exact up to 2^53. */
  get ino(): number {
    return (words[9] as number) * HIGH + (words[8] as number);
  }

  /** Device and inode, exact. */
  get identity(): string {
    return `${words[34] as number}:${words[35] as number}:${words[9] as number}:${words[8] as number}`;
  }

  get size(): number {
    return (words[11] as number) * HIGH + (words[10] as number);
  }

  /** Seconds since the epoch. */
  get modified(): number {
    return ((words[29] as number) | 0) * HIGH + (words[28] as number);
  }

  get modifiedNs(): number {
    return words[30] as number;
  }

  get changed(): number {
    return ((words[25] as number) | 0) * HIGH + (words[24] as number);
  }

  get changedNs(): number {
    return words[26] as number;
  }

  /** Of a device node. */
  get devMajor(): number {
    return words[32] as number;
  }

  get devMinor(): number {
    return words[33] as number;
  }
}
