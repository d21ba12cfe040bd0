// Makes a layer from entries and their bytes: a pack (a tar in the order of adding) and an index. Bytes are read once, hashed and
// written as they pass. Files that an earlier layer's pack has already, or a file that is ours to take as a pack, are referred to, not copied.

import { closeSync, linkSync, openSync, statSync } from 'node:fs';
import { type BytePath, type Digest, fromBytePath, SlipwayError } from '../base/index.ts';
import { EarlierRows } from './earlier-rows.ts';
import type { Entry } from './entry.ts';
import type { EntryRows, RowChange } from './entry-rows.ts';
import type { IndexColumns } from './index-columns.ts';
import { type ColumnIndex, joinIndex, measureIndex } from './index-file.ts';
import { isCleanPath, makeLayerIndex } from './layer-index.ts';
import { mergeRows, type RowRange } from './merge-rows.ts';
import { PackFile } from './pack-file.ts';
import { sha256Of } from './sha256.ts';
import { BLOCK, encodeTarHeader, hasTarForm, padding } from './tar-header.ts';
import type { FileBytes } from './tree.ts';

/** An earlier layer whose packed bytes may serve again. */
export interface PackedLayer {
  readonly columns: IndexColumns;
  /** Its pack files, in the order that entries count them. */
  readonly packs: readonly string[];
  /** Its id in the store: compressed blocks of it may serve again too. */
  readonly id?: string;
}

export interface LayerWriterOptions {
  /** A folder of our own: packs are made in it as `tar`, `tar.1`, …. */
  readonly folder: string;
  /** A layer that is likely to have much of the same. */
  readonly previous?: PackedLayer;
}

/** A written layer, not yet committed. */
export interface WrittenLayer {
  readonly folder: string;
  readonly index: ColumnIndex;
  /** Names in `folder`. */
  readonly packs: readonly string[];
  /** Bytes of all files. */
  readonly size: number;
  /** Id of the earlier layer that it was written after. */
  readonly previous?: string;
}

/** An earlier pack of which less than this share is still used is not worth keeping for it. */
const WORTH_KEEPING = 0.5;
const MAX_PACKS = 6;

/** Opens a writer; dispose it when it is not finished. */
export function openLayerWriter(options: LayerWriterOptions): LayerWriter {
  return new LayerWriter(options);
}

/** Takes entries in any order; the last one of a path counts. All calls are synchronous. */
export class LayerWriter implements Disposable {
  readonly #folder: string;
  readonly #pack: PackFile;
  readonly #entries = new Map<BytePath, Entry>();
  readonly #earlier: EarlierRows | undefined;
  readonly #previous: PackedLayer | undefined;
  /** Rows of the earlier layer that are taken over as they are. */
  readonly #rows: RowRange[] = [];
  /** Paths of packs that are not ours yet; entries count them from 1. */
  readonly #others: string[];
  readonly #otherNumbers = new Map<string, number>();

  constructor(options: LayerWriterOptions) {
    this.#folder = options.folder;
    this.#pack = new PackFile(`${options.folder}/tar`);
    this.#previous = options.previous;
    this.#others = [...(options.previous?.packs ?? [])];
    this.#earlier = options.previous === undefined ? undefined : new EarlierRows(options.previous.columns);
  }

  /**
   * Adds an entry. `source` has a file's bytes: opened (and released here) only if they are not known from the earlier layer.
   * When `entry.digest` is given it is believed: the source answers for the file being the one that was hashed. Bytes at hand are
   * checked (FILE_CHANGED). Replaces an earlier entry of that path.
   */
  add(entry: Entry, source?: (() => FileBytes) | Uint8Array): void {
    if (!isCleanPath(entry.path)) throw new Error(`internal: not a path for a layer: ${JSON.stringify(entry.path)}`);
    const facts = withoutPlace(entry);
    if (entry.kind !== 'file') {
      this.#entries.set(
        entry.path,
        entry.kind === 'hardlink' || !hasTarForm(entry) ? facts : (this.#referHeader(facts) ?? this.#place(facts)),
      );
      return;
    }
    const known = this.#knownBytes(entry);
    if (known !== undefined) {
      this.#entries.set(entry.path, this.#refer(facts, known));
      return;
    }
    if (source === undefined) {
      if (entry.size > 0) throw new Error(`internal: no bytes for ${fromBytePath(entry.path)}`);
      this.#entries.set(entry.path, this.#placeBytes(facts, Buffer.alloc(0)));
    } else if (source instanceof Uint8Array) {
      this.#entries.set(entry.path, this.#placeBytes({ ...facts, size: source.length }, source));
    } else {
      using file = source();
      const taken = entry.digest === undefined ? undefined : this.#take(facts, file);
      this.#entries.set(entry.path, taken ?? this.#placeFile(facts, file));
    }
  }

