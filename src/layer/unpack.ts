// A layer's tar becomes an index, and if wanted a folder in overlay's form. The tar is a stranger's: names are resolved inside the
// layer as if it were the root, nothing is ever written through a link, and what the rights do not allow stays in the index alone.

import { createHash, type Hash } from 'node:crypto';
import { type BytePath, fromBytePath, isSlipwayError, sha256Digest, SlipwayError } from '../base/index.ts';
import type { Entry } from './entry.ts';
import { FolderForm, type FolderRights } from './folder-form.ts';
import { makeLayerIndex, MAX_PATH } from './layer-index.ts';
import { sha256Of } from './sha256.ts';
import { broken, overLimit } from './tar-faults.ts';
import type { TarMember, TarSink } from './tar-reader.ts';
import type { LayerIndex } from './tree.ts';
import { isLayerXattr, readWhiteout } from './whiteout.ts';

/** Where and how to unpack. */
export interface UnpackOptions {
  /** An empty folder of our own; undefined: only the index is made. */
  readonly folder?: string;
  readonly rights?: FolderRights;
}

/** What came out. */
export interface Unpacked {
  readonly index: LayerIndex;
  /** Bytes of all files. */
  readonly size: number;
  /** Directories on the way to entries that the tar does not list: on disk 0755, owned by root; not in the index. */
  readonly implied: readonly BytePath[];
}

type Node = { -readonly [key in keyof Entry]: Entry[key] } & { implied?: boolean };

const EMPTY = sha256Of(Buffer.alloc(0));
/** As the kernel: more hops are a loop. */
const MAX_HOPS = 40;
/** Looking through all nodes for those below a replaced directory: more than this is an attack. */
const MAX_REPLACE_WORK = 100_000_000;

/** Sink of a TarReader that applies members to an empty tree. */
export class LayerUnpacker implements TarSink {
  readonly #nodes = new Map<BytePath, Node>();
  readonly #form: FolderForm | undefined;
  /** Names of each shared file but its first. */
  readonly #links = new Map<BytePath, BytePath[]>();
  readonly #whiteouts = new Map<BytePath, Node>();
  readonly #opaque = new Set<BytePath>();
  #size = 0;
  #work = 0;
  #parent: { written: BytePath; resolved: BytePath } | undefined;
  #file: { readonly node: Node; left: number; hash: Hash | undefined } | undefined;

  constructor(options: UnpackOptions) {
    this.#form = options.folder === undefined ? undefined : new FolderForm(options.folder, options.rights);
  }

