// Mounting: mount(2), and the new API (Linux 5.2; `lowerdir+` of overlay 6.5) that has no limit on the length of options.

import { closeSync } from 'node:fs';
import type { BytePath } from '../base/index.ts';
import { AT_EMPTY_PATH, AT_FDCWD, cPath, cString, syscall } from './syscall.ts';

/** Flags of mount(2) (sys/mount.h). */
export const MountFlag = {
  readonly: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  remount: 32,
  noatime: 1024,
  bind: 4096,
  move: 8192,
  recursive: 16384,
  unbindable: 1 << 17,
  private: 1 << 18,
  slave: 1 << 19,
  shared: 1 << 20,
  relatime: 1 << 21,
} as const;

/** mount(2). `data` is the option string (at most a page). */
export function mount(source: BytePath | undefined, target: BytePath, type: string | undefined, flags: number, data?: BytePath): void {
  const from = source === undefined ? null : cPath(source);
  syscall(target, 'mount', 'pppip', from, cPath(target), cString(type), flags, data === undefined ? null : cPath(data));
}

/** umount2(2). `lazy`: detached now, gone when nobody uses it any more. Never through a symlink. */
export function unmount(target: BytePath, lazy = false): void {
  syscall(target, 'umount2', 'pi', cPath(target), 8 | (lazy ? 2 : 0));
}

/** Attributes of a mount made by the new API (`MOUNT_ATTR_*`). */
export const MountAttribute = { readonly: 1, nosuid: 2, nodev: 4, noexec: 8, noatime: 0x10 } as const;

/** A filesystem being configured: fsopen(2). Close it with `closeSync`; each call below throws the kernel's error. */
export function fsopen(type: string): number {
  return syscall(undefined, 'fsopen', 'pi', cString(type), 1);
}

/** `FSCONFIG_SET_STRING`: one `key=value` option. `value` is bytes, so paths go as they are. */
function fsconfigString(fs: number, key: string, value: BytePath): void {
  syscall(value, 'fsconfig', 'iippi', fs, 1, cString(key), cPath(value), 0);
}

/** `FSCONFIG_SET_FLAG`: an option without a value. */
function fsconfigFlag(fs: number, key: string): void {
  syscall(key, 'fsconfig', 'iippi', fs, 0, cString(key), null, 0);
}

/** `FSCONFIG_CMD_CREATE`: the options are complete. */
function fsconfigCreate(fs: number): void {
  syscall(undefined, 'fsconfig', 'iippi', fs, 6, null, null, 0);
}

/** The configured filesystem as a mount that is nowhere yet. */
export function fsmount(fs: number, attributes = 0): number {
  return syscall(undefined, 'fsmount', 'iii', fs, 1, attributes);
}

/** Puts a detached mount at `target`. Close `mountFd` afterwards: while it is open the mount is busy. */
export function attachMount(mountFd: number, target: BytePath): void {
  const MOVE_MOUNT_F_EMPTY_PATH = 4;
  syscall(target, 'move_mount', 'ipipi', mountFd, cString(''), AT_FDCWD, cPath(target), MOVE_MOUNT_F_EMPTY_PATH);
}

/** Sets and clears attributes of a mount, or of a whole tree of them (Linux 5.12). */
export function setMountAttributes(mountFd: number, set: number, clear: number, recursive: boolean): void {
  const attributes = Buffer.alloc(32);
  attributes.writeBigUInt64LE(BigInt(set), 0);
  attributes.writeBigUInt64LE(BigInt(clear), 8);
  syscall(undefined, 'mount_setattr', 'ipipi', mountFd, cString(''), AT_EMPTY_PATH | (recursive ? 0x8000 : 0), attributes, 32);
}

/** Makes a filesystem with options in order (repeated keys allowed) and returns its detached mount. The caller closes it. */
export function makeMount(type: string, options: readonly (readonly [key: string, value?: BytePath])[], attributes = 0): number {
  const fs = fsopen(type);
  try {
    for (const [key, value] of options) {
      if (value === undefined) fsconfigFlag(fs, key);
      else fsconfigString(fs, key, value);
    }
    fsconfigCreate(fs);
    return fsmount(fs, attributes);
  } finally {
    closeSync(fs);
  }
}