  /**
   * Adds a plain row, as `change` leaves it, under `prefix` and its name, if the earlier layer has the same one packed: then nothing is
   * made of it. False: it has to be added as an entry. A path that is added so is not added again.
   */
  addRow(prefix: Uint8Array, rows: EntryRows, slot: number, change: RowChange): boolean {
    const columns = this.#previous?.columns;
    if (columns === undefined || this.#earlier === undefined) return false;
    const row = this.#earlier.find(prefix, rows.bytes, rows.nameStart(slot), rows.nameEnd(slot));
    if (row < 0 || !isSameRow(columns, row, rows, slot, change)) return false;
    const last = this.#rows.at(-1);
    if (last?.to === row) last.to += 1;
    else this.#rows.push({ from: row, to: row + 1 });
    return true;
  }

  /** Completes the pack and makes the index. The writer is closed afterwards. */
  finish(): WrittenLayer {
    const { entries, rows, names, numbers } = this.#settlePacks();
    const own = makeLayerIndex(entries).entries;
    const columns = this.#previous?.columns;
    const index = joinIndex(columns === undefined ? [own] : mergeRows(own, columns, rows, numbers));
    this.#pack.flush();
    this[Symbol.dispose]();
    const { size } = measureIndex(index);
    const previous = this.#previous?.id;
    return { folder: this.#folder, index, packs: names, size, ...(previous === undefined ? {} : { previous }) };
  }

  [Symbol.dispose](): void {
    this.#pack[Symbol.dispose]();
  }

  /** A header alone, so that whole runs of the pack can be taken over. */
  #place(entry: Entry): Entry {
    const header = encodeTarHeader(entry);
    this.#pack.append(header);
    return placed(entry, undefined, this.#pack.size, 0, header.length);
  }

  #placeBytes(entry: Entry, bytes: Uint8Array): Entry {
    const digest = sha256Of(bytes);
    checkDigest(entry, digest);
    const header = encodeTarHeader(entry);
    this.#pack.append(header);
    const offset = this.#pack.size;
    this.#pack.append(bytes);
    this.#pack.appendZeros(padding(bytes.length));
    return placed(entry, digest, offset, 0, header.length);
  }

  #placeFile(entry: Entry, file: FileBytes): Entry {
    if (file.size !== entry.size) throw changed(entry);
    const header = encodeTarHeader(entry);
    this.#pack.append(header);
    const offset = this.#pack.size;
    const digest = this.#pack.appendFile(file, entry.digest);
    if (digest === undefined) throw changed(entry);
    this.#pack.appendZeros(padding(entry.size));
    return placed(entry, digest, offset, 0, header.length);
  }

  /** The earlier entry whose bytes are those of `entry`; of several the one of the same path. */
  #knownBytes(entry: Entry): Entry | undefined {
    if (entry.digest === undefined || this.#earlier === undefined) return undefined;
    const samePath = this.#earlier.at(entry.path);
    const isSame = samePath?.kind === 'file' && samePath.digest === entry.digest;
    const known = isSame ? samePath : this.#earlier.withDigest(entry.digest, entry.size);
    return known?.size === entry.size ? known : undefined;
  }

