// A mirror for each remote, kept between builds, and folders checked out of it.

import { closeSync, futimesSync, lstatSync, mkdirSync, openSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type BytePath, digestHex, digestOf, fsPath, type JobContext, SlipwayError, toBytePath } from '../base/index.ts';
import { tryLock } from '../sys/index.ts';
import type { GitCommand } from './git-command.ts';
import { fetchFailed, type GitFound, type GitWanted, mismatch, resolveGit } from './git-remote.ts';
import { shownUrl } from './http-file.ts';

/** What of the repository becomes the folder. */
export interface GitCheckout extends GitWanted {
  readonly subdir?: string;
  readonly submodules: boolean;
}

/** What was checked out. */
export interface CheckedOut {
  /** The folder, inside the given one. */
  readonly folder: string;
  readonly commit: string;
  /** Committer's time, seconds since the epoch. */
  readonly committedAt: number;
}

/** The mirror of one remote, held by this process until it is disposed. */
export interface GitMirror extends AsyncDisposable {
  readonly folder: string;
}

/** How a repository names its objects. */
export type ObjectFormat = 'sha1' | 'sha256';

/** The format that an object's name shows. */
export function objectFormat(object: string | undefined): ObjectFormat {
  return object?.length === 64 ? 'sha256' : 'sha1';
}

/** Opens the mirror of a remote below `root`, made if needed. Waits while another build uses it. */
export async function openMirror(
  git: GitCommand,
  root: string,
  remote: string,
  job: JobContext,
  format: ObjectFormat = 'sha1',
): Promise<GitMirror> {
  const folder = join(root, digestHex(digestOf(format === 'sha1' ? remote : `${remote} ${format}`)).slice(0, 32));
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const lock = openSync(`${folder}.lock`, 'a', 0o600);
  try {
    while (!tryLock(lock, 'exclusive')) await later(job.signal);
    const now = job.now();
    futimesSync(lock, now, now); // its last use, for collection
    if (!(await git.succeeds(['--git-dir', folder, 'rev-parse', '--is-bare-repository']))) {
      rmSync(folder, { recursive: true, force: true });
      await git.run(['init', '--quiet', '--bare', '--template=', `--object-format=${format}`, folder]);
      await git.run(['--git-dir', folder, 'remote', 'add', 'origin', remote]);
    }
    // Left by a killed fetch.
    for (const name of ['shallow.lock', 'index.lock', 'config.lock']) rmSync(join(folder, name), { force: true });
  } catch (error) {
    closeSync(lock);
    throw error;
  }
  return {
    folder,
    [Symbol.asyncDispose]: () => {
      closeSync(lock);
      return Promise.resolve();
    },
  };
}

/** Makes sure that the mirror has the commit; resolves a commit's prefix. Throws `GIT_REF`, `GIT_CHECKSUM`, `GIT_FAILED`. */
export async function fetchCommit(git: GitCommand, mirror: GitMirror, wanted: GitWanted, found: GitFound | undefined): Promise<GitFound> {
  const run = (...args: readonly string[]): Promise<string> => git.run(['--git-dir', mirror.folder, ...args]);
  const has = (object: string): Promise<boolean> => git.succeeds(['--git-dir', mirror.folder, 'cat-file', '-e', `${object}^{commit}`]);
  try {
    if (found === undefined) {
      const ref = wanted.ref ?? 'HEAD';
      await fetchAll(git, mirror);
      const commit = await run('rev-parse', '--verify', '--quiet', `${ref}^{commit}`).catch(() => '');
      if (commit === '') throw new SlipwayError('GIT_REF', `repository does not contain ref ${ref}: ${shownUrl(wanted.remote)}`);
      found = { ref: undefined, object: commit.trim(), commit: commit.trim() };
    } else if (!(await has(found.object))) {
      // By its name first: old servers refuse to give a commit that is not the tip of something.
      const shallow = ['fetch', '--quiet', '--no-tags', '--depth=1', '--force', 'origin'];
      const byName = found.ref !== undefined && wanted.fetchByCommit !== true && (await succeeds(run(...shallow, found.ref)));
      if (!(byName && (await has(found.object)))) {
        const byCommit = await succeeds(run(...shallow, found.object));
        if (!(byCommit && (await has(found.object)))) await fetchAll(git, mirror);
      }
      if (!(await has(found.object))) {
        throw new SlipwayError('GIT_REF', `commit ${found.object} can not be found in the repository ${shownUrl(wanted.remote)}`);
      }
    }
  } catch (error) {
    throw fetchFailed(wanted.remote, error);
  }
  const commit = (await run('rev-parse', '--verify', `${found.object}^{commit}`)).trim();
  const { checksum } = wanted;
  if (checksum !== undefined && !found.object.startsWith(checksum) && !commit.startsWith(checksum)) throw mismatch(checksum, commit);
  return { ...found, commit };
}

