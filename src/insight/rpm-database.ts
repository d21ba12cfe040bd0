// The databases of rpm: headers of installed packages in SQLite, in rpm's own ndb, or in a Berkeley DB hash (before rpm 4.16).

import type { BytePath } from '../base/index.ts';
import type { Tree } from '../layer/index.ts';
import type { InstalledPackage } from './installed-package.ts';
import { sqliteRows } from './sqlite-table.ts';
import { fileAt, type RangeReader, withFile } from './tree-files.ts';

const FOLDERS = ['usr/lib/sysimage/rpm', 'var/lib/rpm'];
const MAX_PACKAGES = 50_000;
const MAX_HEADER = 64 << 20;

/** What the databases of a tree say. `path`: the first one's; undefined: there is none. */
export interface RpmPackages {
  readonly path: string | undefined;
  readonly packages: readonly InstalledPackage[];
  readonly files: ReadonlyMap<BytePath, string>;
}

/** Reads the first database that there is. What makes no sense in it is left out. */
export function readRpmDatabase(tree: Tree): RpmPackages {
  for (const folder of FOLDERS) {
    for (const [name, blobs] of Object.entries(FORMS)) {
      const entry = fileAt(tree, `${folder}/${name}`);
      if (entry === undefined) continue;
      const packages: InstalledPackage[] = [];
      const files = new Map<BytePath, string>();
      withFile(tree, entry, (read, size) => {
        let bytes = 0;
        for (const blob of blobs(read, size)) {
          bytes += blob.length;
          // More than the file has: they overlap.
          if (packages.length >= MAX_PACKAGES || bytes > size) return;
          const header = readHeader(blob);
          if (header === undefined) continue;
          packages.push(header.package);
          for (const path of header.files) files.set(path, header.package.name);
        }
      });
      return { path: `/${folder}/${name}`, packages, files };
    }
  }
  return { path: undefined, packages: [], files: new Map() };
}

type Blobs = (read: RangeReader, size: number) => Generator<Buffer>;

const FORMS: Readonly<Record<string, Blobs>> = {
  'rpmdb.sqlite': sqliteBlobs,
  'Packages.db': ndbBlobs,
  Packages: berkeleyBlobs,
};

function* sqliteBlobs(read: RangeReader, size: number): Generator<Buffer> {
  for (const row of sqliteRows(read, size, 'Packages')) {
    const blob = row[1];
    if (Buffer.isBuffer(blob)) yield blob;
  }
}

/** rpm: lib/backend/ndb/rpmpkg.c: pages of slots, each of them the place of a blob. */
function* ndbBlobs(read: RangeReader, size: number): Generator<Buffer> {
  const head = read(0, 32);
  if (head.length < 32 || head.toString('latin1', 0, 4) !== 'RpmP') return;
  const slots = read(0, Math.min(head.readUInt32LE(12) * 4096, MAX_PACKAGES * 16, size));
  for (let at = 32; at + 16 <= slots.length; at += 16) {
    if (slots.toString('latin1', at, at + 4) !== 'Slot' || slots.readUInt32LE(at + 4) === 0) continue;
    const offset = slots.readUInt32LE(at + 8) * 16;
    const blob = read(offset, 16);
    if (blob.length < 16 || blob.toString('latin1', 0, 4) !== 'BlbS' || blob.readUInt32LE(4) !== slots.readUInt32LE(at + 4)) continue;
    const length = blob.readUInt32LE(12);
    if (length <= MAX_HEADER && length <= size) yield read(offset + 16, length);
  }
}

/** Berkeley DB's hash: of its pages the values that have pages of their own; all headers are that long. */
function* berkeleyBlobs(read: RangeReader, size: number): Generator<Buffer> {
  const meta = read(0, 512);
  if (meta.length < 512) return;
  const little = meta.readUInt32LE(12) === 0x061561;
  if (!little && meta.readUInt32BE(12) !== 0x061561) return;
  const u16 = (data: Buffer, at: number): number => (little ? data.readUInt16LE(at) : data.readUInt16BE(at));
  const u32 = (data: Buffer, at: number): number => (little ? data.readUInt32LE(at) : data.readUInt32BE(at));
  const pageSize = u32(meta, 20);
  if (pageSize < 512 || pageSize > 65_536 || (pageSize & (pageSize - 1)) !== 0) return;
  const pages = Math.floor(size / pageSize);
  for (let number = 1; number < pages; number += 1) {
    const page = read(number * pageSize, pageSize);
    if (page.length < pageSize || (page[25] !== 13 && page[25] !== 2)) continue;
    const count = Math.min(u16(page, 20), pageSize >> 1);
    // Keys and values in turn.
    for (let index = 1; index < count && 28 + index * 2 <= pageSize; index += 2) {
      const at = u16(page, 26 + index * 2);
      if (at + 12 > pageSize || page[at] !== 3) continue;
      const blob = overflow(u32(page, at + 4), u32(page, at + 8));
      if (blob !== undefined) yield blob;
    }
  }

  function overflow(first: number, length: number): Buffer | undefined {
    if (length > MAX_HEADER || length > size) return undefined;
    const parts: Buffer[] = [];
    let left = length;
    for (let number = first; left > 0 && number > 0 && number < pages;) {
      const page = read(number * pageSize, pageSize);
      if (page.length < pageSize || page[25] !== 7) return undefined;
      const part = page.subarray(26, 26 + Math.min(left, u16(page, 22)));
      if (part.length === 0) return undefined;
      parts.push(part);
      left -= part.length;
      number = u32(page, 16);
    }
    return left === 0 ? Buffer.concat(parts) : undefined;
  }
}

