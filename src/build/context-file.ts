// Files that a build reads by name before it has a tree: the Dockerfile and ignore files. Whoever wrote the context must not choose what
// is read of this machine, and may be changing it.

import { isAscii } from 'node:buffer';
import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf } from '../base/index.ts';

/** The text, or why it is not read: a symlink to something that is neither in the file's own folder nor in the context; no file but a pipe or the like. */
export type ContextFile = { readonly kind: 'text'; readonly text: string } | { readonly kind: 'outside' } | { readonly kind: 'not a file' };

/** Reads it. `named` by the user, it may be a pipe. Throws the kernel's errors. */
export function readContextFile(path: string, context: string, named: boolean): ContextFile {
  const isLink = lstatSync(path).isSymbolicLink();
  let fd: number;
  try {
    // A pipe that nobody writes to must not be waited for.
    fd = openSync(path, constants.O_RDONLY | (isLink ? 0 : constants.O_NOFOLLOW) | (named ? 0 : constants.O_NONBLOCK));
  } catch (error) {
    if (errnoOf(error) === 'ELOOP' && !isLink) return { kind: 'outside' };
    throw error;
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile() && !stat.isDirectory() && !named) return { kind: 'not a file' };
    // What was opened says where it is, whatever the name leads to by now.
    if (isLink && !isBelow(where(fd, path, stat.isFile()), [dirname(path), context])) return { kind: 'outside' };
    return { kind: 'text', text: textOf(readFileSync(fd)) };
  } finally {
    closeSync(fd);
  }
}

/** The text of UTF-8. Of ASCII, as nearly all are, each byte is a character: nothing is to be decoded. */
function textOf(bytes: Buffer): string {
  return bytes.toString(isAscii(bytes) ? 'latin1' : 'utf8');
}

function where(fd: number, path: string, isFile: boolean): string {
  // Pipes have no place: the link's own counts (`/dev/fd/63`). So it does where /proc is missing.
  return (isFile ? linkOf(`/proc/self/fd/${fd}`) : undefined) ?? realpathSync(path);
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function isBelow(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) => path.startsWith(`${realpathSync(folder)}/`));
}
