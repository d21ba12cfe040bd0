// Records of a PAX extended header: `length key=value\n`, the length counting the whole record.

import { broken } from './tar-faults.ts';

/** Keys to values, both latin1 of the bytes. An empty value takes an earlier record of the key back. */
export type PaxRecords = Record<string, string>;

/** Reads all records, and keeps those that anybody here looks at. Throws TAR_BROKEN. */
export function parsePax(bytes: Buffer): PaxRecords {
  const text = bytes.toString('latin1');
  // A map without prototype: `__proto__` is a key like others.
  const records = Object.create(null) as PaxRecords;
  let at = 0;
  while (at < text.length) {
    // Some writers fill the block with NULs.
    if (text.charCodeAt(at) === 0) return records;
    const space = text.indexOf(' ', at);
    const digits = space < 0 ? '' : text.slice(at, space);
    const length = /^\d{1,10}$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    const equals = text.indexOf('=', space);
    if (
      length === 0 ||
      end <= space + 1 ||
      end > text.length ||
      text[end - 1] !== '\n' ||
      equals < 0 ||
      equals >= end - 1 ||
      equals === space + 1
    ) {
      throw broken('an extended header that cannot be read');
    }
    const key = text.slice(space + 1, equals);
    const value = text.slice(equals + 1, end - 1);
    // The 0.0 form of sparse files repeats these keys; they are gathered into the 0.1 form.
    if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') {
      const gathered = records['GNU.sparse.map'];
      records['GNU.sparse.map'] = gathered === undefined ? value : `${gathered},${value}`;
    } else if (isRead(key)) records[key] = value;
    at = end;
  }
  return records;
}

const READ = new Set([
  ...['path', 'linkpath', 'size', 'uid', 'gid', 'mtime'],
  ...['name', 'realsize', 'size', 'major', 'minor', 'map'].map((name) => `GNU.sparse.${name}`),
]);

function isRead(key: string): boolean {
  return READ.has(key) || isAttribute(key);
}

function isAttribute(key: string): boolean {
  return /^(?:SCHILY|LIBARCHIVE)\.xattr\./.test(key);
}

/** Records that hold from header to header, and their size: a few known ones, and as many attributes as somebody thought of. */
export class KeptRecords {
  known: PaxRecords = {};
  attributes: PaxRecords = {};
  /** Of keys and values. */
  bytes = 0;
  attributeBytes = 0;

  /** Adds records; the work is that of the new ones. */
  add(more: PaxRecords): void {
    for (const key of Object.keys(more)) {
      const attribute = isAttribute(key);
      const kept = attribute ? this.attributes : this.known;
      const value = more[key] ?? '';
      const before = kept[key];
      const grown = before === undefined ? key.length + value.length : value.length - before.length;
      kept[key] = value;
      this.bytes += grown;
      if (attribute) this.attributeBytes += grown;
    }
  }

  clear(): void {
    if (this.bytes === 0) return;
    this.known = {};
    this.attributes = {};
    this.bytes = 0;
    this.attributeBytes = 0;
  }
}
