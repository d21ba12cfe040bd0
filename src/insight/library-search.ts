// Libraries found as the loader of the image would find them: glibc's ld.so(8) and musl's dynlink, over a tree.

import { baseName, type BytePath, parentPath } from '../base/index.ts';
import type { Entry, Tree } from '../layer/index.ts';
import { type ElfFile, readElf } from './elf.ts';
import { readLdCache } from './ld-cache.ts';
import { fileAt, headOf, resolveInTree, textAt, treePath, withFile } from './tree-files.ts';

/** A file with what it is. */
export interface LoadedFile {
  readonly entry: Entry;
  readonly elf: ElfFile;
}

/** A library that an object asks for and that is nowhere. */
export interface MissingLibrary {
  readonly name: string;
  /** The object that asks for it. */
  readonly by: LoadedFile;
  /** Directories looked into, as the loader would. */
  readonly searched: readonly BytePath[];
  /** A file of that name was there, but for another machine. */
  readonly otherMachine?: string;
}

/** A version that a library lacks. */
export interface MissingVersion {
  readonly version: string;
  readonly library: LoadedFile;
  readonly by: LoadedFile;
  /** The newest that is there, with the same prefix (`GLIBC_2.36`). */
  readonly newest?: string;
}

/** What becomes of a program when it is loaded. */
export interface LoadResult {
  readonly libc: 'glibc' | 'musl' | 'unknown';
  readonly loaded: readonly LoadedFile[];
  readonly missing: readonly MissingLibrary[];
  readonly versions: readonly MissingVersion[];
  /** Default directories of the loader. */
  readonly defaults: readonly BytePath[];
}

/** Objects of one program; hostile trees may not make it longer. */
const MAX_OBJECTS = 2000;
/** Files looked for, over all programs: ten times what the largest images need. Then nothing more is said to be missing. */
const MAX_LOOKUPS = 5_000_000;
/** Directories that one object's paths may name. */
const MAX_DIRS = 256;
const MAX_CACHE = 32 << 20;
const MAX_LOADER = 4 << 20;
const MUSL_OWN = /^lib(c|pthread|rt|m|dl|util|xnet)\./;

/** Reads ELF files of one tree, each once, and loads programs. */
export class LibrarySearch {
  readonly #tree: Tree;
  readonly #elf = new Map<BytePath, ElfFile | undefined>();
  readonly #defaults = new Map<BytePath, readonly BytePath[]>();
  #cache: ReadonlyMap<string, readonly string[]> | undefined;
  #lookups = MAX_LOOKUPS;

  constructor(tree: Tree) {
    this.#tree = tree;
  }

  /** The ELF file of an entry; undefined when it is none. */
  elf(entry: Entry): ElfFile | undefined {
    if (entry.kind !== 'file' || entry.size < 52) return undefined;
    if (!this.#elf.has(entry.path)) {
      this.#elf.set(
        entry.path,
        withFile(this.#tree, entry, (read, size) => readElf(read, size)),
      );
    }
    return this.#elf.get(entry.path);
  }

