// One file that will be started or loaded: its loader, libraries, versions, interpreter.

import { type BytePath, fromBytePath } from '../base/index.ts';
import type { Entry } from '../layer/index.ts';
import { libraryNames, textsIn } from './byte-search.ts';
import type { ElfFile } from './elf.ts';
import type { Finding, FoundAt } from './finding.ts';
import type { LoadedFile, LoadResult, MissingLibrary } from './library-search.ts';
import { copyLine, type RuntimeContext, shown, whereReadable } from './runtime-context.ts';
import { baseOf, fileAt, headOf, parentOf, resolveInTree, treePath, walkTree, withFile } from './tree-files.ts';

/** How much a failure of the file matters. */
export type Role = 'started' | 'program' | 'library';

/** Interpreters that call interpreters: more is a loop. */
const MAX_SCRIPTS = 5;

/** Checks a file of the image by what its first bytes say; what is neither ELF nor a script is left alone. */
export function checkFile(context: RuntimeContext, path: BytePath, entry: Entry, role: Role, depth = 0): void {
  whereReadable(() => {
    const head = headOf(context.tree, entry, 512);
    if (head.length >= 4 && head.readUInt32BE(0) === 0x7f454c46) {
      const elf = context.search.elf(entry);
      if (elf !== undefined) checkElf(context, path, { entry, elf }, role);
      else if (role === 'started')
        context.add({
          rule: 'program-broken',
          severity: 'error',
          path: shown(path),
          message: 'the ELF header is cut or malformed: it cannot be started',
        });
    } else if (head.toString('latin1', 0, 2) === '#!') checkScript(context, path, head, role, depth);
    else if (role === 'started' && head.length === 0)
      context.add({
        rule: 'program-broken',
        severity: 'error',
        path: shown(path),
        message: 'it is empty: starting it does nothing or fails',
      });
  });
}

function checkElf(context: RuntimeContext, path: BytePath, file: LoadedFile, role: Role): void {
  const { elf } = file;
  if (elf.architecture !== context.architecture && !compatible(elf.architecture, context.architecture)) {
    context.add({
      rule: 'architecture',
      severity: role === 'library' ? 'warning' : 'error',
      path: shown(path),
      message: `it is built for ${elf.architecture}, the image is for ${context.architecture}`,
    });
    return;
  }
  if (!elf.dynamic) return;
  const severity = role === 'library' ? 'warning' : 'error';
  const loaderPresent = elf.interpreter === undefined || fileAt(context.tree, elf.interpreter) !== undefined;
  if (!loaderPresent) reportLoader(context, path, elf, elf.interpreter, severity);
  const result = context.search.load(file, context.libraryPath);
  // The loader is a library too; it was spoken of already.
  const reported = new Set<string>(elf.interpreter === undefined ? [] : [baseOf(elf.interpreter)]);
  for (const missing of result.missing) {
    if (role === 'library' && hasAnywhere(context, missing.name)) continue;
    reportMissing(context, path, file, missing, result, severity, reported);
  }
  reportVersions(context, path, result, severity);
  if (role !== 'library' && loaderPresent) reportOpened(context, path, file, result);
}

/** 32-bit programs run on their 64-bit relatives. */
function compatible(program: string, image: string): boolean {
  return (image === 'amd64' && program === '386') || (image === 'arm64' && program === 'arm');
}

function reportLoader(context: RuntimeContext, path: BytePath, elf: ElfFile, loader: string, severity: Finding['severity']): void {
  const found = context.stages.flatMap((stage) =>
    fileAt(stage.tree, loader) === undefined ? [] : [context.foundAt(stage, treePath(loader))],
  );
  const muslImage = context.tree.list('lib').some((name) => name.startsWith('ld-musl-'));
  const glibcImage = !muslImage && context.packages.packages.some(({ name }) => name === 'libc6' || name === 'glibc');
  const musl = loader.includes('ld-musl-');
  const why = musl
    ? glibcImage
      ? ': it was built for musl, this image has glibc'
      : ''
    : muslImage
      ? ': it was built for glibc, this image has musl'
      : '';
  const cure = copyFrom(found[0], `/${treePath(loader)}`);
  context.add({
    rule: 'loader-missing',
    severity,
    path: shown(path),
    message: `its loader ${loader} is not there${why}; starting it says "no such file or directory"${why === '' && elf.kind === 'program' ? ' (linking statically needs none)' : ''}`,
    ...(found.length === 0 ? {} : { found }),
    ...(cure === undefined ? (muslImage && !musl ? { cure: 'RUN apk add --no-cache gcompat' } : {}) : { cure }),
  });
}