async function fetchAll(git: GitCommand, mirror: GitMirror): Promise<void> {
  const shallow = isThere(join(mirror.folder, 'shallow')) ? ['--unshallow'] : [];
  await git.run([
    '--git-dir',
    mirror.folder,
    'fetch',
    '--quiet',
    '--force',
    '--tags',
    ...shallow,
    'origin',
    '+refs/heads/*:refs/heads/*',
    '+HEAD:refs/slipway/head',
  ]);
}

/** Checks a fetched commit out below `into`, an empty folder. */
export async function checkOut(
  git: GitCommand,
  mirror: GitMirror,
  wanted: GitCheckout,
  found: GitFound,
  into: string,
): Promise<CheckedOut> {
  const tree = join(into, 'tree');
  mkdirSync(tree, { mode: 0o755 });
  const subdir = (wanted.subdir ?? '').split('/').filter((part) => part !== '' && part !== '.');
  const keep = wanted.keepGitDir && subdir.length === 0;
  if (keep) await cloneInto(git, mirror, wanted, found, tree);
  else {
    await git.run(['--git-dir', mirror.folder, '--work-tree', tree, 'checkout', '--quiet', '--force', found.commit, '--', '.'], {
      cwd: tree,
      env: { GIT_INDEX_FILE: join(into, 'index') },
    });
  }
  if (wanted.submodules && isThere(join(tree, '.gitmodules'))) {
    await updateSubmodules(git, mirror, wanted, found, keep ? tree : into, tree);
  }
  const committed = await git.run(['--git-dir', mirror.folder, 'log', '-1', '--format=%ct', found.commit]);
  return { folder: directoryBelow(tree, subdir), commit: found.commit, committedAt: Number(committed.trim()) };
}

/** A small clone with the one commit in it, as the user's own git would see it. */
async function cloneInto(git: GitCommand, mirror: GitMirror, wanted: GitCheckout, found: GitFound, tree: string): Promise<void> {
  const name = `refs/slipway/${found.object}`;
  await git.run(['--git-dir', mirror.folder, 'update-ref', name, found.object]);
  const inTree = { cwd: tree };
  await git.run(['init', '--quiet', '--template=', `--object-format=${objectFormat(found.object)}`, tree]);
  await git.run(['remote', 'add', 'origin', `file://${mirror.folder}`], inTree);
  await git.run(
    ['fetch', '--quiet', '--update-head-ok', '--no-tags', '--depth=1', 'origin', found.ref === undefined ? name : `+${name}:${found.ref}`],
    inTree,
  );
  await git.run(['checkout', '--quiet', '--force', '--detach', 'FETCH_HEAD'], inTree);
  await git.run(['remote', 'set-url', 'origin', shownUrl(wanted.remote)], inTree);
  await git.run(['reflog', 'expire', '--all', '--expire=now'], inTree);
  rmSync(join(tree, '.git/FETCH_HEAD'), { force: true });
}

