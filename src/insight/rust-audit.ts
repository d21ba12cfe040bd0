// What cargo-auditable leaves in a Rust program: the section `.dep-v0`, its crates as deflated JSON.

import { inflateSync } from 'node:zlib';
import type { RangeReader } from './tree-files.ts';

/** A crate that was linked in. */
export interface AuditedCrate {
  readonly name: string;
  readonly version: string;
}

const MAX_SECTIONS = 4096;
const MAX_PACKED = 8 << 20;
const MAX_TEXT = 32 << 20;

/** The crates of a program; none when it says nothing of them. 64-bit little-endian programs only: what Rust is built for. */
export function auditedCrates(read: RangeReader, size: number): readonly AuditedCrate[] {
  const section = sectionNamed(read, size, '.dep-v0');
  if (section === undefined) return [];
  try {
    const text = inflateSync(section, { maxOutputLength: MAX_TEXT }).toString('utf8');
    const document = JSON.parse(text) as { readonly packages?: unknown } | null;
    const packages = Array.isArray(document?.packages) ? (document.packages as readonly unknown[]) : [];
    return packages.flatMap((one): AuditedCrate[] => {
      const { name, version, kind } = (one ?? {}) as { readonly name?: unknown; readonly version?: unknown; readonly kind?: unknown };
      return typeof name === 'string' && typeof version === 'string' && kind !== 'build' ? [{ name, version }] : [];
    });
  } catch {
    return [];
  }
}

function sectionNamed(read: RangeReader, size: number, wanted: string): Buffer | undefined {
  const head = read(0, 64);
  if (head.length < 64 || head.readUInt32BE(0) !== 0x7f454c46 || head[4] !== 2 || head[5] !== 1) return undefined;
  const at = Number(head.readBigUInt64LE(40));
  const count = Math.min(head.readUInt16LE(60), MAX_SECTIONS);
  const names = head.readUInt16LE(62);
  if (head.readUInt16LE(58) !== 64 || names >= count || at > size) return undefined;
  const table = read(at, count * 64);
  const place = (index: number): { readonly offset: number; readonly length: number } | undefined => {
    const from = index * 64;
    if (from + 64 > table.length) return undefined;
    const [offset, length] = [Number(table.readBigUInt64LE(from + 24)), Number(table.readBigUInt64LE(from + 32))];
    return offset + length <= size ? { offset, length } : undefined;
  };
  const strings = place(names);
  if (strings === undefined) return undefined;
  const texts = read(strings.offset, Math.min(strings.length, 1 << 20));
  for (let index = 0; index < count && index * 64 + 4 <= table.length; index += 1) {
    const name = table.readUInt32LE(index * 64);
    if (texts.toString('latin1', name, name + wanted.length + 1) !== `${wanted}\0`) continue;
    const section = place(index);
    return section === undefined || section.length > MAX_PACKED ? undefined : read(section.offset, section.length);
  }
  return undefined;
}
