// One entry as a tar header in our normal form: ustar, and a PAX extended header before it only where ustar cannot say it
// (POSIX pax; `SCHILY.xattr.` records as GNU tar, star and Go write them). Equal entries give equal bytes.

import type { BytePath } from '../base/index.ts';
import type { Entry } from './entry.ts';
import { opaqueName, whiteoutName } from './whiteout.ts';

/** Size of a tar record; everything in a tar is padded to it. */
export const BLOCK = 512;
/** What ends a tar. */
export const TAR_END = Buffer.alloc(2 * BLOCK);

const MAX_OCTAL_7 = 0o7777777;
const MAX_OCTAL_11 = 0o77777777777;
const WIDE = /[^\x01-\x7f]/;

/** Bytes after `size` bytes of data up to the next block. */
export function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/** How many data bytes an entry has in a tar. */
export function tarDataSize(entry: Entry): number {
  return entry.kind === 'file' ? entry.size : 0;
}

/** Sockets have no tar form; tools leave them out, and so do we. */
export function hasTarForm(entry: Entry): boolean {
  return entry.kind !== 'socket';
}

/**
 * Everything that stands before an entry's bytes: an extended header if needed, and the header. For an opaque directory also the
 * marker file after it. The entry's mtime is cut to whole seconds, as Docker's and containerd's writers do.
 */
export function encodeTarHeader(entry: Entry): Buffer {
  if (entry.kind === 'whiteout') return header({ ...PLAIN_FILE, mtime: entry.mtime }, whiteoutName(entry.path), '0', '');
  const name = entry.kind === 'dir' ? `${entry.path === '' ? '.' : entry.path}/` : entry.path;
  const bytes = header(entry, name, TYPE_FLAG[entry.kind], entry.link ?? '');
  if (entry.opaque !== true) return bytes;
  return Buffer.concat([bytes, header({ ...PLAIN_FILE, mtime: entry.mtime }, opaqueName(entry.path), '0', '')]);
}

const PLAIN_FILE: Entry = { path: '', kind: 'file', mode: 0, uid: 0, gid: 0, size: 0, mtime: 0, mtimeNs: 0 };

const TYPE_FLAG: Readonly<Record<Entry['kind'], string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  char: '3',
  block: '4',
  dir: '5',
  fifo: '6',
  socket: '0',
  whiteout: '0',
};

function header(entry: Entry, name: BytePath, type: string, link: BytePath): Buffer {
  const size = type === '0' ? entry.size : 0;
  const split = splitName(name);
  let records = '';
  if (split === undefined) records += record('path', name);
  if (link.length > 100 || WIDE.test(link)) records += record('linkpath', link);
  if (size > MAX_OCTAL_11) records += record('size', String(size));
  if (entry.uid > MAX_OCTAL_7) records += record('uid', String(entry.uid));
  if (entry.gid > MAX_OCTAL_7) records += record('gid', String(entry.gid));
  if (entry.mtime < 0 || entry.mtime > MAX_OCTAL_11) records += record('mtime', String(entry.mtime));
  if (entry.xattrs !== undefined && type !== '1') {
    for (const key of Object.keys(entry.xattrs).sort()) records += record(`SCHILY.xattr.${key}`, entry.xattrs[key] ?? '');
  }
  const extended = records === '' ? 0 : BLOCK + records.length + padding(records.length);
  const bytes = Buffer.alloc(extended + BLOCK);
  if (extended > 0) {
    const base = ascii(name).split('/').filter(Boolean).at(-1) ?? 'root';
    block(bytes, 0, `PaxHeaders.0/${base.slice(0, 80)}`, '', PLAIN_FILE, 'x', records.length, '');
    bytes.write(records, BLOCK, 'latin1');
  }
  block(bytes, extended, split?.[1] ?? ascii(name).slice(0, 100), split?.[0] ?? '', entry, type, size, ascii(link).slice(0, 100));
  return bytes;
}

/** A length-prefixed PAX record; the length counts itself. */
function record(key: string, value: string): string {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

/** Prefix and name as ustar has room for them; undefined when it has not. */
function splitName(name: BytePath): readonly [prefix: string, name: string] | undefined {
  if (WIDE.test(name)) return undefined;
  if (name.length <= 100) return ['', name];
  if (name.length > 256) return undefined;
  // The first slash that leaves at most 100 bytes behind it; a directory's own slash at the end splits nothing.
  const slash = name.indexOf('/', name.length - 101);
  if (slash <= 0 || slash > 155 || slash === name.length - 1) return undefined;
  return [name.slice(0, slash), name.slice(slash + 1)];
}

function ascii(text: BytePath): string {
  return WIDE.test(text) ? text.replace(/[^\x01-\x7f]/g, '') : text;
}

function block(bytes: Buffer, at: number, name: string, prefix: string, entry: Entry, type: string, size: number, link: string): void {
  bytes.write(name, at, 'latin1');
  octal(bytes, at + 100, 7, entry.mode & 0o7777);
  octal(bytes, at + 108, 7, entry.uid > MAX_OCTAL_7 ? 0 : entry.uid);
  octal(bytes, at + 116, 7, entry.gid > MAX_OCTAL_7 ? 0 : entry.gid);
  octal(bytes, at + 124, 11, size > MAX_OCTAL_11 ? 0 : size);
  octal(bytes, at + 136, 11, entry.mtime < 0 || entry.mtime > MAX_OCTAL_11 ? 0 : entry.mtime);
  bytes[at + 156] = type.charCodeAt(0);
  if (link !== '') bytes.write(link, at + 157, 'latin1');
  bytes.write('ustar\x0000', at + 257, 'latin1');
  octal(bytes, at + 329, 7, entry.devMajor ?? 0);
  octal(bytes, at + 337, 7, entry.devMinor ?? 0);
  if (prefix !== '') bytes.write(prefix, at + 345, 'latin1');
  bytes.fill(0x20, at + 148, at + 156);
  let sum = 0;
  for (let index = at; index < at + BLOCK; index += 1) sum += bytes[index] ?? 0;
  octal(bytes, at + 148, 6, sum);
  bytes[at + 154] = 0;
}

/** `digits` octal digits; the byte after them stays what it is (a NUL, or for the checksum a space). */
function octal(bytes: Buffer, at: number, digits: number, value: number): void {
  let rest = value;
  for (let index = at + digits - 1; index >= at; index -= 1) {
    const high = Math.floor(rest / 8);
    bytes[index] = 48 + (rest - high * 8);
    rest = high;
  }
}
