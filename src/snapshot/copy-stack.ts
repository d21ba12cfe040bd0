// A stack of layer folders read without mounting it: what overlayfs would show, in user space. Resolves paths inside the stack and copies
// trees out of it.

import {
  chmodSync,
  constants,
  copyFileSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  type BigIntStats,
  symlinkSync,
} from 'node:fs';
import { type BytePath, errnoOf, fsPath, toBytePath } from '../base/index.ts';
import { deviceMajor, deviceMinor, type FileTime, getXattr, listXattrs, mknod, setTimes, setXattr, sysError } from '../sys/index.ts';

/** What is at a path of a stack: where it lies, and for a directory which layers take part, topmost first. */
export interface Found {
  readonly stat: BigIntStats;
  /** Path on this machine. */
  readonly at: BytePath;
  readonly layers: readonly number[];
}

/** Reads a stack; the folders must not change meanwhile. */
export class FolderStack {
  readonly #folders: readonly BytePath[];

  /** Folders lowest first. */
  constructor(folders: readonly string[]) {
    this.#folders = folders.map(toBytePath);
  }

  /** The root: all layers above the topmost opaque one. Undefined for an empty stack. */
  root(): Found | undefined {
    return this.#merge('', this.#folders.map((_, index) => index).reverse()); // prettier-ignore
  }

  /** What `name` is in a directory of the stack. */
  child(parent: BytePath, directory: Found, name: BytePath): Found | undefined {
    return this.#merge(parent === '' ? name : `${parent}/${name}`, directory.layers);
  }

  /** Names in a directory, sorted, without those that are gone. */
  names(path: BytePath, directory: Found): readonly BytePath[] {
    const names = new Set<BytePath>();
    for (const layer of directory.layers) {
      for (const name of readdirSync(fsPath(this.#at(layer, path)), { encoding: 'latin1' })) names.add(name);
    }
    return [...names].filter((name) => this.child(path, directory, name) !== undefined).sort();
  }

  /**
   * Follows a path and its symlinks inside the stack. Gives the path it ends at and what is there; undefined when that is nothing. Throws ELOOP.
   */
  resolve(path: BytePath): { readonly path: BytePath; readonly found: Found } | undefined {
    const root = this.root();
    if (root === undefined) return undefined;
    const pending = components(path).reverse();
    let trail: { readonly name: BytePath; readonly found: Found }[] = [];
    let links = 0;
    while (pending.length > 0) {
      const name = pending.pop() as BytePath;
      if (name === '..') {
        trail.pop();
        continue;
      }
      const parent = trail.at(-1)?.found ?? root;
      if (!parent.stat.isDirectory()) return undefined;
      const found = this.child(trail.map((step) => step.name).join('/'), parent, name);
      if (found === undefined) return undefined;
      if (!found.stat.isSymbolicLink()) {
        trail.push({ name, found });
        continue;
      }
      if ((links += 1) > 255) throw sysError(40, 'resolve', path);
      const target = readlinkSync(fsPath(found.at), { encoding: 'latin1' });
      if (target.startsWith('/')) trail = [];
      pending.push(...components(target).reverse());
    }
    return { path: trail.map((step) => step.name).join('/'), found: trail.at(-1)?.found ?? root };
  }

  #merge(path: BytePath, layers: readonly number[]): Found | undefined {
    let top: { readonly stat: BigIntStats; readonly at: BytePath } | undefined;
    const parts: number[] = [];
    for (const layer of layers) {
      const at = this.#at(layer, path);
      const stat = statOf(at);
      if (stat === undefined) continue;
      if (!stat.isDirectory()) {
        if (top === undefined && !isWhiteout(stat, at)) return { stat, at, layers: [] };
        break;
      }
      top ??= { stat, at };
      parts.push(layer);
      if (isOpaque(at)) break;
    }
    return top === undefined ? undefined : { ...top, layers: parts };
  }

  #at(layer: number, path: BytePath): BytePath {
    const folder = this.#folders[layer] as BytePath;
    return path === '' ? folder : `${folder}/${path}`;
  }
}

function components(path: BytePath): BytePath[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

function statOf(path: BytePath): BigIntStats | undefined {
  try {
    return lstatSync(fsPath(path), { bigint: true });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

function isWhiteout(stat: BigIntStats, at: BytePath): boolean {
  if (stat.isCharacterDevice()) return stat.rdev === 0n;
  if (!stat.isFile() || stat.size !== 0n) return false;
  return getXattr(at, 'user.overlay.whiteout') !== undefined || getXattr(at, 'trusted.overlay.whiteout') !== undefined;
}

function isOpaque(at: BytePath): boolean {
  return listXattrs(at).some((name) => (name === 'trusted.overlay.opaque' || name === 'user.overlay.opaque') && getXattr(at, name) === 'y');
}

/** Copies what is at a path of a stack, with all below it, to `target`, which must not exist (a directory may, for the root). */
export function copyOut(stack: FolderStack, path: BytePath, found: Found, target: BytePath, links = new Map<string, BytePath>()): void {
  const { stat, at } = found;
  if (!stat.isDirectory()) return copyNode(stat, at, target, links);
  makeDirectory(target);
  for (const name of stack.names(path, found)) {
    const child = stack.child(path, found, name);
    if (child !== undefined) copyOut(stack, path === '' ? name : `${path}/${name}`, child, `${target}/${name}`, links);
  }
  copyMetadata(stat, at, target);
}

/** Copies anything but a directory. `links` knows the first copy of each inode with several names. */
export function copyNode(stat: BigIntStats, from: BytePath, to: BytePath, links: Map<string, BytePath>): void {
  if (stat.nlink > 1n) {
    const key = `${stat.dev}:${stat.ino}`;
    const first = links.get(key);
    if (first !== undefined) return linkSync(fsPath(first), fsPath(to));
    links.set(key, to);
  }
  if (stat.isFile()) copyFileSync(fsPath(from), fsPath(to), constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  else if (stat.isSymbolicLink()) symlinkSync(readlinkSync(fsPath(from), { encoding: 'buffer' }), fsPath(to));
  else mknod(to, Number(stat.mode) & ~0o7077, deviceMajor(Number(stat.rdev)), deviceMinor(Number(stat.rdev)));
  copyMetadata(stat, from, to);
}

/** Makes a directory that only we can look into until its metadata is set. */
export function makeDirectory(path: BytePath): void {
  try {
    mkdirSync(fsPath(path), { mode: 0o700 });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}

/** Owner, mode, attributes but overlay's own, and times. */
export function copyMetadata(stat: BigIntStats, from: BytePath, to: BytePath): void {
  lchownSync(fsPath(to), Number(stat.uid), Number(stat.gid));
  // After the owner: chown takes setuid and capabilities away.
  if (!stat.isSymbolicLink()) chmodSync(fsPath(to), Number(stat.mode) & 0o7777);
  for (const name of listXattrs(from)) {
    if (name.startsWith('trusted.overlay.') || name.startsWith('user.overlay.') || name === 'security.selinux') continue;
    const value = getXattr(from, name);
    if (value !== undefined) keepXattr(to, name, value);
  }
  setTimes(to, undefined, fileTime(stat.mtimeNs));
}

/** The filesystem or our rights may not allow it; the layer's own index has it in any case. */
function keepXattr(path: BytePath, name: string, value: string): void {
  try {
    setXattr(path, name, value);
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL'].includes(errnoOf(error) ?? '')) throw error;
  }
}

function fileTime(ns: bigint): FileTime {
  const rest = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return { seconds: Number((ns - rest) / 1_000_000_000n), nanoseconds: Number(rest) };
}