  member(member: TarMember): void {
    const name = cleanPath(member.name);
    const whiteout = member.kind === 'dir' ? undefined : readWhiteout(name);
    if (whiteout !== undefined) {
      // Applied at the end: they speak of the layers below, never of this one, wherever in the tar they stand.
      if (whiteout.kind === 'whiteout') {
        const { path } = whiteout;
        this.#whiteouts.set(path, {
          path,
          kind: 'whiteout',
          mode: 0,
          uid: 0,
          gid: 0,
          size: 0,
          mtime: member.mtime,
          mtimeNs: member.mtimeNs,
        });
      } else if (whiteout.kind === 'opaque') this.#opaque.add(whiteout.path);
      return;
    }
    const path = this.#resolve(name);
    const node = this.#nodeOf(member, path);
    if (node === undefined) return;
    if (path === '') return this.#root(node);
    this.#replace(path, node);
    if (member.kind === 'hardlink') {
      // It was in a directory that this name just replaced.
      if (!this.#nodes.has(node.link ?? '')) throw danglingLink(member);
      return this.#link(node);
    }
    this.#nodes.set(path, node);
    if (node.kind !== 'file') {
      if (node.kind !== 'dir') this.#parent = undefined;
      this.#form?.make(node);
      return;
    }
    this.#size += node.size;
    if (node.size === 0) {
      node.digest = EMPTY;
      this.#form?.writeFile(node, Buffer.alloc(0));
      return;
    }
    this.#file = { node, left: node.size, hash: undefined };
  }

  data(bytes: Uint8Array): void {
    const file = this.#file;
    if (file === undefined) return;
    if (file.hash === undefined && bytes.length === file.left) {
      // The whole file at once: most files.
      file.node.digest = sha256Of(bytes);
      this.#form?.writeFile(file.node, bytes);
      file.left = 0;
      return;
    }
    if (file.hash === undefined) {
      file.hash = createHash('sha256');
      this.#form?.beginFile(file.node);
    }
    file.hash.update(bytes);
    this.#form?.append(bytes);
    file.left -= bytes.length;
  }

  end(): void {
    const file = this.#file;
    this.#file = undefined;
    if (file?.hash === undefined) return;
    file.node.digest = sha256Digest(file.hash.digest('hex'));
    this.#form?.endFile(file.node);
  }

  /** After the last member: directories get their times, whiteouts take effect. Call once. */
  finish(): Unpacked {
    for (const written of this.#opaque) {
      const path = this.#resolveMark(`${written}/.`);
      if (path !== undefined) this.#markOpaque(path);
    }
    for (const [written, mark] of this.#whiteouts) {
      const path = this.#resolveMark(written);
      if (path === undefined || path === '') continue;
      const node = { ...mark, path };
      const present = this.#nodes.get(path);
      if (present === undefined) {
        this.#ensureParents(path);
        this.#nodes.set(path, node);
        this.#form?.make(node);
      } else if (present.kind === 'dir') this.#markOpaque(path);
    }
    const implied: BytePath[] = [];
    const entries: Entry[] = [];
    for (const node of this.#nodes.values()) {
      const { implied: isImplied, ...entry } = node;
      if (isImplied === true && entry.opaque !== true) implied.push(entry.path);
      else entries.push(entry);
    }
    this.#form?.finish([...this.#nodes.values()].filter((node) => node.kind === 'dir'));
    return { index: makeLayerIndex(entries), size: this.#size, implied: implied.sort() };
  }

  /** Closes what is open; for the caller's `finally`. */
  close(): void {
    this.#form?.close();
  }

  #nodeOf(member: TarMember, path: BytePath): Node | undefined {
    const node: Node = {
      path,
      kind: member.kind,
      mode: member.kind === 'symlink' ? 0o777 : member.mode,
      uid: member.uid,
      gid: member.gid,
      size: member.kind === 'file' ? member.size : 0,
      mtime: member.mtime,
      mtimeNs: member.mtimeNs,
    };
    if (member.kind === 'file' && member.offset !== undefined) node.offset = member.offset;
    if (member.kind === 'symlink') {
      if (member.link === '') throw broken(`a symlink without target: ${fromBytePath(member.name)}`);
      node.link = member.link;
    }
    if (member.kind === 'char' || member.kind === 'block') {
      // Overlay would take a device 0:0 for a whiteout; nobody can open one.
      if (member.kind === 'char' && member.devMajor === 0 && member.devMinor === 0) return undefined;
      node.devMajor = member.devMajor;
      node.devMinor = member.devMinor;
    }
    if (member.kind === 'hardlink') {
      const target = this.#resolve(cleanPath(member.link));
      const shared = this.#nodes.get(target);
      const first = shared?.kind === 'hardlink' ? (shared.link ?? target) : target;
      if (path === first || path === target) return undefined;
      if (shared === undefined || shared.kind === 'dir') {
        throw danglingLink(member);
      }
      const original = this.#nodes.get(first) as Node;
      return { ...original, path, kind: 'hardlink', link: first, size: 0 };
    }
    const xattrs = member.xattrs === undefined ? [] : Object.entries(member.xattrs).filter(([name]) => isLayerXattr(name));
    if (xattrs.length > 0) {
      node.xattrs = Object.fromEntries(xattrs);
    }
    return node;
  }

  #root(node: Node): void {
    if (node.kind !== 'dir') throw broken('a root that is no directory');
    this.#nodes.set('', node);
  }

  #link(node: Node): void {
    const first = node.link ?? '';
    delete node.digest;
    delete node.offset;
    delete node.xattrs;
    delete node.devMajor;
    delete node.devMinor;
    this.#nodes.set(node.path, node);
    const names = this.#links.get(first);
    if (names === undefined) this.#links.set(first, [node.path]);
    else names.push(node.path);
    this.#form?.link(first, node.path);
  }

  /** Makes room for `node`: parents are there, whatever had the name and is in the way is gone. */
  #replace(path: BytePath, node: Node): void {
    this.#ensureParents(path);
    const present = this.#nodes.get(path);
    if (present === undefined) return;
    if (present.kind === 'dir' && node.kind === 'dir') {
      // The directory stays, and with it what its first member said in attributes.
      if (present.opaque === true) node.opaque = true;
      if (present.xattrs !== undefined) node.xattrs = { ...present.xattrs, ...node.xattrs };
      return;
    }
    this.#parent = undefined;
    if (present.kind === 'dir') {
      const prefix = `${path}/`;
      this.#work += this.#nodes.size;
      if (this.#work > MAX_REPLACE_WORK) throw overLimit('directories replaced by files too often', MAX_REPLACE_WORK);
      for (const below of [...this.#nodes.values()]) if (below.path.startsWith(prefix)) this.#forget(below);
    }
    this.#forget(present);
    this.#form?.remove(path);
  }

  /** Takes a node out. When others share its file, the first of them becomes the one that has it. */
  #forget(node: Node): void {
    this.#nodes.delete(node.path);
    if (node.kind === 'file') this.#size -= node.size;
    if (node.kind === 'hardlink') {
      const names = this.#links.get(node.link ?? '');
      names?.splice(names.indexOf(node.path), 1);
      return;
    }
    const names = this.#links.get(node.path);
    const [heir, ...others] = names ?? [];
    this.#links.delete(node.path);
    if (heir === undefined) return;
    this.#nodes.set(heir, { ...node, path: heir });
    if (node.kind === 'file') this.#size += node.size;
    if (others.length > 0) this.#links.set(heir, others);
    for (const other of others) (this.#nodes.get(other) as Node).link = heir;
  }

  #ensureParents(path: BytePath): void {
    const slash = path.lastIndexOf('/');
    if (slash < 0) return;
    const parent = path.slice(0, slash);
    if (this.#nodes.has(parent)) return;
    this.#ensureParents(parent);
    const node: Node = { path: parent, kind: 'dir', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0, mtimeNs: 0, implied: true };
    this.#nodes.set(parent, node);
    this.#form?.make(node);
  }

  #markOpaque(path: BytePath): void {
    if (path === '') {
      this.#nodes.set('', {
        ...(this.#nodes.get('') ?? { path: '', kind: 'dir', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0, mtimeNs: 0 }),
        opaque: true,
      });
      this.#form?.markOpaque('');
      return;
    }
    this.#ensureParents(`${path}/.`);
    const node = this.#nodes.get(path);
    if (node?.kind !== 'dir') return;
    node.opaque = true;
    this.#form?.markOpaque(path);
  }

  /** Where a whiteout belongs; undefined below something that is no directory, which hides all that is lower anyway. */
  #resolveMark(path: BytePath): BytePath | undefined {
    try {
      this.#parent = undefined;
      return this.#resolve(path);
    } catch (error) {
      if (isSlipwayError(error, 'LAYER_BROKEN')) return undefined;
      throw error;
    }
  }

  /** The path with its parents' symlinks (of this layer) followed inside the layer; the last component stays as it is. */
  #resolve(path: BytePath): BytePath {
    const slash = path.lastIndexOf('/');
    if (slash < 0) return path === '.' ? '' : path;
    const written = path.slice(0, slash);
    const name = path.slice(slash + 1);
    if (this.#parent?.written !== written) this.#parent = { written, resolved: this.#resolveDirectory(written) };
    const { resolved } = this.#parent;
    if (name === '.') return resolved;
    const full = resolved === '' ? name : `${resolved}/${name}`;
    if (full.length > MAX_PATH) throw overLimit(`a path of ${full.length} bytes`, MAX_PATH);
    return full;
  }

  #resolveDirectory(path: BytePath): BytePath {
    let hops = 0;
    const ahead = path.split('/').reverse();
    let at = '';
    for (let name = ahead.pop(); name !== undefined; name = ahead.pop()) {
      if (name === '' || name === '.') continue;
      if (name === '..') {
        at = at.slice(0, Math.max(0, at.lastIndexOf('/')));
        continue;
      }
      const next = at === '' ? name : `${at}/${name}`;
      let node = this.#nodes.get(next);
      if (node?.kind === 'hardlink') node = this.#nodes.get(node.link ?? '');
      if (node?.kind === 'symlink') {
        hops += 1;
        if (hops > MAX_HOPS) throw broken(`symlinks that lead in a circle: ${fromBytePath(path)}`);
        const target = node.link ?? '';
        if (target.startsWith('/')) at = '';
        ahead.push(...target.split('/').reverse());
        if (ahead.length > MAX_PATH) throw overLimit('a path of symlinks', MAX_PATH);
      } else if (node !== undefined && node.kind !== 'dir') {
        throw new SlipwayError('LAYER_BROKEN', `${fromBytePath(next)} is no directory, but the layer has something below it`);
      } else at = next;
    }
    return at;
  }
}

function danglingLink(member: TarMember): SlipwayError {
  return new SlipwayError(
    'LAYER_BROKEN',
    `hard link ${fromBytePath(member.name)} names ${fromBytePath(member.link)}, which the layer does not have before it`,
  );
}

/** The name as a path in the root: `./`, `//` and `..` resolved as text, never above the root. */
export function cleanPath(name: BytePath): BytePath {
  if (name !== '' && !/(?:^|\/)\.{0,2}(?:\/|$)/.test(name)) return name;
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}
