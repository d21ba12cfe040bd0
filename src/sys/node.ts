// Making and touching nodes in ways that node:fs lacks: devices, nanosecond times, birth times, atomic exchanges.

import type { BytePath } from '../base/index.ts';
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, cPath, syscall } from './syscall.ts';

/** File type bits of a mode (stat.h). */
export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;

/** A device number as the kernel's calls take and stat gives it. */
export function makeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) >>> 0;
}

/** Major number of a device, as makedev(3) packs it. */
export function deviceMajor(device: number): number {
  return (device >>> 8) & 0xfff;
}

/** Minor number of a device. */
export function deviceMinor(device: number): number {
  return (device & 0xff) | ((device >>> 12) & 0xfff00);
}

/** Makes a device, fifo, socket or (for overlay's whiteouts) a character device 0:0. The umask applies to `mode`. */
export function mknod(path: BytePath, mode: number, major = 0, minor = 0): void {
  syscall(path, 'mknodat', 'ipii', AT_FDCWD, cPath(path), mode, makeDevice(major, minor));
}

/** A point in time: whole seconds since the epoch (may be negative) and nanoseconds 0…999,999,999. */
export interface FileTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** Sets access and modification time of the path itself, symlink or not, to the nanosecond. `undefined` leaves one as it is. */
export function setTimes(path: BytePath, accessed: FileTime | undefined, modified: FileTime | undefined): void {
  syscall(path, 'utimensat', 'ippi', AT_FDCWD, cPath(path), timespecs(accessed, modified), AT_SYMLINK_NOFOLLOW);
}

/** `setTimes` of an open file. */
export function setTimesOf(fd: number, accessed: FileTime | undefined, modified: FileTime | undefined): void {
  syscall(undefined, 'utimensat', 'ippi', fd, null, timespecs(accessed, modified), 0);
}

const UTIME_OMIT = 0x3ffffffe;
const times = Buffer.alloc(32);

function timespecs(accessed: FileTime | undefined, modified: FileTime | undefined): Buffer {
  for (const [at, time] of [accessed, modified].entries()) {
    const seconds = time?.seconds ?? 0;
    times.writeUInt32LE(seconds >>> 0, at * 16);
    times.writeInt32LE(Math.floor(seconds / 0x1_0000_0000), at * 16 + 4);
    times.writeUInt32LE(time === undefined ? UTIME_OMIT : time.nanoseconds, at * 16 + 8);
  }
  return times;
}

/** What statx(2) says beyond lstat. */
export interface Statx {
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly ino: bigint;
  readonly size: bigint;
  readonly modified: FileTime;
  readonly changed: FileTime;
  /** Birth; undefined where the filesystem does not keep it. */
  readonly born: FileTime | undefined;
  readonly devMajor: number;
  readonly devMinor: number;
  /** Id of the mount that the path is on; undefined before Linux 5.8. */
  readonly mountId: bigint | undefined;
  /** The path is where something is mounted; undefined before Linux 5.8. */
  readonly isMountRoot: boolean | undefined;
  readonly immutable: boolean;
}

const STATX_BASIC = 0x7ff;
const STATX_BTIME = 0x800;
const STATX_MNT_ID = 0x1000;
const ATTR_IMMUTABLE = 0x10n;
const ATTR_MOUNT_ROOT = 0x2000n;

/** statx(2) of the path itself, never through a symlink. */
export function statx(path: BytePath): Statx {
  const bytes = Buffer.alloc(256);
  syscall(path, 'statx', 'ipiip', AT_FDCWD, cPath(path), AT_SYMLINK_NOFOLLOW, STATX_BASIC | STATX_BTIME | STATX_MNT_ID, bytes);
  const mask = bytes.readUInt32LE(0);
  const attributes = bytes.readBigUInt64LE(8);
  const known = bytes.readBigUInt64LE(56);
  const time = (at: number): FileTime => ({
    seconds: Number(bytes.readBigInt64LE(at)),
    nanoseconds: bytes.readUInt32LE(at + 8),
  });
  return {
    nlink: bytes.readUInt32LE(16),
    uid: bytes.readUInt32LE(20),
    gid: bytes.readUInt32LE(24),
    mode: bytes.readUInt16LE(28),
    ino: bytes.readBigUInt64LE(32),
    size: bytes.readBigUInt64LE(40),
    born: (mask & STATX_BTIME) === 0 ? undefined : time(80),
    changed: time(96),
    modified: time(112),
    devMajor: bytes.readUInt32LE(136),
    devMinor: bytes.readUInt32LE(140),
    mountId: (mask & STATX_MNT_ID) === 0 ? undefined : bytes.readBigUInt64LE(144),
    isMountRoot: (known & ATTR_MOUNT_ROOT) === 0n ? undefined : (attributes & ATTR_MOUNT_ROOT) !== 0n,
    immutable: (attributes & ATTR_IMMUTABLE) !== 0n,
  };
}

/** Swaps two existing paths in one step. */
export function renameExchange(a: BytePath, b: BytePath): void {
  syscall(b, 'renameat2', 'ipipi', AT_FDCWD, cPath(a), AT_FDCWD, cPath(b), 2);
}
