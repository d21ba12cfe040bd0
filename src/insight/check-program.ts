// One file that will be started or loaded: its loader, libraries, versions, interpreter.

import { baseName, type BytePath, digestHex, digestOf, fromBytePath, parentPath } from '../base/index.ts';
import type { Entry } from '../layer/index.ts';
import { libraryNames, textsIn } from './byte-search.ts';
import type { ElfFile } from './elf.ts';
import { type Cure, cureOf, otherBase, programCure } from './cures.ts';
import type { Finding, FoundAt } from './finding.ts';
import { checkReadable } from './readable.ts';
import { checkCommands } from './script-commands.ts';
import type { LoadedFile, LoadResult, MissingLibrary } from './library-search.ts';
import { copyLine, type RuntimeContext, shown, whereReadable } from './runtime-context.ts';
import { fileAt, headOf, resolveInTree, textAt, treePath, walkTree, withFile } from './tree-files.ts';
import { usualPackage } from './usual-packages.ts';

/** How much a failure of the file matters. */
export type Role = 'started' | 'program' | 'library';

const LOADER = /^ld(64)?(-linux[\w-]*)?\.so\.\d|^ld-musl-/;

/** Interpreters that call interpreters: more is a loop. */
const MAX_SCRIPTS = 5;

/**
 * Checks a file of the image by what its first bytes say. What is neither ELF nor a script is left alone, unless the kernel is to start
 * it: `direct`; a shell runs such a file itself.
 */
export function checkFile(context: RuntimeContext, path: BytePath, entry: Entry, role: Role, depth = 0, direct = true): void {
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
    } else if (head.toString('latin1', 0, 2) === '#!') {
      if (role === 'started') checkReadable(context, path, entry);
      checkScript(context, path, head, role, depth);
    } else if (role === 'started' && head.length === 0)
      context.add({
        rule: 'program-broken',
        severity: 'error',
        path: shown(path),
        message: 'it is empty: starting it does nothing or fails',
      });
    else if (role === 'started' && depth === 0 && direct)
      context.add({
        rule: 'program-broken',
        severity: 'error',
        path: shown(path),
        message: 'it is neither a program nor a script with an interpreter in its first line (#!): starting it says "exec format error"',
        ...scriptCure(context, path, head),
      });
  });
}

/** A shell script without its first line: the interpreter is named where it is started. */
function scriptCure(context: RuntimeContext, path: BytePath, head: Buffer): Cure {
  if (head.includes(0)) return {};
  const shell = context.program('/bin/sh') === undefined ? programCure(context, '/bin/sh') : {};
  const keyword = (context.config.Entrypoint ?? []).length > 0 ? 'ENTRYPOINT' : 'CMD';
  const words = (keyword === 'ENTRYPOINT' ? context.config.Entrypoint : context.config.Cmd) ?? [];
  const start = { line: `${keyword} ${JSON.stringify(['/bin/sh', shown(path), ...words.slice(1)])}`, replaces: keyword } as const;
  return cureOf([start, ...(shell.edits ?? [])], shell.found);
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
  const reported = new Set<string>();
  for (const missing of result.missing) {
    if (role === 'library' && hasAnywhere(context, missing.name)) continue;
    reportMissing(context, path, file, missing, result, severity, reported);
  }
  reportVersions(context, path, result, severity);
  if (role !== 'library') reportOpened(context, path, file, result);
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
  // The loader is a library too: whoever loads this one has loaded that already.
  if (reported.has(missing.name) || LOADER.test(missing.name)) return;
  reported.add(missing.name);
  const places = librariesInStages(context, missing, program);
  const found = places.map(({ found }) => found);
  const target = targetOf(missing, result, found[0]);
  const unlisted = unlistedLibrary(context, missing, result);
  const cure =
    copyFrom(found[0], target) ??
    context.install(found.find((place) => place.package !== undefined)?.package ?? usualPackage(missing.name, context.packages.installer));
  const by = missing.by.entry.path === program.entry.path ? '' : ` (for ${shown(missing.by.entry.path)})`;
  context.add({
    rule: 'library-missing',
    severity,
    path: shown(path),
    message: `it needs ${fromBytePath(missing.name)}${by}, which its loader does not find${missing.otherMachine === undefined ? '' : `: the one there is for ${missing.otherMachine}`}${unlisted === undefined ? '' : `: ${shown(unlisted.path)} is not in the loader's cache`}`,
    ...(unlisted === undefined
      ? { ...(found.length === 0 ? {} : { found }), ...(cure === undefined ? {} : { cure }) }
      : cureOf([{ line: unlisted.cure }])),
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

/** A library that lies where `ldconfig` looks (`/usr/local/lib`), in an image whose cache was made before it came. */
function unlistedLibrary(
  { tree, search }: RuntimeContext,
  { name, by }: MissingLibrary,
  { libc }: LoadResult,
): { readonly path: BytePath; readonly cure: string } | undefined {
  if (libc !== 'glibc' || name.includes('/')) return undefined;
  const files = ['etc/ld.so.conf', ...tree.list('etc/ld.so.conf.d').map((file) => `etc/ld.so.conf.d/${file}`)];
  const folders = files.flatMap((file) => (textAt(tree, file, 1 << 16) ?? '').split('\n').filter((line) => line.startsWith('/')));
  for (const folder of ['/usr/local/lib', ...folders]) {
    const entry = fileAt(tree, treePath(`${folder.trim()}/${name}`));
    const elf = entry === undefined ? undefined : search.elf(entry);
    if (entry === undefined || elf === undefined || elf.machine !== by.elf.machine) continue;
    const listed = folders.includes(folder) && (fileAt(tree, 'sbin/ldconfig') ?? fileAt(tree, 'usr/sbin/ldconfig')) !== undefined;
    return { path: entry.path, cure: listed ? 'RUN ldconfig' : `ENV LD_LIBRARY_PATH=${folder.trim()}` };
  }
  return undefined;
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
  const own = found === undefined ? undefined : `/${parentPath(treePath(found.path))}`;
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
      ...newerCure(context, version, library),
    });
  }
}