function reportMissing(
  context: RuntimeContext,
  path: BytePath,
  program: LoadedFile,
  missing: MissingLibrary,
  result: LoadResult,
  severity: Finding['severity'],
  reported: Set<string>,
): void {
  if (reported.has(missing.name)) return;
  reported.add(missing.name);
  const places = librariesInStages(context, missing, program);
  const found = places.map(({ found }) => found);
  const target = targetOf(missing, result, found[0]);
  const cure =
    copyFrom(found[0], target) ??
    context.install(found.find((place) => place.package !== undefined)?.package ?? usualPackage(missing.name, context.packages.installer));
  const by = missing.by.entry.path === program.entry.path ? '' : ` (for ${shown(missing.by.entry.path)})`;
  context.add({
    rule: 'library-missing',
    severity,
    path: shown(path),
    message: `it needs ${fromBytePath(missing.name)}${by}, which its loader does not find${missing.otherMachine === undefined ? '' : `: the one there is for ${missing.otherMachine}`}`,
    ...(found.length === 0 ? {} : { found }),
    ...(cure === undefined ? {} : { cure }),
  });
  // What the library needs in turn is missing too, though nobody could ask for it yet.
  const first = places[0];
  if (first === undefined) return;
  for (const needed of first.needs) {
    if (reported.has(needed) || context.search.locate(needed, program) !== undefined) continue;
    if (result.libc === 'musl' && /^lib(c|pthread|rt|m|dl|util|xnet)\./.test(needed)) continue;
    reportMissing(context, path, program, { name: needed, by: first.file, searched: missing.searched }, result, severity, reported);
  }
}

interface StagePlace {
  readonly found: FoundAt;
  readonly file: LoadedFile;
  readonly needs: readonly string[];
}

function librariesInStages(context: RuntimeContext, { name, by }: MissingLibrary, program: LoadedFile): readonly StagePlace[] {
  return context.stages.flatMap((stage): readonly StagePlace[] => {
    const place = whereReadable(() => {
      const near = stage.search.locate(name, by) ?? stage.search.locate(name, program);
      if (near !== undefined) return near;
      const anywhere = name.includes('/') ? undefined : stage.library(name);
      const entry = anywhere === undefined ? undefined : fileAt(stage.tree, anywhere);
      const elf = entry === undefined ? undefined : stage.search.elf(entry);
      if (entry === undefined || elf === undefined || elf.machine !== by.elf.machine || elf.bits !== by.elf.bits) return undefined;
      return { path: anywhere as BytePath, file: { entry, elf } };
    });
    if (place === undefined) return [];
    return [{ found: context.foundAt(stage, treePath(place.path)), file: place.file, needs: place.file.elf.needed }];
  });
}

/** Where the loader will find it: its own path when that is looked into, else the first directory that is. */
function targetOf({ name, searched }: MissingLibrary, { defaults }: LoadResult, found: FoundAt | undefined): string {
  if (name.includes('/')) return `/${treePath(name)}`;
  const dirs = [...searched, ...defaults];
  const own = found === undefined ? undefined : `/${parentOf(treePath(found.path))}`;
  if (own !== undefined && dirs.includes(own)) return `${own}/${name}`;
  return `${defaults[0] ?? '/lib'}/${name}`;
}

function copyFrom(found: FoundAt | undefined, to: string): string | undefined {
  return found?.stage === undefined ? undefined : copyLine(found.stage, found.path, fromBytePath(to));
}

function reportVersions(context: RuntimeContext, path: BytePath, result: LoadResult, severity: Finding['severity']): void {
  const byLibrary = new Map<string, LoadResult['versions'][number]>();
  for (const version of result.versions) {
    const key = `${version.library.entry.path} ${version.version.replace(/[\d.]+$/, '')}`;
    const known = byLibrary.get(key);
    if (known === undefined || compareDotted(version.version, known.version) > 0) byLibrary.set(key, version);
  }
  for (const { version, library, by, newest } of byLibrary.values()) {
    const libc = version.startsWith('GLIBC_');
    context.add({
      rule: 'version-missing',
      severity,
      path: shown(path),
      message:
        `${by.entry.path === result.loaded[0]?.entry.path ? 'it' : shown(by.entry.path)} needs ${version} of ${shown(library.entry.path)}, ` +
        `${newest === undefined ? 'which it does not have' : `${newest} is there`}` +
        (libc ? ': build it in a stage as old as this base, or take a base as new as the stage' : ''),
    });
  }
}

