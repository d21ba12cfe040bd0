// What the values of PAX records mean. What means nothing throws `TAR_BROKEN`.

import { broken, overLimit } from './tar-faults.ts';
import type { PaxRecords } from './tar-pax.ts';

/** What Linux takes as the names of a file's attributes together (XATTR_LIST_MAX), bytes. */
const MAX_XATTR_NAMES = 65536;
/** What Linux takes as the value of an attribute (XATTR_SIZE_MAX), bytes. */
const MAX_XATTR = 65536;

/** The number of a key; `otherwise` where it is not given. */
export function paxNumber(pax: PaxRecords, key: string, otherwise: number): number {
  const value = pax[key];
  return value === undefined ? otherwise : decimal(value);
}

/** Digits alone, as far as numbers are exact. */
export function decimal(value: string | undefined): number {
  const parsed = value !== undefined && /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(parsed)) throw broken(`a number ${JSON.stringify(value?.slice(0, 40))}`);
  return parsed;
}

/** Decimal seconds with a fraction. `-1.25` is one and a quarter second before the epoch. */
export function paxTime(value: string): readonly [seconds: number, nanoseconds: number] {
  const match = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(value);
  if (match === null) throw broken(`a time ${JSON.stringify(value.slice(0, 40))}`);
  const seconds = Number(match[2]);
  const nanoseconds = Number((match[3] ?? '').slice(0, 9).padEnd(9, '0'));
  if (match[1] === '') return [seconds, nanoseconds];
  return nanoseconds === 0 ? [-seconds, 0] : [-seconds - 1, 1_000_000_000 - nanoseconds];
}

/** Extended attributes, by name; undefined: none. Throws `TAR_LIMIT`. */
export function xattrsOf(pax: PaxRecords): Readonly<Record<string, string>> | undefined {
  let xattrs: Record<string, string> | undefined;
  for (const key of Object.keys(pax)) {
    if (key.startsWith('SCHILY.xattr.')) {
      const name = key.slice('SCHILY.xattr.'.length);
      if (isXattrName(name)) (xattrs ??= {})[name] = pax[key] ?? '';
    } else if (key.startsWith('LIBARCHIVE.xattr.')) {
      // Names are percent-encoded, values base64 without padding; SCHILY's of the same name are the truth.
      const name = percentDecode(key.slice('LIBARCHIVE.xattr.'.length));
      if (isXattrName(name) && pax[`SCHILY.xattr.${name}`] === undefined) {
        (xattrs ??= {})[name] = Buffer.from(pax[key] ?? '', 'base64').toString('latin1');
      }
    }
  }
  if (xattrs === undefined) return undefined;
  const set = xattrs;
  let names = 0;
  for (const name in set) {
    if ((names += name.length + 1) > MAX_XATTR_NAMES) throw overLimit('the attributes of one member', MAX_XATTR_NAMES);
    const { length } = set[name] ?? '';
    if (length > MAX_XATTR) throw overLimit(`attribute ${name} of ${length} bytes`, MAX_XATTR);
  }
  return Object.fromEntries(
    Object.keys(set)
      .sort()
      .map((name) => [name, set[name] ?? '']),
  );
}

/** As the kernel takes them: at most 255 bytes, with a namespace. */
function isXattrName(name: string): boolean {
  return name.length <= 255 && name.includes('.') && !name.includes('\0') && name !== '__proto__';
}

function percentDecode(value: string): string {
  return value.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