/** A stage whose library has the version: the library itself when this build brought the old one, else the stage's release as base. */
function newerCure(context: RuntimeContext, version: string, library: LoadedFile): Cure {
  const name = library.elf.soname ?? baseName(library.entry.path);
  for (const stage of context.stages) {
    const place = whereReadable(() => stage.search.locate(name, library));
    if (place === undefined || !place.file.elf.versionDefs.has(version)) continue;
    const found = [context.foundAt(stage, treePath(place.path))];
    const line = context.lineOf(library.entry.path) === undefined ? undefined : copyFrom(found[0], `/${library.entry.path}`);
    return cureOf(line === undefined ? otherBase(context, stage) : [{ line }], found);
  }
  return {};
}

function compareDotted(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

/** Libraries that a program names and may open itself. */
function reportOpened(context: RuntimeContext, path: BytePath, file: LoadedFile, result: LoadResult): void {
  if (!file.elf.mentions.has('dlopen')) return;
  const names = withFile(context.tree, file.entry, (read, size) => libraryNames(read, size));
  const known = new Set([...file.elf.needed, ...result.loaded.map(({ entry }) => baseName(entry.path))]);
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
      ...(context.program('sed') === undefined || context.program('/bin/sh') === undefined
        ? {}
        : cureOf([{ line: `RUN sed -i 's/\\r$//' ${shown(path)}` }])),
    });
    return;
  }
  const [interpreter = '', ...args] = line
    .slice(2)
    .trim()
    .split(/[ \t]+/);
  if (interpreter === '') return;
  const through = baseName(interpreter) === 'env' ? args.find((word) => !word.startsWith('-') && !word.includes('=')) : undefined;
  for (const name of through === undefined ? [interpreter] : [interpreter, through]) {
    const program = context.programPath(name);
    if (program !== undefined) {
      if (name === (through ?? interpreter) && depth < MAX_SCRIPTS && role === 'started')
        checkFile(context, program.path, program.entry, 'started', depth + 1);
      continue;
    }
    context.add({
      rule: 'interpreter-missing',
      severity,
      path: shown(path),
      message: `its interpreter ${name} is not ${name.includes('/') ? 'there' : 'on PATH'}${broken(context, name)}`,
      ...programCure(context, name),
    });
    // `env` alone would be of no use: what it looks for is told too.
    if (name === through || through === undefined) break;
  }
  if (role === 'started' && /^(ba|da|a|k)?sh$/.test(baseName(through ?? interpreter))) checkCommands(context, path);
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
    for (const entry of walkTree(context.tree, '', 500_000)) if (entry.path.includes('.so')) known.add(baseName(entry.path));
    anywhere.set(context, known);
  }
  return known.has(name);
}

/** Which of these texts a program's own bytes have. What was found in such bytes before is remembered. */
export function fileHas(context: RuntimeContext, entry: Entry, texts: readonly string[]): ReadonlySet<string> {
  return (
    whereReadable(() => {
      const name = digestHex(digestOf(JSON.stringify([context.tree.digest(entry), texts])));
      const known = context.texts.get(name);
      if (known !== undefined) return new Set(known);
      const found = withFile(context.tree, entry, (read, size) => textsIn(read, size, texts));
      context.texts.set(name, [...found]);
      return found;
    }) ?? new Set()
  );
}
