// The copies of clients' folders that a server keeps, as rows of the store's usage: whoever builds a folder again sends what changed in
// it, and all of it when its copy is gone.

import { renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { toBytePath } from '../base/index.ts';
import { folderSize } from '../cache/index.ts';
import { type Collectable, namesIn, type UsageEntry } from '../store/index.ts';

const PREFIX = 'mirror:';

/** The copies below a folder, each used when its folder's time says. */
export class MirrorUsage implements Collectable {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  *entries(): Generator<UsageEntry> {
    for (const name of namesIn(this.#folder)) {
      const usedAt = this.lastUsedAt(`${PREFIX}${name}`);
      if (usedAt === undefined) continue;
      const size = folderSize(toBytePath(join(this.#folder, name)));
      const about = { type: 'source.local', description: 'copy of a client’s folder', mutable: true, needs: [] } as const;
      yield { id: `${PREFIX}${name}`, ...about, size, createdAt: usedAt, lastUsedAt: usedAt };
    }
  }

  remove(id: string, trash: string): void {
    renameSync(this.#path(id), trash);
  }

  lastUsedAt(id: string): number | undefined {
    return statSync(this.#path(id), { throwIfNoEntry: false })?.mtimeMs;
  }

  #path(id: string): string {
    return join(this.#folder, id.slice(PREFIX.length));
  }
}