function compareDotted(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

/** Libraries that a program names and may open itself. */
function reportOpened(context: RuntimeContext, path: BytePath, file: LoadedFile, result: LoadResult): void {
  if (!file.elf.mentions('dlopen')) return;
  const names = withFile(context.tree, file.entry, (read, size) => libraryNames(read, size));
  const known = new Set([...file.elf.needed, ...result.loaded.map(({ entry }) => baseOf(entry.path))]);
  for (const name of names.slice(0, 50)) {
    if (known.has(name) || context.search.locate(name, file) !== undefined) continue;
    const found = librariesInStages(context, { name, by: file, searched: [] }, file).map((place) => place.found);
    const cure = copyFrom(found[0], targetOf({ name, by: file, searched: [] }, result, found[0]));
    context.add({
      rule: 'library-opened',
      severity: found.length > 0 ? 'warning' : 'info',
      path: shown(path),
      message: `perhaps it opens ${name} while it runs, which is not there`,
      ...(found.length === 0 ? {} : { found }),
      ...(cure === undefined ? {} : { cure }),
    });
  }
}

/** `#!`: the interpreter, also through `env`, and what that needs. */
function checkScript(context: RuntimeContext, path: BytePath, head: Buffer, role: Role, depth: number): void {
  const line = head.toString('latin1').split('\n', 1)[0] as string;
  const severity =
    role === 'started' ? 'error' : /(^|\/)(node_modules|site-packages|dist-packages|doc|\.git)\//.test(path) ? 'info' : 'warning';
  if (line.endsWith('\r')) {
    context.add({
      rule: 'script-line-ends',
      severity,
      path: shown(path),
      message: 'its first line ends in CR LF: the interpreter is looked for with a CR in its name',
    });
    return;
  }
  const [interpreter = '', ...args] = line
    .slice(2)
    .trim()
    .split(/[ \t]+/);
  if (interpreter === '') return;
  const through = baseOf(interpreter) === 'env' ? args.find((word) => !word.startsWith('-') && !word.includes('=')) : undefined;
  for (const name of through === undefined ? [interpreter] : [interpreter, through]) {
    const program = context.programPath(name);
    if (program !== undefined) {
      if (name === (through ?? interpreter) && depth < MAX_SCRIPTS && role === 'started')
        checkFile(context, program.path, program.entry, 'started', depth + 1);
      continue;
    }
    const found = context.programInStages(name);
    const cure = context.install(usualPackage(baseOf(name), context.packages.installer));
    context.add({
      rule: 'interpreter-missing',
      severity,
      path: shown(path),
      message: `its interpreter ${name} is not ${name.includes('/') ? 'there' : 'on PATH'}${broken(context, name)}`,
      ...(found.length === 0 ? {} : { found }),
      ...(cure === undefined ? {} : { cure }),
    });
    return;
  }
}

function broken(context: RuntimeContext, name: string): string {
  if (!name.includes('/')) return '';
  const entry = context.tree.lookup(treePath(name));
  return entry?.kind === 'symlink' && resolveInTree(context.tree, name) === undefined
    ? `: it is a symlink to ${fromBytePath(entry.link ?? '')}, which leads nowhere`
    : '';
}

/** Names of all libraries of an image, gathered when first asked for. */
const anywhere = new WeakMap<RuntimeContext, Set<string>>();

/** Whether a library is anywhere in the image: then somebody else may have loaded it first. */
function hasAnywhere(context: RuntimeContext, name: string): boolean {
  let known = anywhere.get(context);
  if (known === undefined) {
    known = new Set();
    for (const entry of walkTree(context.tree, '', 500_000)) if (entry.path.includes('.so')) known.add(baseOf(entry.path));
    anywhere.set(context, known);
  }
  return known.has(name);
}

/** Whether a program's own bytes have one of these texts. */
export function fileHas(context: RuntimeContext, entry: Entry, texts: readonly string[]): ReadonlySet<string> {
  return whereReadable(() => withFile(context.tree, entry, (read, size) => textsIn(read, size, texts))) ?? new Set();
}

const PACKAGES: Readonly<Record<string, readonly [deb: string, apk: string]>> = {
  'libz.so.1': ['zlib1g', 'zlib'],
  'libssl.so.3': ['libssl3', 'libssl3'],
  'libcrypto.so.3': ['libssl3', 'libcrypto3'],
  'libstdc++.so.6': ['libstdc++6', 'libstdc++'],
  'libgcc_s.so.1': ['libgcc-s1', 'libgcc'],
  'libgomp.so.1': ['libgomp1', 'libgomp'],
  'libatomic.so.1': ['libatomic1', 'libatomic'],
  'libpq.so.5': ['libpq5', 'libpq'],
  'libsqlite3.so.0': ['libsqlite3-0', 'sqlite-libs'],
  'libxml2.so.2': ['libxml2', 'libxml2'],
  'libcurl.so.4': ['libcurl4', 'libcurl'],
  'libffi.so.8': ['libffi8', 'libffi'],
  'libbz2.so.1.0': ['libbz2-1.0', 'libbz2'],
  'liblzma.so.5': ['liblzma5', 'xz-libs'],
  'libexpat.so.1': ['libexpat1', 'libexpat'],
  'libncursesw.so.6': ['libncursesw6', 'ncurses-libs'],
  'libtinfo.so.6': ['libtinfo6', 'ncurses-libs'],
  'libreadline.so.8': ['libreadline8', 'readline'],
  'libgmp.so.10': ['libgmp10', 'gmp'],
  'libyaml-0.so.2': ['libyaml-0-2', 'yaml'],
  'libzstd.so.1': ['libzstd1', 'zstd-libs'],
  bash: ['bash', 'bash'],
  python3: ['python3', 'python3'],
  python: ['python-is-python3', 'python3'],
  perl: ['perl', 'perl'],
  node: ['nodejs', 'nodejs'],
  ruby: ['ruby', 'ruby'],
  php: ['php-cli', 'php'],
  java: ['default-jre-headless', 'openjdk17-jre-headless'],
};

/** The package that has a well-known library or program. */
export function usualPackage(name: string, installer: string | undefined): string | undefined {
  const row = PACKAGES[name];
  return row === undefined ? undefined : installer === 'apk' ? row[1] : installer === 'apt-get' ? row[0] : undefined;
}
