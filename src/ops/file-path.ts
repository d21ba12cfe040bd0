// Paths inside a tree, resolved as a process chrooted there would: symlinks and `..` never lead out.

import { type BytePath, fromBytePath, SlipwayError } from '../base/index.ts';
import type { Entry } from '../layer/index.ts';

/** What resolving needs of a tree or a draft. */
export interface Lookup {
  lookup(path: BytePath): Entry | undefined;
}

/** Symlinks followed before a path counts as a loop, as BuildKit counts. */
const MAX_LINKS = 255;

export interface ResolveOptions {
  /** Whether a symlink at the very end is followed. */
  readonly followLast: boolean;
  /** The directory that acts as the root; default: the tree's. */
  readonly root?: BytePath;
}

/**
 * The real path of `path`. Components that do not exist are kept as they are, so the result may not exist. A component below a file
 * does not exist either. Throws `PATH_LOOP` after too many symlinks.
 */
export function resolvePath(tree: Lookup, path: BytePath, options: ResolveOptions): BytePath {
  const root = options.root ?? '';
  const todo = components(path).reverse();
  const done: BytePath[] = [];
  let links = 0;
  for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
    if (part === '..') {
      done.pop();
      continue;
    }
    done.push(part);
    if (todo.length === 0 && !options.followLast) break;
    const entry = tree.lookup(joinPath(root, done.join('/')));
    if (entry?.kind !== 'symlink') continue;
    links += 1;
    if (links > MAX_LINKS) {
      throw new SlipwayError('PATH_LOOP', `too many links: /${fromBytePath(cleanPath(path))}`, {
        hint: 'its symlinks point at one another',
      });
    }
    const target = entry.link ?? '';
    done.pop();
    if (target.startsWith('/')) done.length = 0;
    todo.push(...components(target).reverse());
  }
  return joinPath(root, done.join('/'));
}

/** Joins with `/`; either may be empty. */
export function joinPath(directory: BytePath, name: BytePath): BytePath {
  return directory === '' ? name : name === '' ? directory : `${directory}/${name}`;
}

/** An absolute or relative path without `.`, empty components and `..` (which stops at the root). No leading `/`. */
export function cleanPath(path: BytePath): BytePath {
  const done: BytePath[] = [];
  for (const part of components(path)) {
    if (part === '..') done.pop();
    else done.push(part);
  }
  return done.join('/');
}

function components(path: BytePath): BytePath[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}
