// Archives made of hostile members and then damaged, and what must hold for any of them. Used by the short fuzzer among the unit tests
// and by the long one in test/soak.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errnoOf, isSlipwayError } from '../../src/base/index.ts';
import {
  decodeLayerIndex,
  diffFolder,
  encodeLayerIndex,
  encodeTarHeader,
  type Entry,
  type EntryKind,
  LayerUnpacker,
  makeLayerIndex,
  padding,
  StackTree,
  TAR_END,
  TarReader,
  type Unpacked,
} from '../../src/layer/index.ts';
import type { Dice } from './dice.ts';

const NAMES = [
  'a',
  'b',
  'a/b',
  'a/b/c',
  'a.b',
  '../x',
  '/etc/passwd',
  'a/../../x',
  './a',
  '.',
  '..',
  '',
  'a//b',
  'l',
  'l/x',
  'l/../x',
  'victim/file',
];
const ODD = [
  '.wh.a',
  'a/.wh.b',
  '.wh..wh..opq',
  'a/.wh..wh..opq',
  '.wh.',
  '.wh...',
  '.wh..wh.plnk',
  '\xff\xfe',
  'n'.repeat(120),
  `${'d/'.repeat(60)}f`,
];
const LINKS = ['a', 'b', '/etc', '..', '../..', '/', 'l', 'a/b', '../../victim', '/victim', '.', 'a/../l', 'nowhere'];
const KINDS: readonly EntryKind[] = ['file', 'file', 'file', 'dir', 'dir', 'symlink', 'symlink', 'hardlink', 'char', 'block', 'fifo'];
const LIMITS = { entries: 2000, bytes: 8 << 20, nameBytes: 4096, headerBytes: 1 << 16 };

/** An archive, whole or damaged. */
export function makeArchive(dice: Dice): Buffer {
  const parts: Buffer[] = [];
  for (let count = dice.below(14); count >= 0; count -= 1) parts.push(...member(dice));
  if (dice.below(4) > 0) parts.push(TAR_END);
  const tar = Buffer.concat(parts);
  if (dice.below(3) > 0) return tar;
  return damaged(tar, dice);
}

function member(dice: Dice): Buffer[] {
  const kind = dice.pick(KINDS);
  const text = Buffer.alloc(kind === 'file' ? dice.pick([0, 1, 511, 512, 513, 3000]) : 0, 'x');
  const entry: Entry = {
    path: dice.pick(dice.below(4) === 0 ? ODD : NAMES),
    kind,
    mode: dice.below(0o10000) | 0o600,
    uid: dice.pick([0, 1000, 4_000_000_000]),
    gid: 0,
    size: text.length,
    mtime: dice.pick([0, -1, 1_700_000_000, 2 ** 34]),
    mtimeNs: 0,
    ...(kind === 'symlink' || kind === 'hardlink' ? { link: dice.pick(LINKS) } : {}),
    ...(kind === 'char' || kind === 'block' ? { devMajor: dice.below(3), devMinor: dice.below(3) } : {}),
    ...(dice.below(6) === 0
      ? { xattrs: { [dice.pick(['user.a', 'trusted.overlay.opaque', 'trusted.overlay.redirect', 'security.x'])]: 'y' } }
      : {}),
  };
  const parts = [encodeTarHeader(entry), text, Buffer.alloc(padding(text.length))];
  return dice.below(8) === 0 ? [extended(dice), ...parts] : parts;
}

/** A PAX header with records that readers stumble over. */
function extended(dice: Dice): Buffer {
  const records = [
    'size=5',
    'size=99999999999999999999',
    'path=../../victim/file',
    'linkpath=/victim',
    'mtime=-1.5',
    'mtime=x',
    'uid=-1',
    'GNU.sparse.map=0,1',
    'GNU.sparse.size=99999999',
    'GNU.sparse.major=1',
    'GNU.sparse.minor=0',
    'GNU.sparse.realsize=1048576',
    'SCHILY.xattr.__proto__=x',
    'LIBARCHIVE.xattr.user.%41=////',
    '__proto__=x',
  ];
  let text = '';
  for (let count = dice.below(4); count >= 0; count -= 1) {
    const record = ` ${dice.pick(records)}\n`;
    text += `${record.length + 2}${record}`;
  }
  const header = Buffer.from(
    encodeTarHeader({ path: 'p', kind: 'file', mode: 0, uid: 0, gid: 0, size: text.length, mtime: 0, mtimeNs: 0 }),
  );
  header[156] = dice.pick(['x', 'x', 'g', 'L', 'K']).charCodeAt(0);
  sum(header);
  return Buffer.concat([header, Buffer.from(text), Buffer.alloc(padding(text.length))]);
}

