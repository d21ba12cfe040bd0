// All paths of an image in columns: small enough to stand in a page a hundred thousand times.

import { baseName, type BytePath, fromBytePath } from '../../base/index.ts';
import { type Entry, StackTree, type Tree } from '../../layer/index.ts';
import { walkTree } from '../tree-files.ts';
import type { FileTable } from './types.ts';

const LETTERS: Readonly<Record<Entry['kind'], string>> = {
  file: 'f',
  hardlink: 'f',
  dir: 'd',
  symlink: 'l',
  char: 'c',
  block: 'b',
  fifo: 'p',
  socket: 's',
  whiteout: 'c',
};

/** Entries listed at most. */
const MAX_ENTRIES = 2_000_000;

/** What the table needs to know beside the tree. */
export interface FileTableOptions {
  /** Ids of the layers, lowest first. */
  readonly layers: readonly string[];
  /** The package that has a path. */
  readonly ownerOf: (path: BytePath) => string | undefined;
}

/** Lists a tree. A file of several names counts once, at its first. */
export function fileTable(tree: Tree, { layers, ownerOf }: FileTableOptions): FileTable {
  const numbers = new Map(layers.map((id, index) => [id, index]));
  const rights = new Numbers();
  const packages = new Numbers();
  const folders = new Map<BytePath, number>([['', 0]]);
  const counted = new Set<string>();
  const names = [''];
  const table = {
    parents: [0],
    sizes: [0],
    layers: [-1],
    right: [rights.of('0755 0:0')],
    owner: [-1],
    links: {} as Record<string, string>,
  };
  let kinds = 'd';
  for (const entry of walkTree(tree, '', MAX_ENTRIES)) {
    const { path, kind, mode, uid, gid } = entry;
    const index = names.length;
    const slash = path.lastIndexOf('/');
    if (kind === 'dir') folders.set(path, index);
    names.push(fromBytePath(baseName(path)));
    kinds += LETTERS[kind];
    table.parents.push(folders.get(slash < 0 ? '' : path.slice(0, slash)) ?? 0);
    table.sizes.push(kind === 'file' ? sizeOnce(tree, entry, counted) : 0);
    const id = tree instanceof StackTree ? tree.layerOf(entry) : undefined;
    table.layers.push(id === undefined ? -1 : (numbers.get(id) ?? -1));
    table.right.push(rights.of(`${mode.toString(8).padStart(4, '0')} ${uid}:${gid}`));
    const owner = ownerOf(path);
    table.owner.push(owner === undefined ? -1 : packages.of(owner));
    if (kind === 'symlink') table.links[index] = fromBytePath(entry.link ?? '');
  }
  return { count: names.length, names: names.join('/'), kinds, ...table, rights: rights.names, packages: packages.names };
}

function sizeOnce(tree: Tree, entry: Entry, counted: Set<string>): number {
  const key = tree.linkKey(entry);
  if (key === undefined) return entry.size;
  if (counted.has(key)) return 0;
  counted.add(key);
  return entry.size;
}

/** Names by number, in the order they came. */
class Numbers {
  readonly names: string[] = [];
  readonly #known = new Map<string, number>();

  of(name: string): number {
    let number = this.#known.get(name);
    if (number === undefined) {
      number = this.names.push(name) - 1;
      this.#known.set(name, number);
    }
    return number;
  }
}

/** Paths of a table as people read them, in its order. */
export function tablePaths({ names, parents }: FileTable): readonly string[] {
  const paths: string[] = [];
  for (const [index, name] of names.split('/').entries()) paths.push(index === 0 ? '' : `${paths[parents[index] ?? 0] ?? ''}/${name}`);
  return paths;
}
