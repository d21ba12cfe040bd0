// Where a path leads inside a root, as a process chrooted there would see it, and held: each directory on the way is opened by the one
// before, and no name is followed that turned into a link meanwhile. So a process that swaps what is in the root leads nobody out of it.

import { closeSync, constants, lstatSync, openSync, readlinkSync } from 'node:fs';
import { type BytePath, errnoOf, fsPath } from '../base/index.ts';
import { sysError } from './errno.ts';

/** A place in a root. Disposing closes the folder. */
export interface HeldPlace extends Disposable {
  /** The deepest directory above the place that exists, by a descriptor: `<folder>/<name>` stays in it, whatever it is called by then. */
  readonly folder: BytePath;
  /** What follows below `folder`. None: the place is the root itself. More than one: the place is not there. */
  readonly names: readonly BytePath[];
  /** The first of `names` is there. If more follow, it is no directory and the place cannot be. */
  readonly there: boolean;
  /** Where `folder` was when it was opened, the root included, through no symlink of it. */
  readonly path: BytePath;
}

const O_PATH = 0o10000000;
const DIRECTORY = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const MAX_LINKS = 255;
/** So often the same name may have become something else between two looks. */
const MAX_LOOKS = 50;

/**
 * Follows `path` inside `root`: absolute symlinks and `..` stay inside. `followLast: false` leaves a symlink in the last place alone.
 * Throws ELOOP after 255 links, EAGAIN when somebody changes a name faster than it can be looked at.
 */
export function holdInRoot(root: BytePath, path: BytePath, options: { readonly followLast?: boolean } = {}): HeldPlace {
  const open: { readonly fd: number; readonly name: BytePath }[] = [];
  const beyond: BytePath[] = [];
  const pending = components(path).reverse();
  let there = false;
  let links = 0;
  try {
    open.push({ fd: openSync(fsPath(root), O_PATH | constants.O_DIRECTORY), name: root });
    while (pending.length > 0) {
      const name = pending.pop() as BytePath;
      if (name === '..') {
        if (beyond.length > 0) beyond.pop();
        else if (open.length > 1) closeSync((open.pop() as { fd: number }).fd);
        continue;
      }
      if (beyond.length > 0) {
        beyond.push(name);
        continue;
      }
      const seen = look(`/proc/self/fd/${(open.at(-1) as { fd: number }).fd}/${name}`);
      if (seen.kind === 'directory') open.push({ fd: seen.fd, name });
      else if (seen.kind === 'link' && (pending.length > 0 || options.followLast !== false)) {
        if ((links += 1) > MAX_LINKS) throw sysError(40, 'resolve', path);
        if (seen.target.startsWith('/')) for (const { fd } of open.splice(1)) closeSync(fd);
        pending.push(...components(seen.target).reverse());
      } else {
        there = seen.kind !== 'missing';
        beyond.push(name);
      }
    }
    // A directory in the last place is held by the one above it, as everything else is.
    if (beyond.length === 0 && open.length > 1) {
      const last = open.pop() as { fd: number; name: BytePath };
      closeSync(last.fd);
      beyond.push(last.name);
      there = true;
    }
  } catch (error) {
    for (const { fd } of open) closeSync(fd);
    throw error;
  }
  const names = open.map(({ name }) => name);
  const { fd } = open.pop() as { fd: number; name: BytePath };
  for (const each of open) closeSync(each.fd);
  return {
    folder: `/proc/self/fd/${fd}`,
    names: beyond,
    there: beyond.length === 0 || there,
    path: names.join('/'),
    [Symbol.dispose]: () => closeSync(fd),
  };
}

type Seen =
  | { readonly kind: 'directory'; readonly fd: number }
  | { readonly kind: 'link'; readonly target: BytePath }
  | { readonly kind: 'other' | 'missing' };

/** What is there. It may be swapped between two calls: then it is looked at again. */
function look(path: BytePath): Seen {
  const at = fsPath(path);
  for (let count = 0; count < MAX_LOOKS; count += 1) {
    const stat = lstatSync(at, { throwIfNoEntry: false });
    if (stat === undefined) return { kind: 'missing' };
    try {
      if (stat.isSymbolicLink()) return { kind: 'link', target: readlinkSync(at, { encoding: 'latin1' }) };
      return stat.isDirectory() ? { kind: 'directory', fd: openSync(at, DIRECTORY) } : { kind: 'other' };
    } catch (error) {
      if (!['ENOENT', 'ENOTDIR', 'ELOOP', 'EINVAL'].includes(errnoOf(error) ?? '')) throw error;
    }
  }
  throw sysError(11, 'resolve', path);
}

function components(path: BytePath): BytePath[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}
