// Whether an image has what its programs need to start. Files are read, never run.

import { baseName, type BytePath, parentPath, suggest, toBytePath } from '../base/index.ts';
import type { Entry, Tree } from '../layer/index.ts';
import type { ImageConfig } from '../oci/index.ts';
import { checkFile } from './check-program.ts';
import { innerCommand, type Started, startedBy } from './command-line.ts';
import { copyWithMode, type Cure, cureOf, programCure } from './cures.ts';
import { type Finding, sortFindings } from './finding.ts';
import { checkInterpreted } from './language-runtimes.ts';
import type { LoadedFile } from './library-search.ts';
import { isLibrary, RuntimeContext, type RuntimeOptions, shown, whereReadable } from './runtime-context.ts';
import { checkSurroundings } from './surroundings.ts';
import { fileAt, resolveInTree, treePath } from './tree-files.ts';
import { closedDirectory, mayUse } from './user.ts';

const MAX_INNER = 4;
const KEYWORDS = { entrypoint: 'ENTRYPOINT', command: 'CMD', 'health check': 'HEALTHCHECK' } as const;

/**
 * All findings of one platform's image. `stages` say where what is missing does exist; `origin` who made a path: with it only the
 * build's own files are looked at (and what is started). Broken and hostile files give findings, never exceptions.
 */
export function checkRuntime(tree: Tree, config: ImageConfig, options: RuntimeOptions = {}): readonly Finding[] {
  const context = new RuntimeContext(tree, config, options);
  checkUser(context);
  const programs: { readonly path: BytePath; readonly loaded: readonly LoadedFile[] }[] = [];
  const checked = new Set<BytePath>();
  const seen = (path: BytePath, entry: Entry): void => {
    checked.add(entry.path);
    const elf = whereReadable(() => context.search.elf(entry));
    if (elf === undefined) return;
    const loaded = whereReadable(() => context.search.load({ entry, elf }, context.libraryPath).loaded);
    programs.push({ path, loaded: loaded ?? [{ entry, elf }] });
  };
  for (const started of startedBy(context.config)) checkStarted(context, started, seen);
  for (const entry of ownPrograms(context)) {
    if (checked.has(entry.path)) continue;
    const library = isLibrary(entry.path);
    if (library && programs.some(({ loaded }) => loaded.some((file) => file.entry.path === entry.path))) continue;
    checkFile(context, entry.path, entry, library ? 'library' : 'program');
  }
  checkSurroundings(context, programs);
  return sortFindings(context.findings);
}

function checkUser(context: RuntimeContext): void {
  const { user, config, workdir, tree } = context;
  if (user.problem !== undefined) {
    context.add({
      rule: 'user-unknown',
      severity: 'error',
      instruction: 'USER',
      message: `USER ${config.User ?? ''}: ${user.problem}; the image does not start`,
      ...cureOf([
        {
          line: `USER ${user.problem.startsWith('group') ? `${(config.User ?? '').split(':')[0] ?? ''}:65532` : '65532:65532'}`,
          replaces: 'USER',
        },
      ]),
    });
  }
  if (workdir === '') return;
  const entry = resolveInTree(tree, workdir);
  if (entry === undefined) return;
  if (entry.kind !== 'dir') {
    context.add({
      rule: 'workdir',
      severity: 'error',
      instruction: 'WORKDIR',
      path: shown(workdir),
      message: 'WORKDIR is not a directory: the image does not start',
    });
  } else if (user.problem === undefined && !mayUse(user, entry, 1)) {
    context.add({
      rule: 'workdir',
      // Runtimes enter it before they give up their rights: the program starts there, and can open nothing by a relative path.
      severity: 'warning',
      instruction: 'WORKDIR',
      path: shown(workdir),
      message: `WORKDIR may not be entered by user ${config.User ?? ''}: relative paths lead nowhere for it`,
      cure: 'give it another mode, or the user to it: --chmod=755 or --chown where it is made',
      ...modeEdits(context, entry.path),
    });
  }
}

function checkStarted(context: RuntimeContext, started: Started, seen: (path: BytePath, entry: Entry) => void): void {
  const severity = started.what === 'health check' ? 'warning' : 'error';
  if (started.shell !== undefined && context.program(started.shell) === undefined) {
    context.add({
      rule: 'shell-missing',
      severity,
      instruction: KEYWORDS[started.what],
      path: shown(treePath(toBytePath(started.shell))),
      message: `the ${started.what} is in the shell form, and the image has no ${started.shell}`,
      ...shellCure(context, started),
    });
  }
  let args: readonly string[] | undefined = started.args;
  for (let depth = 0; args !== undefined && args[0] !== undefined && depth < MAX_INNER; depth += 1) {
    const name: string = args[0];
    const found = context.programPath(name);
    if (found === undefined) {
      reportAbsent(context, started, name, severity);
      return;
    }
    if (!checkUsable(context, started, found.path, found.entry)) return;
    checkFile(context, found.path, found.entry, 'started', 0, started.shell === undefined);
    seen(found.path, found.entry);
    checkInterpreted(context, args, found.entry.path);
    args = innerCommand(args);
  }
}

/** The exec form where the words are plain; else the shell. */
function shellCure(context: RuntimeContext, { what, args, plain = false, shell = '' }: Started): Cure {
  if (!plain) return programCure(context, shell);
  const form = JSON.stringify(args);
  const found = context.programInStages(shell);
  if (what === 'health check') return cureOf([{ line: `HEALTHCHECK CMD ${form}`, replaces: 'HEALTHCHECK' }], found);
  const keyword = what === 'entrypoint' ? 'ENTRYPOINT' : 'CMD';
  return cureOf([{ line: `${keyword} ${form}`, replaces: keyword }], found);
}

