// Whether an image has what its programs need to start. Files are read, never run.

import { type BytePath, toBytePath } from '../base/index.ts';
import type { Entry, Tree } from '../layer/index.ts';
import type { ImageConfig } from '../oci/index.ts';
import { checkFile } from './check-program.ts';
import { innerCommand, type Started, startedBy } from './command-line.ts';
import { type Finding, sortFindings } from './finding.ts';
import { checkInterpreted } from './language-runtimes.ts';
import type { LoadedFile } from './library-search.ts';
import { copyLine, RuntimeContext, type RuntimeOptions, shown, whereReadable } from './runtime-context.ts';
import { checkSurroundings } from './surroundings.ts';
import { baseOf, fileAt, resolveInTree, treePath, walkTree } from './tree-files.ts';
import { closedDirectory, mayUse } from './user.ts';

/** Files looked at beside what is started. */
const MAX_WALK = 500_000;
const MAX_INNER = 4;

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
      message: `USER ${config.User ?? ''}: ${user.problem}; the image does not start`,
      cure: `USER ${user.problem.startsWith('group') ? `${(config.User ?? '').split(':')[0] ?? ''}:65532` : '65532:65532'}`,
    });
  }
  if (workdir === '') return;
  const entry = resolveInTree(tree, workdir);
  if (entry === undefined) return;
  if (entry.kind !== 'dir') {
    context.add({
      rule: 'workdir',
      severity: 'error',
      path: shown(workdir),
      message: 'WORKDIR is not a directory: the image does not start',
    });
  } else if (user.problem === undefined && !mayUse(user, entry, 1)) {
    context.add({
      rule: 'workdir',
      severity: 'error',
      path: shown(workdir),
      message: `WORKDIR may not be entered by user ${config.User ?? ''}`,
    });
  }
}

function checkStarted(context: RuntimeContext, started: Started, seen: (path: BytePath, entry: Entry) => void): void {
  const severity = started.what === 'health check' ? 'warning' : 'error';
  if (started.shell !== undefined && context.program(started.shell) === undefined) {
    const plain = started.args.length > 0;
    context.add({
      rule: 'shell-missing',
      severity,
      path: shown(treePath(toBytePath(started.shell))),
      message: `the ${started.what} is in the shell form, and the image has no ${started.shell}`,
      ...(plain ? { cure: `${keyword(started.what)} ${JSON.stringify(started.args)}` } : {}),
      ...foundMember(context.programInStages(started.shell)),
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
    checkFile(context, found.path, found.entry, 'started');
    seen(found.path, found.entry);
    checkInterpreted(context, args, found.entry.path);
    args = innerCommand(args);
  }
}

function keyword(what: string): string {
  return what === 'health check' ? 'HEALTHCHECK CMD' : what === 'entrypoint' ? 'ENTRYPOINT' : 'CMD';
}

function foundMember(found: Finding['found']): { readonly found?: NonNullable<Finding['found']> } {
  return found === undefined || found.length === 0 ? {} : { found };
}

function reportAbsent(context: RuntimeContext, { what, shell }: Started, name: string, severity: Finding['severity']): void {
  const path = name.includes('/') ? treePath(toBytePath(name), context.workdir) : undefined;
  const there = path === undefined ? undefined : resolveInTree(context.tree, path);
  const link = path === undefined ? undefined : context.tree.lookup(path);
  const found = context.programInStages(name);
  const first = found[0];
  const message =
    there?.kind === 'dir'
      ? `the ${what} is a directory`
      : link?.kind === 'symlink'
        ? `the ${what} is a symlink to ${link.link ?? ''}, which leads nowhere`
        : `the ${what} ${name} is not ${path === undefined ? 'on PATH' : 'there'}`;
  context.add({
    rule: 'program-missing',
    // A shell may know the word itself.
    severity: shell !== undefined && severity === 'error' && path === undefined ? 'warning' : severity,
    ...(path === undefined ? {} : { path: shown(path) }),
    message,
    ...foundMember(found),
    ...(first === undefined
      ? {}
      : { cure: copyLine(first.stage, first.path, path === undefined ? `/usr/local/bin/${name}` : shown(path)) }),
  });
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
    });
    return false;
  }
  if (user.problem !== undefined || user.uid === 0) return true;
  const closed = closedDirectory(context.tree, user, entry.path);
  if (closed !== undefined || !mayUse(user, entry, 1)) {
    context.add({
      rule: 'not-permitted',
      severity: 'error',
      path: shown(path),
      message: `user ${config.User ?? ''} may not ${closed === undefined ? 'execute it' : `enter ${shown(closed.path)}`}`,
      cure: 'add --chmod=755 or --chown to the COPY that brings it',
    });
    return false;
  }
  return true;
}

/** Executables and libraries that are the build's own work. */
function* ownPrograms(context: RuntimeContext): Generator<Entry> {
  const { tree, paths } = context;
  const entries = paths === undefined ? walkTree(tree, '', MAX_WALK) : paths.flatMap((path) => tree.lookup(path) ?? []);
  for (const entry of entries) {
    if (entry.kind !== 'file' || entry.size < 4) continue;
    if ((entry.mode & 0o111) === 0 && !isLibrary(entry.path)) continue;
    if (/^(proc|sys|dev)\//.test(entry.path) || /\.(debug|o|a|ko)$/.test(entry.path)) continue;
    if (context.isOwn(entry.path)) yield entry;
  }
}

function isLibrary(path: BytePath): boolean {
  return /\.so(\.\d+)*$/.test(baseOf(path));
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