  /**
   * Loads `program` (or a library, by the loader of whoever opens it). `libraryPath`: `LD_LIBRARY_PATH` of the image. The interpreter
   * has to be there; who asks for one that is not gets everything else as found in the usual directories.
   */
  load(program: LoadedFile, libraryPath: readonly string[] = []): LoadResult {
    const loader = program.elf.interpreter === undefined ? this.usualLoader(program.elf) : fileAt(this.#tree, program.elf.interpreter);
    const libc = libcOf(program.elf.interpreter, loader);
    const defaults = libc === 'musl' ? this.#muslDirs(loader, program.elf) : this.#glibcDirs(loader, program.elf);
    const loaded: LoadedFile[] = [program];
    const parents = new Map<LoadedFile, LoadedFile>();
    const missing = new Map<string, MissingLibrary>();
    const byName = new Map<string, LoadedFile>();
    const loaderElf = loader === undefined ? undefined : this.elf(loader);
    if (loader !== undefined && loaderElf !== undefined) {
      byName.set(baseName(program.elf.interpreter ?? ''), { entry: loader, elf: loaderElf });
      if (loaderElf.soname !== undefined) byName.set(loaderElf.soname, { entry: loader, elf: loaderElf });
    }
    for (let index = 0; index < loaded.length && index < MAX_OBJECTS; index += 1) {
      const by = loaded[index] as LoadedFile;
      const dirs = searchDirs(by, parents, libc, libraryPath, program);
      for (const name of by.elf.needed) {
        if (byName.has(name) || missing.has(name)) continue;
        if (libc === 'musl' && MUSL_OWN.test(name)) continue;
        const { found, otherMachine } = this.#find(name, by, dirs, defaults, libc);
        if (found === undefined) {
          if (this.#lookups < 0) continue;
          missing.set(name, { name, by, searched: [...dirs, ...defaults], ...(otherMachine === undefined ? {} : { otherMachine }) });
          continue;
        }
        byName.set(name, found);
        const same = loaded.find(({ entry }) => entry.path === found.entry.path);
        if (same !== undefined) continue;
        if (found.elf.soname !== undefined && !byName.has(found.elf.soname)) byName.set(found.elf.soname, found);
        parents.set(found, by);
        loaded.push(found);
      }
    }
    return {
      libc,
      loaded,
      missing: [...missing.values()],
      versions: libc === 'musl' ? [] : missingVersions(loaded, byName),
      defaults,
    };
  }

  /** The loader that libraries of this kind are opened by; undefined: the image has none. */
  usualLoader(elf: ElfFile): Entry | undefined {
    const musl = elf.needed.some((name) => name === 'libc.so' || name.startsWith('libc.musl-'));
    for (const dir of ['lib64', 'lib', 'usr/lib64', 'usr/lib']) {
      for (const name of this.#tree.list(resolveInTree(this.#tree, dir)?.path ?? dir)) {
        if (!(musl ? /^ld-musl-.*\.so/ : /^ld(64)?(-linux[\w-]*)?\.so\.\d/).test(name)) continue;
        const entry = fileAt(this.#tree, `${dir}/${name}`);
        if (entry !== undefined && this.elf(entry)?.machine === elf.machine && this.elf(entry)?.bits === elf.bits) return entry;
      }
    }
    return undefined;
  }

  /** Where a library of this name is that `by` could use: its own directories, the cache, the default ones. */
  locate(name: string, by: LoadedFile, dirs: readonly BytePath[] = []): { readonly path: BytePath; readonly file: LoadedFile } | undefined {
    const loader = this.usualLoader(by.elf);
    const libc = libcOf(by.elf.interpreter, loader);
    const all = [
      ...dirs,
      ...searchDirs(by, new Map(), libc, [], by),
      ...(this.#ldCache().get(name) ?? []).map((path) => `/${parentPath(treePath(path))}`),
    ];
    for (const dir of [...all, ...(libc === 'musl' ? this.#muslDirs(loader, by.elf) : this.#glibcDirs(loader, by.elf))]) {
      const { found } = this.#find(name.includes('/') ? name : `${dir}/${name}`, by, [], [], libc);
      if (found !== undefined) return { path: name.includes('/') ? name : `${dir}/${name}`, file: found };
    }
    return undefined;
  }

  #find(
    name: string,
    by: LoadedFile,
    dirs: readonly BytePath[],
    defaults: readonly BytePath[],
    libc: LoadResult['libc'],
  ): { readonly found?: LoadedFile; readonly otherMachine?: string } {
    let otherMachine: string | undefined;
    const at = (path: BytePath): LoadedFile | undefined => {
      if (--this.#lookups < 0) return undefined;
      const entry = fileAt(this.#tree, path);
      const elf = entry === undefined ? undefined : this.elf(entry);
      if (entry === undefined || elf === undefined) return undefined;
      if (elf.machine === by.elf.machine && elf.bits === by.elf.bits) return { entry, elf };
      otherMachine ??= elf.architecture;
      return undefined;
    };
    const answer = (found: LoadedFile | undefined): { readonly found?: LoadedFile; readonly otherMachine?: string } => ({
      ...(found === undefined ? {} : { found }),
      ...(otherMachine === undefined ? {} : { otherMachine }),
    });
    if (name.includes('/')) return answer(at(name));
    const hardware = libc === 'musl' ? [] : hardwareDirs(by.elf.architecture);
    for (const dir of dirs) {
      for (const sub of ['', ...hardware]) {
        const found = at(`${dir}${sub}/${name}`);
        if (found !== undefined) return answer(found);
      }
    }
    if (libc !== 'musl') {
      for (const path of this.#ldCache().get(name) ?? []) {
        const found = at(path);
        if (found !== undefined) return answer(found);
      }
    }
    if (!by.elf.noDefaultDirs) {
      for (const dir of defaults) {
        for (const sub of ['', ...hardware]) {
          const found = at(`${dir}${sub}/${name}`);
          if (found !== undefined) return answer(found);
        }
      }
    }
    return answer(undefined);
  }

  #ldCache(): ReadonlyMap<string, readonly string[]> {
    if (this.#cache === undefined) {
      const entry = fileAt(this.#tree, 'etc/ld.so.cache');
      this.#cache = entry === undefined ? new Map() : readLdCache(headOf(this.#tree, entry, MAX_CACHE));
    }
    return this.#cache;
  }

  /** Built into each ld.so: distributions differ. Without a loader: what is usual. */
  #glibcDirs(loader: Entry | undefined, program: ElfFile): readonly BytePath[] {
    const usual = usualDirs(program.architecture, program.bits);
    if (loader === undefined) return usual;
    let dirs = this.#defaults.get(loader.path);
    if (dirs === undefined) {
      const run = runsOfFolders(headOf(this.#tree, loader, MAX_LOADER)).find((list) => list.some((dir) => dir.startsWith('/usr/lib')));
      dirs = run?.map((dir) => dir.replace(/\/$/, '')) ?? usual;
      this.#defaults.set(loader.path, dirs);
    }
    return dirs;
  }

  #muslDirs(loader: Entry | undefined, program: ElfFile): readonly BytePath[] {
    const name = /ld-musl-([\w-]+)\.so/.exec(program.interpreter ?? '')?.[1] ?? /ld-musl-([\w-]+)\.so/.exec(loader?.path ?? '')?.[1];
    const text = name === undefined ? undefined : textAt(this.#tree, `etc/ld-musl-${name}.path`, 1 << 16);
    const dirs = text?.split(/[\n:]/).filter((dir) => dir !== '');
    return dirs ?? ['/lib', '/usr/local/lib', '/usr/lib'];
  }
}

/** Folder names with a slash at their end that stand one after the other, two at least: how ld.so keeps its default directories. */
function runsOfFolders(data: Buffer): readonly (readonly string[])[] {
  const runs: string[][] = [];
  let run: string[] = [];
  for (let start = 0; start < data.length;) {
    const end = data.indexOf(0, start);
    const text = end < 0 || end - start > 256 ? '' : data.toString('latin1', start, end);
    if (/^\/[\w./+-]*\/$/.test(text) && text.includes('lib')) run.push(text);
    else {
      if (run.length > 1) runs.push(run);
      run = [];
    }
    if (end < 0) break;
    start = end + 1;
  }
  return runs;
}

function libcOf(interpreter: string | undefined, loader: Entry | undefined): LoadResult['libc'] {
  const names = `${interpreter ?? ''} ${loader?.path ?? ''}`;
  if (/ld-musl-|musl\/.*libc\.so/.test(names)) return 'musl';
  return /\bld(64)?(-linux[\w-]*)?\.so|ld-linux/.test(names) ? 'glibc' : 'unknown';
}

/** RPATH of the object and of who loaded it, LD_LIBRARY_PATH, RUNPATH: in the loader's order. */
function searchDirs(
  by: LoadedFile,
  parents: ReadonlyMap<LoadedFile, LoadedFile>,
  libc: LoadResult['libc'],
  libraryPath: readonly string[],
  program: LoadedFile,
): readonly BytePath[] {
  const own = (object: LoadedFile, paths: readonly string[]): string[] => paths.map((path) => expand(path, object));
  const dirs: string[] = [];
  if (libc === 'musl') {
    dirs.push(...libraryPath);
    for (let object: LoadedFile | undefined = by; object !== undefined && dirs.length < MAX_DIRS; object = parents.get(object))
      dirs.push(...own(object, [...object.elf.runpath, ...object.elf.rpath]));
  } else {
    if (by.elf.runpath.length === 0) {
      for (let object: LoadedFile | undefined = by; object !== undefined && dirs.length < MAX_DIRS; object = parents.get(object))
        dirs.push(...own(object, object.elf.rpath));
      if (program !== by) dirs.push(...own(program, program.elf.rpath));
    }
    dirs.push(...libraryPath, ...own(by, by.elf.runpath));
  }
  return [...new Set(dirs.slice(0, MAX_DIRS).map((dir) => `/${treePath(dir)}`))];
}

function expand(path: string, { entry, elf }: LoadedFile): string {
  const lib = elf.bits === 64 ? 'lib64' : 'lib';
  return path
    .replace(/\$\{?ORIGIN\}?/g, () => `/${parentPath(entry.path)}`)
    .replace(/\$\{?LIB\}?/g, () => (elf.architecture === 'amd64' ? 'lib/x86_64-linux-gnu' : lib))
    .replace(/\$\{?PLATFORM\}?/g, () => (elf.architecture === 'amd64' ? 'x86_64' : elf.architecture));
}

function missingVersions(loaded: readonly LoadedFile[], byName: ReadonlyMap<string, LoadedFile>): readonly MissingVersion[] {
  const found: MissingVersion[] = [];
  for (const by of loaded) {
    for (const { file, version } of by.elf.versionNeeds) {
      const library = byName.get(file);
      // A library without any versions is only warned of by the loader.
      if (library === undefined || library.elf.versionDefs.size === 0 || library.elf.versionDefs.has(version)) continue;
      const prefix = version.replace(/[\d.]+$/, '');
      const newest = [...library.elf.versionDefs]
        .filter((name) => name.startsWith(prefix) && /\d$/.test(name))
        .sort(compareVersions)
        .at(-1);
      found.push({ version, library, by, ...(newest === undefined ? {} : { newest }) });
    }
  }
  return found;
}

/** `GLIBC_2.4` before `GLIBC_2.36`. */
function compareVersions(a: string, b: string): number {
  const [x, y] = [a, b].map((text) => (text.match(/\d+/g) ?? []).map(Number)) as [number[], number[]];
  for (let index = 0; index < Math.max(x.length, y.length); index += 1) {
    const difference = (x[index] ?? 0) - (y[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

const MULTIARCH: Readonly<Record<string, string>> = {
  amd64: 'x86_64-linux-gnu',
  '386': 'i386-linux-gnu',
  arm64: 'aarch64-linux-gnu',
  arm: 'arm-linux-gnueabihf',
  riscv64: 'riscv64-linux-gnu',
  ppc64le: 'powerpc64le-linux-gnu',
  s390x: 's390x-linux-gnu',
};

function usualDirs(architecture: string, bits: 32 | 64): readonly BytePath[] {
  const triple = MULTIARCH[architecture];
  return [
    ...(triple === undefined ? [] : [`/lib/${triple}`, `/usr/lib/${triple}`]),
    ...(bits === 64 ? ['/lib64', '/usr/lib64'] : []),
    '/lib',
    '/usr/lib',
  ];
}

function hardwareDirs(architecture: string): readonly string[] {
  if (architecture === 'amd64') return ['/glibc-hwcaps/x86-64-v2', '/glibc-hwcaps/x86-64-v3', '/glibc-hwcaps/x86-64-v4'];
  if (architecture === 'ppc64le') return ['/glibc-hwcaps/power9', '/glibc-hwcaps/power10'];
  return [];
}