function reportAbsent(context: RuntimeContext, { what, shell }: Started, name: string, severity: Finding['severity']): void {
  const path = name.includes('/') ? treePath(toBytePath(name), context.workdir) : undefined;
  const there = path === undefined ? undefined : resolveInTree(context.tree, path);
  const link = path === undefined ? undefined : context.tree.lookup(path);
  const message =
    there?.kind === 'dir'
      ? `the ${what} is a directory`
      : link?.kind === 'symlink'
        ? `the ${what} is a symlink to ${link.link ?? ''}, which leads nowhere`
        : `the ${what} ${name} is not ${path === undefined ? 'on PATH' : 'there'}`;
  const near = path === undefined || there !== undefined || link !== undefined ? undefined : nearPath(context, path);
  context.add({
    rule: 'program-missing',
    instruction: KEYWORDS[what],
    // A shell may know the word itself.
    severity: shell !== undefined && severity === 'error' && path === undefined ? 'warning' : severity,
    ...(path === undefined ? {} : { path: shown(path) }),
    message: near === undefined ? message : `${message}: did you mean ${near}?`,
    ...absentCure(context, what, name, link),
  });
}

/** A path of the same folder with nearly that name. */
function nearPath({ tree }: RuntimeContext, path: BytePath): string | undefined {
  const folder = parentPath(path);
  const near = suggest(baseName(path), tree.list(folder).slice(0, 2000));
  return near === undefined ? undefined : shown(treePath(near, folder));
}

/** Another place in the image, what a link leads to, or the program itself from where it is. */
function absentCure(context: RuntimeContext, what: string, name: string, link: Entry | undefined): Cure {
  const real = link?.kind === 'symlink' ? lastTarget(context, link) : undefined;
  if (real !== undefined) return programCure(context, real);
  const place = context.ownFiles().find(({ path, mode }) => baseName(path) === baseName(name) && (mode & 0o111) !== 0);
  const keyword = what === 'entrypoint' ? 'ENTRYPOINT' : 'CMD';
  const words = (keyword === 'ENTRYPOINT' ? context.config.Entrypoint : context.config.Cmd) ?? [];
  if (place === undefined || words[0] !== name) return programCure(context, name);
  return cureOf([{ line: `${keyword} ${JSON.stringify([shown(place.path), ...words.slice(1)])}`, replaces: keyword }]);
}

/** Where the links of a path end, in names: the path that is not there. */
function lastTarget(context: RuntimeContext, link: Entry): string | undefined {
  let entry: Entry | undefined = link;
  let path: string | undefined;
  for (let count = 0; entry?.kind === 'symlink' && count < 40; count += 1) {
    path = treePath(entry.link ?? '', parentPath(entry.path));
    entry = context.tree.lookup(path);
  }
  return path === undefined ? undefined : `/${path}`;
}

/** Whether the user may start it; says what is in the way. */
function checkUsable(context: RuntimeContext, { what }: Started, path: BytePath, entry: Entry): boolean {
  const { user, config } = context;
  if ((entry.mode & 0o111) === 0) {
    context.add({
      rule: 'not-executable',
      severity: 'error',
      path: shown(path),
      message: `the ${what} has no execute permission: starting it says "permission denied"`,
      cure: 'add --chmod=755 to the COPY that brings it',
      ...modeEdits(context, entry.path),
    });
    return false;
  }
  if (user.problem !== undefined || user.uid === 0) return true;
  const closed = closedDirectory(context.tree, user, entry.path);
  if (closed !== undefined) {
    context.add({
      rule: 'not-permitted',
      severity: 'error',
      path: shown(path),
      message: `user ${config.User ?? ''} may not enter ${shown(closed.path)}`,
      cure: 'add --chmod=755 or --chown to the COPY that brings it',
      ...modeEdits(context, closed.path, entry.path),
    });
    return false;
  }
  // Runtimes start programs with the capabilities of the container: CAP_DAC_OVERRIDE is one where nobody dropped it.
  if (!mayUse(user, entry, 1))
    context.add({
      rule: 'not-permitted',
      severity: 'info',
      path: shown(path),
      message: `user ${config.User ?? ''} has no permission to execute it: it starts only where the container keeps CAP_DAC_OVERRIDE`,
      cure: 'add --chmod=755 or --chown to the COPY that brings it',
      ...modeEdits(context, entry.path),
    });
  return true;
}

function modeEdits(context: RuntimeContext, ...paths: readonly BytePath[]): Pick<Finding, 'edits'> {
  const edits = paths.flatMap((path) => copyWithMode(context, path, '755') ?? []);
  return edits.length === 0 ? {} : { edits };
}

/** Executables and libraries that are the build's own work. */
function ownPrograms(context: RuntimeContext): readonly Entry[] {
  return context
    .ownFiles()
    .filter(({ size, mode, path }) => size >= 4 && ((mode & 0o111) !== 0 || isLibrary(path)) && !/\.(debug|o|a|ko)$/.test(path));
}

/** Whether every program that the image starts is a static one: then nothing of a base is needed but data files. */
export function startsOnlyStatic(tree: Tree, config: ImageConfig): boolean {
  const context = new RuntimeContext(tree, config, {});
  const started = startedBy(context.config);
  return (
    started.length > 0 &&
    started.every(({ shell, args }) => {
      const name = args[0];
      const entry = name === undefined || shell !== undefined ? undefined : context.program(name);
      const elf = entry === undefined ? undefined : whereReadable(() => context.search.elf(entry));
      return elf !== undefined && elf.interpreter === undefined && elf.needed.length === 0 && fileAt(tree, entry?.path ?? '') !== undefined;
    })
  );
}