const NAME = 1000;
const VERSION = 1001;
const RELEASE = 1002;
const EPOCH = 1003;
const VENDOR = 1011;
const LICENSE = 1014;
const PACKAGER = 1015;
const URL = 1020;
const ARCHITECTURE = 1022;
const SOURCE = 1044;
const FOLDER_INDEXES = 1116;
const BASE_NAMES = 1117;
const FOLDER_NAMES = 1118;
const MAX_TAGS = 10_000;
const MAX_FILES = 500_000;

/** A package header (rpm.org, Header format): tags with type, offset and count, then their data. Big-endian. */
function readHeader(blob: Buffer): { readonly package: InstalledPackage; readonly files: readonly BytePath[] } | undefined {
  if (blob.length < 8) return undefined;
  const count = blob.readUInt32BE(0);
  const start = 8 + count * 16;
  if (count > MAX_TAGS || start > blob.length) return undefined;
  const data = blob.subarray(start);
  const places = new Map<number, { readonly offset: number; readonly count: number }>();
  for (let at = 8; at < start; at += 16)
    places.set(blob.readUInt32BE(at), { offset: blob.readUInt32BE(at + 8), count: blob.readUInt32BE(at + 12) });
  const texts = (tag: number): string[] => {
    const place = places.get(tag);
    const found: string[] = [];
    for (let at = place?.offset ?? data.length; found.length < Math.min(place?.count ?? 0, MAX_FILES) && at < data.length;) {
      const end = data.indexOf(0, at);
      if (end < 0) break;
      found.push(data.toString('latin1', at, end));
      at = end + 1;
    }
    return found;
  };
  const numbers = (tag: number): number[] => {
    const place = places.get(tag);
    if (place === undefined) return [];
    const most = Math.min(place.count, MAX_FILES, Math.max(0, Math.floor((data.length - place.offset) / 4)));
    return Array.from({ length: most }, (_, index) => data.readUInt32BE(place.offset + index * 4));
  };
  const text = (tag: number): string => Buffer.from(texts(tag)[0] ?? '', 'latin1').toString('utf8');
  const [name, version, release] = [text(NAME), text(VERSION), text(RELEASE)];
  // Keys of signers are kept as packages of this name.
  if (name === '' || name === 'gpg-pubkey') return undefined;
  const epoch = numbers(EPOCH)[0];
  const folders = texts(FOLDER_NAMES);
  const indexes = numbers(FOLDER_INDEXES);
  const optional = <K extends string>(key: K, value: string): { readonly [P in K]?: string } =>
    value === '' || value === '(none)' ? {} : ({ [key]: value } as { readonly [P in K]?: string });
  return {
    package: {
      kind: 'rpm',
      name,
      version: release === '' ? version : `${version}-${release}`,
      ...(epoch === undefined || epoch === 0 ? {} : { epoch }),
      ...optional('architecture', text(ARCHITECTURE)),
      ...optional('source', text(SOURCE)),
      ...optional('license', text(LICENSE)),
      ...optional('maintainer', text(PACKAGER) === '' ? text(VENDOR) : text(PACKAGER)),
      ...optional('homepage', text(URL)),
    },
    files: pathsOf(texts(BASE_NAMES), folders, indexes),
  };
}

function pathsOf(names: readonly string[], folders: readonly string[], indexes: readonly number[]): readonly BytePath[] {
  const paths: BytePath[] = [];
  let characters = 0;
  for (const [index, name] of names.entries()) {
    const folder = folders[indexes[index] ?? -1] ?? '';
    characters += folder.length + name.length;
    if (characters > MAX_HEADER) break;
    if (folder.length + name.length <= 4096) paths.push(`${folder}${name}`.replace(/^\/+/, ''));
  }
  return paths;
}