  /** Points at the earlier pack. The header there serves too when it is the same. */
  #refer(entry: Entry, known: Entry): Entry {
    const headerBytes = sameHeader(entry, known) ? known.headerBytes : undefined;
    return placed(entry, known.digest, known.offset, (known.pack ?? 0) + 1, headerBytes);
  }

  /** Points at a file that may become a pack of this layer. */
  #take(entry: Entry, { pack, offset, size }: FileBytes): Entry | undefined {
    if (pack === undefined) return undefined;
    if (size !== entry.size) throw changed(entry);
    const { path, header } = pack;
    let number = this.#otherNumbers.get(path);
    if (number === undefined) this.#otherNumbers.set(path, (number = this.#others.push(path)));
    const headerBytes = header !== undefined && sameHeader(entry, header) ? header.headerBytes : undefined;
    return placed(entry, entry.digest, offset, number, headerBytes);
  }

  #referHeader(entry: Entry): Entry | undefined {
    const known = this.#earlier?.at(entry.path);
    if (known === undefined || !sameHeader(entry, known)) return undefined;
    return placed(entry, undefined, known.offset, (known.pack ?? 0) + 1, known.headerBytes);
  }

  /** Decides which other packs stay in use (as hard links in our folder) and copies the rest of what they have. */
  #settlePacks(): SettledPacks {
    const { names, numbers } = this.#keepPacks();
    const rows = this.#rowsIn(numbers);
    const entries = Array.from(this.#entries.values(), (entry) => {
      if (entry.pack === undefined) return entry;
      const number = numbers.get(entry.pack);
      if (number === entry.pack) return entry;
      if (number !== undefined) {
        // Ours: whatever refers to another pack was made by `placed`, here.
        (entry as { pack: number }).pack = number;
        return entry;
      }
      return entry.kind === 'file' ? this.#copyOther(entry) : this.#place(withoutPlace(entry));
    });
    return { entries, rows, names, numbers };
  }

  /** Links the packs that are worth it into our folder: their names, ours first, and the numbers that they have now. */
  #keepPacks(): Pick<SettledPacks, 'names' | 'numbers'> {
    const names = ['tar'];
    const numbers = new Map<number, number>();
    for (const [pack, bytes] of [...this.#usedBytes()].sort((a, b) => b[1] - a[1])) {
      const path = this.#otherPack(pack);
      if (bytes < statSync(path).size * WORTH_KEEPING || names.length >= MAX_PACKS) continue;
      const name = `tar.${names.length}`;
      linkSync(path, `${this.#folder}/${name}`);
      numbers.set(pack, names.length);
      names.push(name);
    }
    return { names, numbers };
  }

  /** How much of each other pack is referred to. */
  #usedBytes(): ReadonlyMap<number, number> {
    const used = new Map<number, number>();
    for (const { pack, size } of this.#entries.values()) if (pack !== undefined) used.set(pack, (used.get(pack) ?? 0) + size + BLOCK);
    const columns = this.#previous?.columns;
    if (columns === undefined) return used;
    const bytes = new Float64Array(256);
    for (const { from, to } of this.#rows)
      for (let row = from; row < to; row += 1) bytes[columns.pack(row)] = (bytes[columns.pack(row)] as number) + columns.size(row) + BLOCK;
    for (const [pack, more] of bytes.entries()) if (more > 0) used.set(pack + 1, (used.get(pack + 1) ?? 0) + more);
    return used;
  }

  /** The rows whose packs stay. The others become entries. */
  #rowsIn(numbers: ReadonlyMap<number, number>): readonly RowRange[] {
    const columns = this.#previous?.columns;
    if (columns === undefined) return [];
    const kept: RowRange[] = [];
    for (const { from, to } of this.#rows) {
      let start = from;
      for (let row = from; row < to; row += 1) {
        const pack = columns.pack(row) + 1;
        if (numbers.has(pack)) continue;
        if (row > start) kept.push({ from: start, to: row });
        start = row + 1;
        const entry = columns.entry(row);
        if (this.#entries.has(entry.path)) throw new Error(`internal: two entries for ${fromBytePath(entry.path)}`);
        this.#entries.set(entry.path, placed(entry, entry.digest, entry.offset, pack, entry.headerBytes));
      }
      if (to > start) kept.push({ from: start, to });
    }
    return kept;
  }

  #otherPack(pack: number): string {
    const path = this.#others[pack - 1];
    if (path === undefined) throw new Error('internal: an entry of an unknown pack');
    return path;
  }

  #copyOther(entry: Entry): Entry {
    const digest = entry.digest;
    if (digest === undefined) throw new Error(`internal: a packed file without digest: ${fromBytePath(entry.path)}`);
    const fd = openSync(this.#otherPack(entry.pack ?? 0), 'r');
    try {
      const header = encodeTarHeader(entry);
      this.#pack.append(header);
      const offset = this.#pack.size;
      if (!this.#pack.copyFile({ fd, offset: entry.offset ?? 0, size: entry.size }, digest)) throw changed(entry);
      this.#pack.appendZeros(padding(entry.size));
      return placed(entry, digest, offset, 0, header.length);
    } finally {
      closeSync(fd);
    }
  }
}

