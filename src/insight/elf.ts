// What an ELF file asks of its surroundings (System V gABI; GNU symbol versioning). Every number in the file is distrusted:
// tables are bounded, offsets stay inside the file, chains must move forward.

import type { RangeReader } from './tree-files.ts';

/** An ELF program or library, as far as its loader looks at it. */
export interface ElfFile {
  readonly bits: 32 | 64;
  /** `e_machine`. */
  readonly machine: number;
  /** `OCI` architecture name of the machine (`amd64`), or `machine N`. */
  readonly architecture: string;
  readonly kind: 'program' | 'library' | 'other';
  /** Path of the loader, for dynamic programs. */
  readonly interpreter?: string;
  readonly needed: readonly string[];
  /** As written, `$ORIGIN` not yet replaced. `rpath` counts only without `runpath`. */
  readonly rpath: readonly string[];
  readonly runpath: readonly string[];
  readonly soname?: string;
  /** Versions asked of libraries; weak ones left out. */
  readonly versionNeeds: readonly { readonly file: string; readonly version: string }[];
  readonly versionDefs: ReadonlySet<string>;
  /** Has a dynamic section: libraries, dynamic and static-pie programs. */
  readonly dynamic: boolean;
  /** `DF_1_NODEFLIB`: default directories are not searched. */
  readonly noDefaultDirs: boolean;
  /** Which of some calls the dynamic string table names: imported or own symbols. */
  readonly mentions: ReadonlySet<string>;
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

const MAX_SEGMENTS = 256;
const MAX_DYNAMIC = 4096;
/** Of a string table, kept in memory: the one of Node's own program is 5 MiB, of large C++ libraries several times that. */
const STRINGS_WINDOW = 4 << 20;
/** Of a string table, looked through for calls. */
const MAX_SEARCHED = 16 << 20;
/** Names beyond the window, each read on its own. */
const MAX_FAR_NAMES = 4096;
const MAX_CHAIN = 4096;
/** Steps over all chains of a table. */
const MAX_STEPS = 65_536;
const MAX_NEEDED = 1024;
/** The kernel's limit of a path. */
const MAX_NAME = 4096;
/** Calls that say what a program will want; others are not remembered. */
const CALLS = [...['dlopen', 'getaddrinfo', 'gethostbyname'], ...['mkstemp', 'mkdtemp', 'tmpfile', 'mkstemp64', 'tmpfile64']] as const;

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;

/** Names by `e_machine`; byte order and width tell the variants apart. */
function architectureOf(machine: number, bits: 32 | 64, little: boolean): string {
  switch (machine) {
    case 62:
      return 'amd64';
    case 3:
      return '386';
    case 183:
      return 'arm64';
    case 40:
      return 'arm';
    case 243:
      return bits === 64 ? 'riscv64' : 'riscv';
    case 21:
      return little ? 'ppc64le' : 'ppc64';
    case 22:
      return 's390x';
    case 8:
      return `mips${bits === 64 ? '64' : ''}${little ? 'le' : ''}`;
    case 258:
      return 'loong64';
    default:
      return `machine ${machine}`;
  }
}

/** Reads an ELF file; undefined: it is none, or too broken to be loaded by anything. */
export function readElf(read: RangeReader, size: number): ElfFile | undefined {
  const head = read(0, 64);
  if (head.length < 52 || head.readUInt32BE(0) !== 0x7f454c46) return undefined;
  const bits = head[4] === 2 ? 64 : head[4] === 1 ? 32 : undefined;
  if (bits === undefined || (head[5] !== 1 && head[5] !== 2) || (bits === 64 && head.length < 64)) return undefined;
  const little = head[5] === 1;
  const number = numbers(bits, little);
  const type = number.u16(head, 16);
  const machine = number.u16(head, 18);
  const segments = readSegments(read, head, bits, number);
  const offsetOf = (address: number): number | undefined => {
    const load = segments.find(
      (segment) => segment.type === PT_LOAD && address >= segment.address && address < segment.address + segment.size,
    );
    return load === undefined ? undefined : load.offset + (address - load.address);
  };
  const interp = segments.find((segment) => segment.type === PT_INTERP);
  const interpreter = interp === undefined ? undefined : cString(read(interp.offset, Math.min(interp.size, MAX_NAME)), 0);
  const section = segments.find((segment) => segment.type === PT_DYNAMIC);
  const tags = section === undefined ? [] : readDynamic(read, section, bits, number);
  const first = (tag: number): number | undefined => tags.find(([name]) => name === tag)?.[1];
  const stringsAt = offsetOf(first(5) ?? -1);
  const strings = readStrings(
    read,
    stringsAt === undefined || stringsAt > size ? 0 : stringsAt,
    stringsAt === undefined ? 0 : (first(10) ?? 0),
  );
  const text = strings.text;
  const all = (tag: number): string[] =>
    tags
      .filter(([name]) => name === tag)
      .map(([, at]) => text(at))
      .filter((name) => name !== '');
  const paths = (tag: number): string[] =>
    all(tag)
      .flatMap((list) => list.split(':'))
      .filter((path) => path !== '');
  const soname = all(14)[0];
  const table = (tag: number): Buffer => {
    const at = offsetOf(first(tag) ?? -1);
    return at === undefined ? Buffer.alloc(0) : read(at, 1 << 18);
  };
  const flags1 = first(0x6ffffffb) ?? 0;
  const runpath = paths(29);
  return {
    bits,
    machine,
    architecture: architectureOf(machine, bits, little),
    kind:
      type === 2 || (type === 3 && (interp !== undefined || (flags1 & 0x08000000) !== 0)) ? 'program' : type === 3 ? 'library' : 'other',
    ...(interpreter === undefined || interpreter === '' ? {} : { interpreter }),
    needed: [...new Set(all(1))].slice(0, MAX_NEEDED),
    rpath: runpath.length > 0 ? [] : paths(15),
    runpath,
    ...(soname === undefined ? {} : { soname }),
    versionNeeds: readVersionNeeds(table(0x6ffffffe), number, text),
    versionDefs: readVersionDefs(table(0x6ffffffc), number, text),
    dynamic: section !== undefined,
    noDefaultDirs: (flags1 & 0x800) !== 0,
    mentions: strings.mentions(),
  };
}

interface Strings {
  /** The name at an offset of the table; empty: it lies outside. */
  readonly text: (at: number) => string;
  /** The calls that the table names. */
  readonly mentions: () => Set<string>;
}

/** The table of `size` bytes at `offset`. */
function readStrings(read: RangeReader, offset: number, size: number): Strings {
  const window = read(offset, Math.min(size, STRINGS_WINDOW));
  let far = MAX_FAR_NAMES;
  const text = (at: number): string => {
    if (at < window.length || at >= size || --far < 0) return cString(window, at);
    return cString(read(offset + at, Math.min(size - at, MAX_NAME)), 0);
  };
  const mentions = (): Set<string> => {
    const found = new Set<string>();
    for (let at = 0; at < Math.min(size, MAX_SEARCHED); at += STRINGS_WINDOW - MAX_NAME) {
      const part = at === 0 ? window : read(offset + at, Math.min(size - at, STRINGS_WINDOW));
      for (const call of CALLS) if (part.includes(`\0${call}\0`, 0, 'latin1')) found.add(call);
      if (part.length < STRINGS_WINDOW) break;
    }
    return found;
  };
  return { text, mentions };
}

interface Numbers {
  u16(data: Buffer, at: number): number;
  u32(data: Buffer, at: number): number;
  /** A word of the file's width; beyond 2^53 it is no offset in any file and comes out as such. */
  word(data: Buffer, at: number): number;
}

function numbers(bits: 32 | 64, little: boolean): Numbers {
  const u16 = (data: Buffer, at: number): number => (little ? data.readUInt16LE(at) : data.readUInt16BE(at));
  const u32 = (data: Buffer, at: number): number => (little ? data.readUInt32LE(at) : data.readUInt32BE(at));
  const u64 = (data: Buffer, at: number): number => Number(little ? data.readBigUInt64LE(at) : data.readBigUInt64BE(at));
  return { u16, u32, word: bits === 64 ? u64 : u32 };
}

function readSegments(read: RangeReader, head: Buffer, bits: 32 | 64, number: Numbers): Segment[] {
  const wide = bits === 64;
  const at = number.word(head, wide ? 32 : 28);
  const step = number.u16(head, wide ? 54 : 42);
  const count = Math.min(number.u16(head, wide ? 56 : 44), MAX_SEGMENTS);
  if (step < (wide ? 56 : 32) || !Number.isSafeInteger(at)) return [];
  const data = read(at, step * count);
  const segments: Segment[] = [];
  for (let from = 0; from + step <= data.length; from += step) {
    const segment = {
      type: number.u32(data, from),
      offset: number.word(data, from + (wide ? 8 : 4)),
      address: number.word(data, from + (wide ? 16 : 8)),
      size: number.word(data, from + (wide ? 32 : 16)),
    };
    if (Number.isSafeInteger(segment.offset + segment.size)) segments.push(segment);
  }
  return segments;
}

function readDynamic(read: RangeReader, { offset, size }: Segment, bits: 32 | 64, number: Numbers): (readonly [number, number])[] {
  const width = bits / 8;
  const data = read(offset, Math.min(size, MAX_DYNAMIC * width * 2));
  const tags: (readonly [number, number])[] = [];
  for (let at = 0; at + width * 2 <= data.length; at += width * 2) {
    const tag = number.word(data, at);
    if (tag === 0) break;
    tags.push([tag, number.word(data, at + width)]);
  }
  return tags;
}

/** Entries of a chained table: each says how far the next one is. */
function* chain(data: Buffer, start: number, size: number, nextAt: number, number: Numbers): Generator<number> {
  let at = start;
  for (let count = 0; count < MAX_CHAIN && at >= 0 && at + size <= data.length; count += 1) {
    yield at;
    const next = number.u32(data, at + nextAt);
    if (next === 0) return;
    at += next;
  }
}

function readVersionNeeds(
  data: Buffer,
  number: Numbers,
  text: (at: number) => string,
): { readonly file: string; readonly version: string }[] {
  const needs: { file: string; version: string }[] = [];
  let steps = 0;
  for (const at of chain(data, 0, 16, 12, number)) {
    const file = text(number.u32(data, at + 4));
    for (const aux of chain(data, at + number.u32(data, at + 8), 16, 12, number)) {
      const weak = (number.u16(data, aux + 4) & 2) !== 0;
      if (needs.length >= MAX_CHAIN || ++steps > MAX_STEPS) return needs;
      const version = text(number.u32(data, aux + 8));
      if (!weak && version !== '') needs.push({ file, version });
    }
  }
  return needs;
}

function readVersionDefs(data: Buffer, number: Numbers, text: (at: number) => string): Set<string> {
  const names = new Set<string>();
  for (const at of chain(data, 0, 20, 16, number)) {
    const aux = at + number.u32(data, at + 12);
    if (aux + 8 <= data.length) names.add(text(number.u32(data, aux)));
  }
  return names;
}

/** Text up to the NUL. */
function cString(data: Buffer, at: number): string {
  if (at < 0 || at >= data.length) return '';
  const end = data.indexOf(0, at);
  return data.toString('latin1', at, Math.min(end < 0 ? data.length : end, at + MAX_NAME));
}
