// What takes room in a store, as rows that can be listed, filtered and collected.

/** BuildKit's names for kinds of cache (client/diskusage.go there), as filters use them. */
export type UsageType = 'regular' | 'internal' | 'frontend' | 'source.local' | 'source.git.checkout' | 'exec.cachemount';

/** One thing that can be taken away on its own. Ids are unique in the store: `blob:sha256:…`, `layer:…`, `record:…`. */
export interface UsageEntry {
  readonly id: string;
  readonly type: UsageType;
  /** What it is, for people. */
  readonly description: string;
  /** What this says of the things it needs: `made by build RUN 2`. */
  readonly tells?: string;
  /** Bytes on disk. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly lastUsedAt: number;
  readonly usageCount?: number;
  /** Its content changes when it is used (a cache mount). */
  readonly mutable: boolean;
  /** Ids of what it cannot do without. It goes when one of them goes, and keeps them while it stays. */
  readonly needs: readonly string[];
  /** Id of what it is a note about: as long as the name of an image needs that, it needs this, too. One of `needs`. */
  readonly noteOn?: string;
}

/** A room's part of the store. Rooms above the store hand theirs in. */
export interface Collectable {
  /** All its entries: a scan. */
  entries(): Iterable<UsageEntry> | Promise<Iterable<UsageEntry>>;
  /**
   * Takes an entry away. Called with the gate shut: it must only rename the thing to `trash` (a path that does not exist yet, on
   * the same filesystem) or unlink small files; what lands there is deleted afterwards. May return work to be done when the gate is
   * open again, for things that have locks of their own.
   */
  remove(id: string, trash: string): void | (() => void);
  /** When the entry was last used, asked again with the gate shut; undefined: it is gone. */
  lastUsedAt(id: string): number | undefined;
  /** Looks for damage. Repairing removes what is broken, so that it is made anew. */
  check?(repair: boolean): Iterable<Damage> | Promise<Iterable<Damage>>;
}

/** Something broken. */
export interface Damage {
  /** What: an id or a path in the store. */
  readonly subject: string;
  readonly problem: string;
  readonly repaired: boolean;
}

/** A row of `slipway du`. */
export interface DiskUsage extends UsageEntry {
  /** A running build uses it, or a name of an image needs it. */
  readonly inUse: boolean;
  /** More than one other entry, or an image, needs it. */
  readonly shared: boolean;
  /** Ids of what it needs, as BuildKit calls them. */
  readonly parents: readonly string[];
}
