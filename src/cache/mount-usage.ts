// Cache mounts as rows of the store's usage.

import { lstatSync, readdirSync } from 'node:fs';
import { type BytePath, errnoOf, fsPath, toBytePath } from '../base/index.ts';
import type { CacheMounts, KeptCache } from '../runtime/index.ts';
import type { Collectable, UsageEntry } from '../store/index.ts';

/** The cache mounts of a store, for listings and collection. Their own locks protect those in use. */
export class MountUsage implements Collectable {
  readonly #mounts: CacheMounts;

  constructor(mounts: CacheMounts) {
    this.#mounts = mounts;
  }

  *entries(): Generator<UsageEntry> {
    for (const mount of this.#mounts.list()) {
      yield {
        id: `mount:${mount.name}`,
        type: 'exec.cachemount',
        description: `cache mount ${mount.id}`,
        size: folderSize(toBytePath(mount.path)),
        createdAt: mount.lastUsed,
        lastUsedAt: mount.lastUsed,
        mutable: true,
        needs: [],
      };
    }
  }

  /** Deleting a large folder takes its time: that is done after the gate is open. */
  remove(id: string): () => void {
    return () => void this.#mounts.remove(id.slice('mount:'.length));
  }

  lastUsedAt(id: string): number | undefined {
    const mount = this.#find(id);
    return mount === undefined || mount.inUse ? undefined : mount.lastUsed;
  }

  #find(id: string): KeptCache | undefined {
    return this.#mounts.list().find(({ name }) => `mount:${name}` === id);
  }
}

/** Bytes of the files below a folder. What vanishes meanwhile counts nothing. */
export function folderSize(folder: BytePath): number {
  let size = 0;
  try {
    for (const entry of readdirSync(fsPath(folder), { withFileTypes: true, encoding: 'latin1' })) {
      const path = `${folder}/${entry.name}`;
      size += entry.isDirectory() ? folderSize(path) : (lstatSync(fsPath(path), { throwIfNoEntry: false })?.size ?? 0);
    }
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  return size;
}
