// A tree written down as a literal, for tests.

import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BytePath, type Digest, digestOf, toBytePath } from '../base/index.ts';
import type { Entry, FileBytes, Tree } from '../layer/index.ts';

/** A file's content, `null` for a directory, or what is special. Parents that are not listed are directories 0755 of root. */
export type Literal =
  | string
  | null
  | (Partial<Pick<Entry, 'mode' | 'uid' | 'gid' | 'mtime' | 'xattrs' | 'devMajor' | 'devMinor'>> & {
      readonly kind?: Entry['kind'];
      readonly data?: string;
      /** Target of a symlink. */
      readonly link?: string;
      /** Another path here whose file this is too. */
      readonly same?: string;
    });

/** Files with their bytes, folders and links by path. */
export class MemoryTree implements Tree {
  readonly #entries = new Map<BytePath, Entry>();
  readonly #data = new Map<BytePath, Buffer>();
  readonly #links = new Map<BytePath, string>();

  constructor(files: Readonly<Record<string, Literal>>) {
    this.#add('', null);
    for (const [path, literal] of Object.entries(files)) {
      const parts = toBytePath(path).split('/');
      for (let length = 1; length < parts.length; length += 1) {
        const parent = parts.slice(0, length).join('/');
        if (!this.#entries.has(parent)) this.#add(parent, null);
      }
      this.#add(parts.join('/'), literal);
    }
  }

  lookup(path: BytePath): Entry | undefined {
    return this.#entries.get(path);
  }

  list(path: BytePath): readonly BytePath[] {
    const inside = path === '' ? '' : `${path}/`;
    const names = [...this.#entries.keys()].filter(
      (other) => other !== '' && other.startsWith(inside) && !other.slice(inside.length).includes('/'),
    );
    return names.map((other) => other.slice(inside.length)).sort();
  }

  open(entry: Entry): FileBytes {
    const folder = mkdtempSync(join(tmpdir(), 'slipway-tree-'));
    const data = this.#data.get(entry.path) ?? Buffer.alloc(0);
    writeFileSync(join(folder, 'file'), data);
    const fd = openSync(join(folder, 'file'), 'r');
    rmSync(folder, { recursive: true });
    return { fd, offset: 0, size: data.length, [Symbol.dispose]: () => closeSync(fd) };
  }

  digest(entry: Entry): Digest {
    return digestOf(this.#data.get(entry.path) ?? '');
  }

  linkKey(entry: Entry): string | undefined {
    return this.#links.get(entry.path);
  }

  #add(path: BytePath, literal: Literal): void {
    const { kind, data, link, same, ...meta } =
      literal === null ? { kind: 'dir' as const } : typeof literal === 'string' ? { data: literal } : literal;
    if (same !== undefined) {
      const target = this.#entries.get(same) as Entry;
      for (const name of [same, path]) this.#links.set(name, same);
      this.#entries.set(path, { ...target, path });
      this.#data.set(path, this.#data.get(same) as Buffer);
      return;
    }
    const is = kind ?? (link === undefined ? 'file' : 'symlink');
    if (is === 'file') this.#data.set(path, Buffer.from(data ?? ''));
    this.#entries.set(path, {
      path,
      kind: is,
      mode: is === 'dir' ? 0o755 : is === 'symlink' ? 0o777 : 0o644,
      uid: 0,
      gid: 0,
      size: this.#data.get(path)?.length ?? 0,
      mtime: 1000,
      mtimeNs: 0,
      ...(link !== undefined && { link: toBytePath(link) }),
      ...meta,
    });
  }
}