/** What a layer is made of when it is decided where all bytes stand. */
interface SettledPacks {
  readonly entries: readonly Entry[];
  readonly rows: readonly RowRange[];
  readonly names: readonly string[];
  /** Of other packs, as entries count them (the earlier layer's from 1), the new numbers. */
  readonly numbers: ReadonlyMap<number, number>;
}

/** Whether a row is, as `change` leaves it, the earlier layer's, which stands in a pack. */
function isSameRow(columns: IndexColumns, row: number, rows: EntryRows, slot: number, { uid, gid, mode, time }: RowChange): boolean {
  const isDirectory = rows.isDirectory(slot);
  const bits = rows.mode(slot) & 0o7777;
  if (
    !columns.isPlain(row) ||
    !columns.isPacked(row) ||
    columns.isFile(row) === isDirectory ||
    columns.uid(row) !== uid ||
    columns.gid(row) !== gid ||
    columns.mode(row) !== (mode === undefined ? bits : mode(bits, isDirectory)) ||
    columns.mtime(row) !== (time === undefined ? rows.modified(slot) : time.mtime) ||
    columns.mtimeNs(row) !== (time === undefined ? rows.modifiedNs(slot) : time.mtimeNs)
  )
    return false;
  if (isDirectory) return true;
  const size = rows.size(slot);
  return columns.size(row) === size && (size === 0 || isSameDigest(columns.bytes, columns.digest(row), rows.bytes, rows.digest(slot)));
}

function isSameDigest(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): boolean {
  for (let byte = 0; byte < 32; byte += 1) if (a[aAt + byte] !== b[bAt + byte]) return false;
  return true;
}

function withoutPlace(entry: Entry): Entry {
  return entry.offset === undefined ? entry : placed(entry, entry.digest, undefined, 0, undefined);
}

/** The entry with another place. Written out: a spread costs ten times as much, and there are many. */
function placed(
  entry: Entry,
  digest: Digest | undefined,
  offset: number | undefined,
  pack: number,
  headerBytes: number | undefined,
): Entry {
  const { path, kind, mode, uid, gid, size, mtime, mtimeNs } = entry;
  const result: { -readonly [key in keyof Entry]: Entry[key] } = { path, kind, mode, uid, gid, size, mtime, mtimeNs };
  if (digest !== undefined) result.digest = digest;
  if (offset !== undefined) result.offset = offset;
  if (pack !== 0) result.pack = pack;
  if (headerBytes !== undefined) result.headerBytes = headerBytes;
  if (entry.link !== undefined) result.link = entry.link;
  if (entry.xattrs !== undefined) result.xattrs = entry.xattrs;
  if (entry.opaque !== undefined) result.opaque = entry.opaque;
  if (entry.devMajor !== undefined) result.devMajor = entry.devMajor;
  if (entry.devMinor !== undefined) result.devMinor = entry.devMinor;
  return result;
}

/** Whether the tar header of `entry` is the one that stands before the earlier one's bytes. */
function sameHeader(entry: Entry, known: Entry): boolean {
  return (
    known.headerBytes !== undefined &&
    entry.path === known.path &&
    entry.kind === known.kind &&
    entry.mode === known.mode &&
    entry.uid === known.uid &&
    entry.gid === known.gid &&
    entry.size === known.size &&
    entry.mtime === known.mtime &&
    entry.link === known.link &&
    entry.opaque === known.opaque &&
    entry.devMajor === known.devMajor &&
    entry.devMinor === known.devMinor &&
    entry.xattrs === undefined &&
    known.xattrs === undefined
  );
}

function checkDigest(entry: Entry, digest: Digest): void {
  if (entry.digest !== undefined && entry.digest !== digest) throw changed(entry);
}

function changed(entry: Entry): SlipwayError {
  return new SlipwayError('FILE_CHANGED', `${fromBytePath(entry.path)} changed while it was read`, {
    hint: 'build again when nothing writes to it',
  });
}
