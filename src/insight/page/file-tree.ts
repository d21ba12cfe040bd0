// The image's files as the page uses them: the report's columns, with children, sums and paths made when they are asked for.

import type { FileTable } from '../report/types.ts';

/** Sums of layers kept at a time. */
const KEPT_SUMS = 24;

/** Entries are numbers: the index in the table. Entry 0 is the root. */
export class FileTree {
  readonly table: FileTable;
  readonly #names: readonly string[];
  /** Children of entry `i`: `#children[#starts[i]]` up to `#children[#starts[i + 1]]`. */
  readonly #starts: Uint32Array;
  readonly #children: Uint32Array;
  readonly #sums = new Map<number, { readonly bytes: Float64Array; readonly files: Uint32Array }>();
  #paths: readonly string[] | undefined;
  #lower: readonly string[] | undefined;
  #order: Uint32Array | undefined;

  constructor(table: FileTable) {
    this.table = table;
    this.#names = table.names.split('/');
    const { count, parents } = table;
    const starts = new Uint32Array(count + 1);
    for (let index = 1; index < count; index += 1) starts[(parents[index] ?? 0) + 1]! += 1;
    for (let index = 0; index < count; index += 1) starts[index + 1]! += starts[index] ?? 0;
    const children = new Uint32Array(Math.max(0, count - 1));
    const next = starts.slice();
    for (let index = 1; index < count; index += 1) {
      const parent = parents[index] ?? 0;
      children[next[parent] ?? 0] = index;
      next[parent]! += 1;
    }
    this.#starts = starts;
    this.#children = children;
  }

  get count(): number {
    return this.table.count;
  }

  name(index: number): string {
    return this.#names[index] ?? '';
  }

  isFolder(index: number): boolean {
    return this.table.kinds.charCodeAt(index) === 100;
  }

  children(index: number): Uint32Array {
    return this.#children.subarray(this.#starts[index], this.#starts[index + 1]);
  }

  path(index: number): string {
    if (this.#paths !== undefined) return this.#paths[index] ?? '';
    const parts: string[] = [];
    for (let at = index; at > 0; at = this.table.parents[at] ?? 0) parts.push(this.name(at));
    return `/${parts.reverse().join('/')}`;
  }

  /** Index of what stands at a path; undefined: nothing. */
  find(path: string): number | undefined {
    let at = 0;
    for (const part of path.split('/')) {
      if (part === '') continue;
      const child = this.children(at).find((index) => this.name(index) === part);
      if (child === undefined) return undefined;
      at = child;
    }
    return at;
  }

  /** Indexes of paths that have a text in them, whatever its case. */
  search(text: string): Uint32Array {
    this.#lower ??= this.#allPaths().map((path) => path.toLowerCase());
    const wanted = text.toLowerCase();
    const found: number[] = [];
    for (const index of this.inOrder()) if (this.#lower[index]?.includes(wanted) === true) found.push(index);
    return Uint32Array.from(found);
  }

  /** All entries but the root, folders before what is in them. */
  inOrder(): Uint32Array {
    if (this.#order !== undefined) return this.#order;
    const order = new Uint32Array(Math.max(0, this.count - 1));
    const stack: number[] = [...this.children(0)].reverse();
    for (let at = 0; stack.length > 0; at += 1) {
      const index = stack.pop() ?? 0;
      order[at] = index;
      const children = this.children(index);
      for (let child = children.length - 1; child >= 0; child -= 1) stack.push(children[child] ?? 0);
    }
    return (this.#order = order);
  }

  /** Bytes and files below every entry (and of itself); of one layer, or of all (-1). */
  sums(layer: number): { readonly bytes: Float64Array; readonly files: Uint32Array } {
    const known = this.#sums.get(layer);
    if (known !== undefined) return known;
    const { count, parents, sizes, layers, kinds } = this.table;
    const bytes = new Float64Array(count);
    const files = new Uint32Array(count);
    for (let index = count - 1; index >= 0; index -= 1) {
      if (kinds.charCodeAt(index) !== 100 && (layer < 0 || layers[index] === layer)) {
        bytes[index]! += sizes[index] ?? 0;
        files[index]! += 1;
      }
      if (index === 0) break;
      const parent = parents[index] ?? 0;
      bytes[parent]! += bytes[index] ?? 0;
      files[parent]! += files[index] ?? 0;
    }
    const sums = { bytes, files };
    if (this.#sums.size >= KEPT_SUMS) this.#sums.delete([...this.#sums.keys()][0] ?? 0);
    this.#sums.set(layer, sums);
    return sums;
  }

  #allPaths(): readonly string[] {
    if (this.#paths !== undefined) return this.#paths;
    const paths: string[] = [''];
    for (let index = 1; index < this.count; index += 1) paths.push(`${paths[this.table.parents[index] ?? 0] ?? ''}/${this.name(index)}`);
    paths[0] = '/';
    return (this.#paths = paths);
  }
}
