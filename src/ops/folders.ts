// The user's folders of one build as trees: each looked at once, ignore patterns applied, digests remembered between builds.

import { utimesSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalJson, digestHex, digestOf, errnoOf, type JobContext, SlipwayError } from '../base/index.ts';
import { type DirectoryMatch, PatternMatcher } from '../dockerfile/index.ts';
import type { FolderRef } from '../snapshot/index.ts';
import { FileDigester, type FileSpool, type FolderFilter, FolderTree, rememberStats, StatCache } from '../source/index.ts';

/** Trees over user folders, shared by the ops of one build. */
export class FolderTrees {
  readonly #stateFolder: string;
  readonly #spool: FileSpool | undefined;
  readonly #open = new Map<string, { readonly tree: FolderTree; readonly cache: StatCache; readonly file: string; learnt: boolean }>();

  /** `stateFolder` keeps the stat caches; `spool` what was read, until the build ends. */
  constructor(stateFolder: string, spool?: FileSpool) {
    this.#stateFolder = stateFolder;
    this.#spool = spool;
  }

  /** The folder's tree as this build sees it. */
  tree(folder: FolderRef, job: JobContext): FolderTree {
    return this.#opened(folder, job).tree;
  }

  /**
   * Hashes files of a folder: those that `find` adds while it looks through the tree. Gives what it found, and whether a file had to be
   * read. `vertex`: the step that progress belongs to; `owner`: who likely owns the files in its layer.
   */
  async digest<T>(
    folder: FolderRef,
    { vertex, owner }: { readonly vertex: string | undefined; readonly owner: { readonly uid: number; readonly gid: number } | undefined },
    find: (files: FileDigester) => T,
    job: JobContext,
  ): Promise<{ readonly found: T; readonly read: boolean }> {
    const { tree } = this.#opened(folder, job);
    const onFiles = (current: number, total: number): void => {
      if (vertex === undefined) return;
      const time = job.now().getTime();
      job.progress({ type: 'status', id: vertex, status: 'reading files', current, total, unit: 'files', done: current === total, time });
    };
    const spool = this.#spool === undefined ? {} : { spool: this.#spool };
    await using digester = new FileDigester(tree, job, { onFiles, ...spool, ...(owner === undefined ? {} : { owner }) });
    const found = find(digester);
    if (!digester.isEmpty) await digester.finish();
    return { found, read: !digester.isEmpty };
  }

  /** Something was learnt of a folder that is worth being kept for the next build (`keep`). */
  learn(folder: FolderRef, job: JobContext): void {
    this.#opened(folder, job).learnt = true;
  }

  /** Keeps what was learnt. Megabytes are written: when nothing waits for this thread. */
  keep(): void {
    for (const opened of this.#open.values()) {
      if (opened.learnt) rememberStats(opened.file, opened.tree, opened.cache);
      opened.learnt = false;
    }
  }

  /** Looks anew at the folder from now on: something in it changed. */
  forget(folder: FolderRef): void {
    this.#open.delete(keyOf(folder));
  }

  #opened(
    folder: FolderRef,
    job: JobContext,
  ): { readonly tree: FolderTree; readonly cache: StatCache; readonly file: string; learnt: boolean } {
    const key = keyOf(folder);
    let opened = this.#open.get(key);
    if (opened === undefined) {
      const file = join(this.#stateFolder, `${digestHex(digestOf(folder.path)).slice(0, 32)}.stat`);
      const cache = StatCache.read(file);
      markUsed(file, job.now());
      const tree = new FolderTree(folder.path, { filter: folderFilter(folder), cache, now: job.now });
      this.#open.set(key, (opened = { tree, cache, file, learnt: false }));
    }
    return opened;
  }
}

/** Its last use, for collection. */
function markUsed(file: string, now: Date): void {
  try {
    utimesSync(file, now, now);
  } catch (error) {
    // Not there yet, or a store that cannot be written: nothing is collected there by us.
    if (!['ENOENT', 'EACCES', 'EPERM', 'EROFS'].includes(errnoOf(error) ?? '')) throw error;
  }
}

function keyOf(folder: FolderRef): string {
  return canonicalJson([folder.path, folder.exclude, folder.include]);
}

/** What `.dockerignore` leaves out, and what a client asked for. Throws `IGNORE_PATTERN` for a malformed pattern. */
function folderFilter(folder: Pick<FolderRef, 'exclude' | 'include'>): FolderFilter {
  const exclude = compile(folder.exclude);
  const include = folder.include === undefined ? undefined : compile(folder.include);
  interface State {
    readonly exclude: DirectoryMatch | undefined;
    readonly include: DirectoryMatch | undefined;
  }
  return {
    id: exclude === undefined && include === undefined ? '' : canonicalJson([folder.exclude, folder.include]),
    check: (path, isDirectory, parent) => {
      const above = parent as State | undefined;
      if (!isDirectory) {
        const dropped = exclude?.file(path, above?.exclude) === true || include?.file(path, above?.include) === false;
        return { verdict: dropped ? 'drop' : 'keep', state: undefined };
      }
      const state: State = { exclude: exclude?.directory(path, above?.exclude), include: include?.directory(path, above?.include) };
      if (state.exclude?.matched === true) return { verdict: exclude?.mayReinclude(path) === true ? 'search' : 'drop', state };
      if (state.include?.matched === false) return { verdict: include?.mayMatchBelow(path) === true ? 'search' : 'drop', state };
      return { verdict: 'keep', state };
    },
  };
}

function compile(patterns: readonly string[]): PatternMatcher | undefined {
  const compiled = PatternMatcher.compile(patterns);
  if (!compiled.ok) {
    const { message, hint } = compiled.problem;
    throw new SlipwayError('IGNORE_PATTERN', `invalid pattern in .dockerignore: ${message}`, hint === undefined ? {} : { hint });
  }
  return compiled.value.patterns.length === 0 ? undefined : compiled.value;
}