function damaged(tar: Buffer, dice: Dice): Buffer {
  const broken = Buffer.from(tar);
  for (let count = dice.below(6); count >= 0; count -= 1) {
    const block = dice.below(Math.max(1, broken.length / 512)) * 512;
    // Headers keep a good sum most of the time, so that the damage is looked at.
    const at = block + dice.pick([dice.below(512), 124 + dice.below(12), 156, 257 + dice.below(8), 0]);
    if (at >= broken.length) continue;
    broken[at] = dice.pick([0, 0x20, 0x2f, 0x37, 0x80, 0xff, dice.below(256)]);
    if (dice.below(4) > 0 && block + 512 <= broken.length) sum(broken.subarray(block, block + 512));
  }
  return dice.below(4) === 0 ? broken.subarray(0, dice.below(broken.length + 1)) : broken;
}

function sum(header: Buffer): void {
  header.fill(0x20, 148, 156);
  const total = header.reduce((result, byte) => result + byte, 0);
  header.write(`${total.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}

/** A folder with something next to it that must stay as it is. */
export class TarArena implements Disposable {
  readonly #root = mkdtempSync(join(tmpdir(), 'slipway-fuzz-tar-'));
  #count = 0;

  constructor() {
    mkdirSync(`${this.#root}/victim`);
    writeFileSync(`${this.#root}/victim/file`, 'safe');
  }

  /** Everything that must hold for an archive. `onDisk`: also that its folder says what its index says. */
  check(tar: Buffer, dice: Dice, onDisk: boolean): void {
    const plain = outcome(() => unpack(tar, tar.length, undefined));
    const pieces = outcome(() => unpack(tar, 1 + dice.below(2000), undefined));
    assert.equal(pieces.failure, plain.failure, 'the size of pieces must not matter');
    if (plain.value === undefined) return;
    const { index } = plain.value;
    assert.equal(pieces.value?.index.contentDigest, index.contentDigest);
    const again = decodeLayerIndex(encodeLayerIndex(index));
    assert.deepEqual(again.entries, index.entries);
    walk(new StackTree([{ id: 'a', index, open: () => assert.fail() }]), '');
    if (onDisk) this.#checkFolder(tar);
  }

  #checkFolder(tar: Buffer): void {
    const folder = `${this.#root}/${(this.#count += 1)}`;
    mkdirSync(folder);
    try {
      const { index, implied } = unpack(tar, tar.length, folder);
      const walked = diffFolder(folder, { overlay: 'trusted' }) ?? assert.fail();
      const listed = walked.filter(({ path }) => !implied.includes(path));
      const expected = index.entries.filter(({ path }) => path !== '').map(asOnDisk);
      assert.equal(makeLayerIndex(listed).contentDigest, makeLayerIndex(expected).contentDigest);
      assert.equal(readFileSync(`${this.#root}/victim/file`, 'utf8'), 'safe');
      assert.deepEqual(readdirSync(`${this.#root}/victim`), ['file']);
      assert.deepEqual(readdirSync(this.#root).sort(), [folder.slice(this.#root.length + 1), 'victim'].sort());
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.#root, { recursive: true, force: true });
  }
}

/** Only files and directories can have `user.` attributes. */
function asOnDisk(entry: Entry): Entry {
  const { xattrs: _, ...rest } = entry;
  return entry.kind === 'file' || entry.kind === 'dir' ? entry : rest;
}

function unpack(tar: Buffer, step: number, folder: string | undefined): Unpacked {
  const unpacker = new LayerUnpacker(folder === undefined ? {} : { folder });
  try {
    const reader = new TarReader(unpacker, LIMITS);
    for (let at = 0; at < tar.length; at += step) reader.write(tar.subarray(at, at + step));
    reader.finish();
    return unpacker.finish();
  } finally {
    unpacker.close();
  }
}

/** Only failures of the archive's own count; anything else is a bug and is thrown. */
function outcome<T>(work: () => T): { readonly value?: T; readonly failure?: string } {
  try {
    return { value: work() };
  } catch (error) {
    if (isSlipwayError(error) && ['TAR_BROKEN', 'TAR_LIMIT', 'LAYER_BROKEN'].includes(errnoOf(error) ?? ''))
      return { failure: error.message };
    throw error;
  }
}

function walk(tree: StackTree, path: string): void {
  for (const name of tree.list(path)) {
    const child = path === '' ? name : `${path}/${name}`;
    const entry = tree.lookup(child) ?? assert.fail(child);
    assert.equal(entry.path, child);
    if (entry.kind === 'dir') walk(tree, child);
  }
}
