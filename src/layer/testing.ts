// Small helpers of this room's tests.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { digestOf } from '../base/index.ts';
import type { Entry } from './entry.ts';
import { encodeTarHeader, padding, TAR_END } from './tar-header.ts';
import { TarReader } from './tar-reader.ts';
import { LayerUnpacker, type Unpacked, type UnpackOptions } from './unpack.ts';

/** A folder that is gone after the tests of the file. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-layer-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** An entry with what matters to a test. */
export function entry(path: string, facts: Partial<Entry> = {}): Entry {
  const kind = facts.kind ?? 'file';
  const mode = kind === 'dir' ? 0o755 : kind === 'symlink' ? 0o777 : 0o644;
  return { path, kind, mode, uid: 0, gid: 0, size: 0, mtime: 1_700_000_000, mtimeNs: 0, ...facts };
}

export const dir = (path: string, facts: Partial<Entry> = {}): Entry => entry(path, { kind: 'dir', ...facts });
export const symlink = (path: string, link: string): Entry => entry(path, { kind: 'symlink', link });
export const hardlink = (path: string, link: string): Entry => entry(path, { kind: 'hardlink', link });
export const whiteout = (path: string): Entry => entry(path, { kind: 'whiteout', mode: 0 });
/** A file of an index: with digest and size of its text. */
export const file = (path: string, text = '', facts: Partial<Entry> = {}): Entry =>
  entry(path, { size: Buffer.byteLength(text), digest: digestOf(text), ...facts });

/** A tar of entries as they come, files with their texts. Names are not looked at: it also makes hostile ones. */
export function tarOf(members: readonly (Entry | readonly [Entry, string])[]): Buffer {
  const parts: Buffer[] = [];
  for (const member of members) {
    const [header, text] = 'path' in member ? [member, ''] : member;
    const bytes = Buffer.from(text, 'latin1');
    parts.push(encodeTarHeader({ ...header, size: bytes.length }), bytes, Buffer.alloc(padding(bytes.length)));
  }
  return Buffer.concat([...parts, TAR_END]);
}

/** Unpacks a tar, in pieces of `step` bytes. */
export function unpackTar(tar: Uint8Array, options: UnpackOptions = {}, step = tar.length): Unpacked {
  const unpacker = new LayerUnpacker(options);
  try {
    const reader = new TarReader(unpacker);
    for (let at = 0; at < tar.length; at += step) reader.write(tar.subarray(at, at + step));
    reader.finish();
    return unpacker.finish();
  } finally {
    unpacker.close();
  }
}
