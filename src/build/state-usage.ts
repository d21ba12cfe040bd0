// What sources and copies remember between builds, as rows of the store's usage: mirrors of git repositories, digests of files in
// contexts, notes on addresses and copies. All of it can be had again.

import { closeSync, openSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, toBytePath } from '../base/index.ts';
import { folderSize } from '../cache/index.ts';
import { shownUrl } from '../source/index.ts';
import { type Collectable, namesIn, type UsageEntry, type UsageType } from '../store/index.ts';
import { tryLock } from '../sys/index.ts';

/** Folders of small files below `state`, and what a file in them is. */
const NOTES: Readonly<Record<string, { readonly type: UsageType; readonly about: string }>> = {
  folders: { type: 'source.local', about: 'digests of the files of a context' },
  http: { type: 'internal', about: 'what is known of an address' },
  snapshots: { type: 'internal', about: 'which layer a mounted context is' },
  copies: { type: 'internal', about: 'which layer a copy made last' },
};
const MIRROR = /^[0-9a-f]{32}$/;

/** The state of sources. `state` gives a folder of it by name. */
export class StateUsage implements Collectable {
  readonly #state: (name: string) => string;

  constructor(state: (name: string) => string) {
    this.#state = state;
  }

  *entries(): Generator<UsageEntry> {
    for (const [name, { type, about }] of Object.entries(NOTES)) {
      for (const file of namesIn(this.#state(name))) {
        const stat = statSync(join(this.#state(name), file), { throwIfNoEntry: false });
        if (stat?.isFile() === true) yield row(`${name}:${file}`, type, about, stat.size, stat.mtimeMs);
      }
    }
    for (const name of namesIn(this.#state('git')).filter((found) => MIRROR.test(found))) {
      const folder = join(this.#state('git'), name);
      const usedAt = statSync(`${folder}.lock`, { throwIfNoEntry: false })?.mtimeMs;
      if (usedAt === undefined) continue;
      yield row(`git:${name}`, 'source.git.checkout', `mirror of ${remoteOf(folder)}`, folderSize(toBytePath(folder)), usedAt);
    }
  }

  remove(id: string, trash: string): void | (() => void) {
    const { path, isMirror } = this.#find(id);
    if (!isMirror) return renameSync(path, trash);
    // A build that fetches holds the lock for longer than the gate may stay shut.
    return () => removeMirror(path);
  }

  lastUsedAt(id: string): number | undefined {
    const { path, isMirror } = this.#find(id);
    return statSync(isMirror ? `${path}.lock` : path, { throwIfNoEntry: false })?.mtimeMs;
  }

  #find(id: string): { readonly path: string; readonly isMirror: boolean } {
    const colon = id.indexOf(':');
    const kind = id.slice(0, colon);
    return { path: join(this.#state(kind), id.slice(colon + 1)), isMirror: kind === 'git' };
  }
}

function row(id: string, type: UsageType, description: string, size: number, usedAt: number): UsageEntry {
  return { id, type, description, size, createdAt: usedAt, lastUsedAt: usedAt, mutable: true, needs: [] };
}

function removeMirror(folder: string): void {
  const lock = openSync(`${folder}.lock`, 'a', 0o600);
  try {
    if (tryLock(lock, 'exclusive')) rmSync(folder, { recursive: true, force: true });
  } finally {
    closeSync(lock);
  }
}

/** The address that a mirror was made for, without what is secret in it. */
function remoteOf(folder: string): string {
  try {
    const [, url = 'a git repository'] = /^\s*url = (.*)$/m.exec(readFileSync(join(folder, 'config'), 'utf8')) ?? [];
    return shownUrl(url);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 'a git repository';
    throw error;
  }
}
