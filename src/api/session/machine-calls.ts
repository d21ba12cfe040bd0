// System calls that node:fs lacks; whoever starts the server hands them in.

import type { BytePath } from '../../base/index.ts';

/** Calls on one path, never through a symlink at its end. Each may throw with `.code`, like node's. */
export interface MachineCalls {
  /** Nanosecond times. */
  setMtime(path: BytePath, nanoseconds: bigint): void;
  /** Device node, FIFO or socket. */
  makeNode(path: BytePath, kind: 'char' | 'block' | 'fifo' | 'socket', mode: number, major: number, minor: number): void;
  setXattr(path: BytePath, name: string, value: Buffer): void;
  /** Names and values; empty where the file system has none. */
  listXattrs(path: BytePath): readonly { readonly name: string; readonly value: Buffer }[];
  /** Who connected at the other end of a unix socket; undefined for other descriptors. */
  peerUser(fd: number): number | undefined;
}
