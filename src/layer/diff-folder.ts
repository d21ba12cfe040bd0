// Walks a folder that overlayfs filled as its upper directory, and says what it holds as entries.

import { closeSync, constants, lstatSync, openSync, readdirSync, readlinkSync } from 'node:fs';
import { type BytePath, fromBytePath, fsPath, SlipwayError, toBytePath } from '../base/index.ts';
import { deviceMajor, deviceMinor, getXattr, listXattrs } from '../sys/index.ts';
import type { Entry, EntryKind } from './entry.ts';
import { notedOwner, OWNER_NOTE } from './kept-owners.ts';
import { SecretSearch } from './secret-search.ts';
import { sha256OfRange } from './sha256.ts';
import { isLayerXattr } from './whiteout.ts';

/** Which attributes say "opaque" and so on: `trusted.` for root's mounts, `user.` for mounts with `userxattr`. */
export type OverlayNamespace = 'trusted' | 'user';

export interface DiffOptions {
  readonly overlay: OverlayNamespace;
  /** Stop, returning undefined, when more than so many entries or bytes come: the caller goes on in a worker. */
  readonly budget?: { readonly entries: number; readonly bytes: number };
  /** Owners are noted in attributes, since the disk cannot hold them (`FolderRights.owners` false). */
  readonly noted?: boolean;
  /** Bytes that no file, name, link or attribute may hold: `SECRET_IN_LAYER` with the place. */
  readonly secrets?: readonly Uint8Array[];
}

const READ_BUFFER = 1 << 18;
/** Kept for the next folder. */
let memory: Buffer | undefined;

/** The folder's entries in order, with digests, without the root itself. Undefined: over budget. */
export function diffFolder(folder: string, options: DiffOptions): Entry[] | undefined {
  const walk = new FolderWalk(toBytePath(folder), options);
  return walk.directory('') ? walk.entries : undefined;
}

class FolderWalk {
  readonly entries: Entry[] = [];
  readonly #root: BytePath;
  readonly #options: DiffOptions;
  /** First path of each inode with several names. */
  readonly #linked = new Map<string, BytePath>();
  readonly #prefix: string;
  readonly #secrets: SecretSearch | undefined;
  #bytes = 0;

  constructor(root: BytePath, options: DiffOptions) {
    this.#root = root;
    this.#options = options;
    this.#prefix = `${options.overlay}.overlay.`;
    const secrets = new SecretSearch(options.secrets ?? []);
    this.#secrets = secrets.isEmpty ? undefined : secrets;
  }

  /** False: over budget. */
  directory(path: BytePath): boolean {
    const names = readdirSync(fsPath(`${this.#root}/${path}`), { encoding: 'latin1' });
    for (const name of names.sort()) {
      const child = path === '' ? name : `${path}/${name}`;
      const entry = this.#entry(child);
      this.#secrets?.checkEntry(entry);
      this.entries.push(this.#options.noted === true ? this.#withOwner(entry) : entry);
      const { budget } = this.#options;
      if (budget !== undefined && (this.entries.length > budget.entries || this.#bytes > budget.bytes)) return false;
      if (entry.kind === 'dir' && !this.directory(child)) return false;
    }
    return true;
  }

  #withOwner(entry: Entry): Entry {
    if (entry.kind !== 'file' && entry.kind !== 'dir' && entry.kind !== 'hardlink') return entry;
    const kind = entry.kind === 'hardlink' ? 'file' : entry.kind;
    const noted = notedOwner(getXattr(`${this.#root}/${entry.path}`, OWNER_NOTE), { ...entry, kind });
    return noted === undefined ? entry : { ...entry, ...noted };
  }

  #entry(path: BytePath): Entry {
    const full = `${this.#root}/${path}`;
    const stat = lstatSync(fsPath(full), { bigint: true });
    const mtime = Number(stat.mtimeNs / 1_000_000_000n);
    const mtimeNs = Number(stat.mtimeNs % 1_000_000_000n);
    const facts = {
      path,
      mode: Number(stat.mode) & 0o7777,
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      size: 0,
      mtime: mtimeNs < 0 ? mtime - 1 : mtime,
      mtimeNs: mtimeNs < 0 ? mtimeNs + 1_000_000_000 : mtimeNs,
    };
    const device = Number(stat.rdev);
    if (stat.isCharacterDevice() && device === 0) return whiteoutOf(facts);
    if (!stat.isDirectory() && stat.nlink > 1n) {
      const key = `${stat.dev}:${stat.ino}`;
      const first = this.#linked.get(key);
      if (first !== undefined) return { ...facts, kind: 'hardlink', link: first };
      this.#linked.set(key, path);
    }
    if (stat.isSymbolicLink()) {
      return { ...facts, mode: 0o777, kind: 'symlink', link: readlinkSync(fsPath(full), { encoding: 'latin1' }), ...this.#xattrs(full) };
    }
    const marks = this.#xattrs(full);
    if (stat.isDirectory()) return { ...facts, kind: 'dir', ...marks };
    if (stat.isFile()) {
      // Nested overlays write whiteouts as marked empty files.
      if (stat.size === 0n && getXattr(full, `${this.#prefix}whiteout`) !== undefined) return whiteoutOf(facts);
      const size = Number(stat.size);
      this.#bytes += size;
      return { ...facts, kind: 'file', size, digest: this.#hash(full, path, size), ...marks };
    }
    const kind: EntryKind = stat.isFIFO() ? 'fifo' : stat.isSocket() ? 'socket' : stat.isBlockDevice() ? 'block' : 'char';
    if (kind === 'fifo' || kind === 'socket') return { ...facts, kind, ...marks };
    return { ...facts, kind, devMajor: deviceMajor(device), devMinor: deviceMinor(device), ...marks };
  }

  #xattrs(full: BytePath): { xattrs?: Record<string, string>; opaque?: true } {
    const names = listXattrs(full);
    if (names.length === 0) return {};
    let opaque = false;
    const xattrs: Record<string, string> = {};
    for (const name of [...names].sort()) {
      if (name === `${this.#prefix}opaque`) opaque = getXattr(full, name) === 'y';
      else if (name === `${this.#prefix}redirect` || name === `${this.#prefix}metacopy`) {
        throw new SlipwayError('OVERLAY_OPTIONS', `overlay kept only a reference for ${fromBytePath(full)} (${name})`, {
          hint: 'the mount must be made with redirect_dir=off,metacopy=off',
        });
      } else if (isLayerXattr(name)) {
        const value = getXattr(full, name);
        if (value !== undefined) xattrs[name] = value;
      }
    }
    return { ...(Object.keys(xattrs).length === 0 ? {} : { xattrs }), ...(opaque ? { opaque: true } : {}) };
  }

  #hash(full: BytePath, path: BytePath, size: number): NonNullable<Entry['digest']> {
    memory ??= Buffer.allocUnsafeSlow(READ_BUFFER);
    const fd = openSync(fsPath(full), constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      this.#secrets?.checkFile(fd, size, path);
      const digest = sha256OfRange(fd, 0, size, memory);
      if (digest === undefined) throw new SlipwayError('FILE_CHANGED', `${fromBytePath(full)} became shorter while it was read`);
      return digest;
    } finally {
      closeSync(fd);
    }
  }
}

function whiteoutOf(facts: { readonly path: BytePath; readonly mtime: number; readonly mtimeNs: number }): Entry {
  // Whose whiteout it is says nothing: equal removals give equal entries.
  return { path: facts.path, kind: 'whiteout', mode: 0, uid: 0, gid: 0, size: 0, mtime: facts.mtime, mtimeNs: facts.mtimeNs };
}
