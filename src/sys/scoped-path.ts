// Resolving a path inside a root folder as a process chrooted there would see it. For trees that nobody changes meanwhile: where
// a process may race, `openScoped` asks the kernel instead.

import { lstatSync, readlinkSync } from 'node:fs';
import { type BytePath, errnoOf, fsPath } from '../base/index.ts';
import { sysError } from './errno.ts';

/** Where a scoped path leads. */
export interface ScopedPath {
  /** Below `root`, through no symlink (unless the last one was not to be followed). */
  readonly path: BytePath;
  /** Number of trailing components that do not exist. */
  readonly missing: number;
}

/**
 * Follows `path` inside `root`: absolute symlinks and `..` stay inside. Components after the first missing one are appended as they are.
 * Throws ELOOP after 255 links. `followLast: false` leaves a symlink in the last place alone.
 */
export function resolveInRoot(root: BytePath, path: BytePath, options: { readonly followLast?: boolean } = {}): ScopedPath {
  const pending = components(path).reverse();
  const done: BytePath[] = [];
  let missing = 0;
  let links = 0;
  while (pending.length > 0) {
    const name = pending.pop() as BytePath;
    if (name === '..') {
      done.pop();
      if (missing > 0) missing -= 1;
      continue;
    }
    done.push(name);
    if (missing > 0) {
      missing += 1;
      continue;
    }
    const at = join(root, done);
    const target = linkTarget(at);
    if (target === 'missing') missing = 1;
    else if (target !== undefined && (pending.length > 0 || options.followLast !== false)) {
      if ((links += 1) > 255) throw sysError(40, 'resolve', path);
      done.pop();
      if (target.link.startsWith('/')) done.length = 0;
      pending.push(...components(target.link).reverse());
    }
  }
  return { path: join(root, done), missing };
}

function components(path: BytePath): BytePath[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

function join(root: BytePath, names: readonly BytePath[]): BytePath {
  return names.length === 0 ? root : `${root === '/' ? '' : root}/${names.join('/')}`;
}

function linkTarget(path: BytePath): { readonly link: BytePath } | 'missing' | undefined {
  try {
    if (!lstatSync(fsPath(path)).isSymbolicLink()) return undefined;
    return { link: readlinkSync(fsPath(path), { encoding: 'latin1' }) };
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'missing';
    throw error;
  }
}
