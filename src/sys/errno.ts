// Errors of system calls, in the shape that node:fs gives its own.

import { getSystemErrorMap } from 'node:util';
import { type BytePath, fromBytePath } from '../base/index.ts';

/** A failed system call: `code` is the errno's name (`ENOENT`), as on errors of node:fs. */
export interface SysError extends Error {
  readonly code: string;
  /** Negative, as libuv counts. */
  readonly errno: number;
  readonly syscall: string;
  readonly path?: string;
}

/** The error for a positive errno that `syscall` left. `path` only tells the reader what it was about. */
export function sysError(errno: number, syscall: string, path?: BytePath): SysError {
  const [code, text] = getSystemErrorMap().get(-errno) ?? OTHERS[errno] ?? [`ERRNO_${errno}`, 'unknown error'];
  const shown = path === undefined ? undefined : fromBytePath(path);
  const error = new Error(`${code}: ${text}, ${syscall}${shown === undefined ? '' : ` '${shown}'`}`);
  return Object.assign(error, { code, errno: -errno, syscall, ...(shown === undefined ? {} : { path: shown }) });
}

/** Errnos that libuv has no name for. */
const OTHERS: Readonly<Record<number, readonly [string, string]>> = {
  22: ['EINVAL', 'invalid argument'],
  61: ['ENODATA', 'no data available'],
  87: ['EUSERS', 'too many users'],
  116: ['ESTALE', 'stale file handle'],
  122: ['EDQUOT', 'disk quota exceeded'],
};
