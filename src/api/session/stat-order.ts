// What a well-behaved sender lists: clean relative paths in order, parents before what is in them, links to what came before.
// Everything else is refused before it touches the disk.

import { type BytePath, fromBytePath } from '../../base/index.ts';
import { compareEntryPaths } from '../../build/parts.ts';
import { RpcError } from '../wire/rpc-error.ts';
import { kindOfMode, type Stat } from './packet.ts';

/** Bytes of a name and of a path: what Linux takes (`NAME_MAX`, `PATH_MAX` without its last zero byte). */
const MAX_NAME = 255;
const MAX_PATH = 4095;

/** A path for messages: of a long one the beginning. */
function show(path: BytePath): string {
  const text = JSON.stringify(fromBytePath(path.slice(0, MAX_NAME)));
  return path.length > MAX_NAME ? `${text}… (${path.length} bytes)` : text;
}

function refuse(message: string): RpcError {
  return new RpcError('invalidArgument', message);
}

/** Checks one listing, entry by entry. */
export class StatOrder {
  /** Open directories from the root down, each with the last name seen in it. */
  readonly #parents: { readonly dir: BytePath; last: BytePath }[] = [{ dir: '', last: '' }];
  readonly #files = new Set<BytePath>();

  /** Throws InvalidArgument when `stat` may not come here. */
  check(stat: Stat): void {
    const { path } = stat;
    const shown = show(path);
    if (path === '' || path.includes('\0')) throw refuse(`empty or broken path ${shown}`);
    if (path.startsWith('/')) throw refuse(`absolute path ${shown}`);
    if (path.length > MAX_PATH) throw refuse(`path ${shown} is too long`);
    if (stat.linkname.length > MAX_PATH) throw refuse(`link ${shown} leads to a path that is too long: ${show(stat.linkname)}`);
    for (const name of path.split('/')) {
      if (name === '' || name === '.') throw refuse(`unclean path ${shown}`);
      if (name === '..') throw refuse(`path ${shown} leads out of the folder`);
      if (name.length > MAX_NAME) throw refuse(`path ${shown} has a name that is too long`);
    }
    const slash = path.lastIndexOf('/');
    const dir = slash < 0 ? '' : path.slice(0, slash);
    const name = path.slice(slash + 1);
    while (this.#parents.length > 1 && compareEntryPaths((this.#parents.at(-1) as { dir: string }).dir, dir) > 0) this.#parents.pop();
    while (this.#parents.length > 1 && !isWithin((this.#parents.at(-1) as { dir: string }).dir, dir)) this.#parents.pop();
    const parent = this.#parents.at(-1) as { dir: BytePath; last: BytePath };
    if (parent.dir !== dir || parent.last >= name) throw refuse(`changes out of order: ${shown} after ${show(parent.last)}`);
    parent.last = name;
    const kind = kindOfMode(stat.mode);
    if (kind === 'dir') this.#parents.push({ dir: path, last: '' });
    else if (kind === 'file') {
      if (stat.linkname === '') this.#files.add(path);
      else if (!this.#files.has(stat.linkname)) {
        throw refuse(`${shown} links to ${show(stat.linkname)}, which did not come before`);
      }
    }
    if (stat.linkname.includes('\0') || (kind === 'symlink' && stat.linkname === '')) throw refuse(`broken link ${shown}`);
  }
}

function isWithin(dir: BytePath, path: BytePath): boolean {
  return dir === '' || path === dir || path.startsWith(`${dir}/`);
}