/** Without a `.git` of its own the tree gets a passing one: submodules need it. */
async function updateSubmodules(
  git: GitCommand,
  mirror: GitMirror,
  wanted: GitCheckout,
  found: GitFound,
  holder: string,
  tree: string,
): Promise<void> {
  const passing = holder !== tree;
  if (passing) await cloneIntoPassing(git, mirror, found, holder, tree);
  const gitDir = passing ? join(holder, 'git') : join(tree, '.git');
  // Relative submodule addresses are meant from the remote.
  await git.run(['--git-dir', gitDir, 'config', 'remote.origin.url', wanted.remote]);
  const env = { GIT_DIR: gitDir, GIT_WORK_TREE: tree };
  const update = ['submodule', '--quiet', 'update', '--init', '--recursive'];
  try {
    // A server of plain files has no part of a history to give.
    const shallow = await succeeds(git.run([...update, '--depth=1'], { cwd: tree, env }));
    if (!shallow) await git.run(update, { cwd: tree, env });
  } catch (error) {
    throw fetchFailed(wanted.remote, error);
  }
  if (passing) removeGitFiles(toBytePath(tree));
  else await git.run(['remote', 'set-url', 'origin', shownUrl(wanted.remote)], { cwd: tree });
}

async function cloneIntoPassing(git: GitCommand, mirror: GitMirror, found: GitFound, holder: string, tree: string): Promise<void> {
  const gitDir = join(holder, 'git');
  await git.run(['--git-dir', mirror.folder, 'update-ref', `refs/slipway/${found.object}`, found.object]);
  await git.run(['init', '--quiet', '--bare', '--template=', `--object-format=${objectFormat(found.object)}`, gitDir]);
  const env = { GIT_DIR: gitDir, GIT_WORK_TREE: tree };
  await git.run(['config', 'core.bare', 'false'], { env });
  await git.run(['remote', 'add', 'origin', `file://${mirror.folder}`], { env });
  await git.run(['fetch', '--quiet', '--no-tags', '--depth=1', 'origin', `refs/slipway/${found.object}`], { env });
  await git.run(['update-ref', '--no-deref', 'HEAD', found.commit], { env });
  await git.run(['read-tree', 'HEAD'], { cwd: tree, env });
}

/** Submodules leave a file `.git` that points at a place nobody else has. */
function removeGitFiles(folder: BytePath): void {
  for (const entry of readdirSync(fsPath(folder), { withFileTypes: true, encoding: 'latin1' })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) removeGitFiles(path);
    else if (entry.name === '.git') rmSync(fsPath(path));
  }
}

/** A directory of the checkout, each component of which is a directory: symlinks could lead out. */
function directoryBelow(tree: string, parts: readonly string[]): string {
  let path = tree;
  for (const part of parts) {
    path = join(path, part);
    const isDirectory = part !== '..' && lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
    if (!isDirectory) {
      throw new SlipwayError('GIT_SUBDIR', `invalid subdir ${JSON.stringify(parts.join('/'))}: no such directory in the repository`, {
        facts: { subdir: parts.join('/') },
      });
    }
  }
  return path;
}

/** Resolves a ref, fetching only if nothing less tells. */
export async function findCommit(git: GitCommand, root: string, wanted: GitWanted, job: JobContext): Promise<GitFound> {
  const found = await resolveGit(git, wanted);
  if (found !== undefined) return found;
  // Only a fetch can tell what a prefix means; which kind of names there are, the remote's HEAD shows.
  const format = objectFormat((await resolveGit(git, { remote: wanted.remote, keepGitDir: false }).catch(() => undefined))?.object);
  await using mirror = await openMirror(git, root, wanted.remote, job, format);
  return await fetchCommit(git, mirror, wanted, found);
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

async function succeeds(work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (error instanceof SlipwayError && error.code === 'GIT_FAILED') return false;
    throw error;
  }
}

function later(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, 50);
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', stop, { once: true });
  });
}
