// A store root: one folder that several builders use at once. Opening it reads one small file.

import { chmodSync, existsSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { errnoOf, isSlipwayError, type JobContext, SlipwayError } from '../base/index.ts';
import { LAYOUT_CONTENT, LAYOUT_FILE, LAYOUT_INDEX_FILE, OCI, serializeIndex } from '../oci/index.ts';
import { makeFolders } from '../sys/index.ts';
import { writeFileAtomic } from './atomic-file.ts';
import { BlobStore, type ContentStore } from './blobs.ts';
import { blobUsageId, BlobUsage } from './blob-usage.ts';
import { chooseVictims, type Collected, type CollectionPolicy, scanUsage, takeAway, type UsageGraph } from './collect.ts';
import { inStore, storeFault } from './faults.ts';
import { ImageHomes } from './image-homes.ts';
import { ImageNames, type NamedImage } from './image-names.ts';
import { type Lease, Leases } from './lease.ts';
import { Locks } from './lock.ts';
import { defaultPolicies, type GcSettings } from './policy.ts';
import { blobsBelow } from './reachable.ts';
import { RecordFiles } from './records.ts';
import { TempArea } from './temp-area.ts';
import type { Collectable, Damage, DiskUsage } from './usage.ts';

/** Number of the format on disk; also the folder's name (`v1`). */
export const STORE_FORMAT = 1;
const FORMAT_FILE = 'store.json';
/** Its mtime says when garbage was collected last. */
const COLLECTED_FILE = 'collected';
const COLLECT_INTERVAL_MS = 3_600_000;
const FULL_DISK_INTERVAL_MS = 60_000;

/** Builds, blobs, names and records of one user or machine. Everything on disk is below `root`. */
export interface Store extends Disposable {
  /** `<given root>/v1`: an OCI image layout, with folders beside `blobs/` that are ours. */
  readonly root: string;
  readonly blobs: ContentStore;
  readonly images: ImageNames;
  readonly homes: ImageHomes;
  readonly temp: TempArea;
  readonly locks: Locks;
  /** Begins a lease. A build holds one from before its first look into the store until its end. */
  lease(): Lease;
  /** Marks any file or folder of the store as used. False: it is not there. */
  use(path: string): boolean;
  /** Small files by name in the folder `name`. Free: nothing is read. */
  records(name: string): RecordFiles;
  /** Rows of everything in the store; `more` are the rooms above. */
  usage(more: readonly Collectable[]): Promise<readonly DiskUsage[]>;
  /** Collects by each policy in turn, and sweeps what dead processes left. One collector at a time works on a store. */
  collect(policies: readonly CollectionPolicy[], more: readonly Collectable[], job: JobContext): Promise<Collected>;
  /**
   * Automatic collection: by `defaultPolicies`, when the last one is an hour ago or the disk is fuller than they allow. Else it costs two
   * system calls. Undefined: it was not due, or another process is at it.
   */
  collectIfDue(settings: GcSettings, more: readonly Collectable[], job: JobContext): Promise<Collected | undefined>;
  /** Walks everything and says what is broken; `repair` takes broken things away. */
  check(repair: boolean, more: readonly Collectable[]): Promise<readonly Damage[]>;
  /** Bytes of the disk the store is on. */
  disk(): { readonly totalBytes: number; readonly freeBytes: number };
}

/**
 * Opens (and makes) the store at `root`. Throws `STORE_FORMAT` for one that a newer version wrote, `STORE_READ_ONLY`, `STORE_FULL`.
 * `now` is the clock that dates uses.
 */
export function openStore(root: string, now: () => Date): Store {
  const versioned = `${root}/v${STORE_FORMAT}`;
  if (!formatIsOurs(versioned)) initialize(versioned);
  keepPrivate(versioned);
  return new DiskStore(versioned, now);
}

/** Layers have setuid programs and secrets of others: nobody else may enter the store and start or read them there. */
function keepPrivate(folder: string): void {
  const { mode, uid } = statSync(folder);
  if ((mode & 0o077) === 0 || uid !== process.geteuid?.()) return;
  try {
    chmodSync(folder, mode & 0o700);
  } catch (error) {
    if (errnoOf(error) !== 'EROFS') throw storeFault(error, folder, 'open');
  }
}

class DiskStore implements Store {
  readonly root: string;
  readonly blobs: BlobStore;
  readonly images: ImageNames;
  readonly homes: ImageHomes;
  readonly temp: TempArea;
  readonly locks: Locks;
  readonly #leases: Leases;
  readonly #now: () => Date;

  constructor(root: string, now: () => Date) {
    this.root = root;
    this.#now = now;
    this.locks = new Locks(root);
    this.temp = new TempArea(root);
    this.#leases = new Leases(root, now);
    this.blobs = new BlobStore(root, this.temp, this.#leases, this.locks);
    this.homes = new ImageHomes(this.records('homes'), `user:${process.geteuid?.()}`);
    this.images = new ImageNames(root, { locks: this.locks, blobs: this.blobs, homes: this.homes, now });
  }

  lease(): Lease {
    return this.#leases.acquire();
  }

  use(path: string): boolean {
    return this.#leases.use(path);
  }

  records(name: string): RecordFiles {
    return new RecordFiles(this.root, name, this.#leases, this.temp);
  }

  async usage(more: readonly Collectable[]): Promise<readonly DiskUsage[]> {
    return (await this.#scan(more)).rows;
  }

  async collect(policies: readonly CollectionPolicy[], more: readonly Collectable[], job: JobContext): Promise<Collected> {
    using _one = await this.locks.acquire('collect', job.signal);
    const removed: DiskUsage[] = [];
    for (const policy of policies) {
      await using trash = this.temp.folder('trash');
      const graph = await this.#scan(more);
      const storeBytes = graph.rows.reduce((sum, row) => sum + row.size, 0);
      const victims = chooseVictims(graph, policy, this.#now(), { freeBytes: this.disk().freeBytes, storeBytes });
      for (const row of takeAway(graph, victims, (work) => this.#leases.take(work), trash.path, job)) removed.push(row);
    }
    await this.temp.sweep(this.#now());
    this.locks.sweep();
    return { removed, bytes: removed.reduce((sum, row) => sum + row.size, 0) };
  }

  async collectIfDue(settings: GcSettings, more: readonly Collectable[], job: JobContext): Promise<Collected | undefined> {
    const disk = this.disk();
    const policies = defaultPolicies(settings, disk);
    const stamp = `${this.root}/${COLLECTED_FILE}`;
    const last = statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    const full = policies.some(({ minFreeBytes = 0 }) => disk.freeBytes < minFreeBytes);
    const age = this.#now().getTime() - last;
    // A time to come is of a clock that was set back since: nothing would be collected until then.
    if (age > -FULL_DISK_INTERVAL_MS && age < (full ? FULL_DISK_INTERVAL_MS : COLLECT_INTERVAL_MS)) return undefined;
    writeFileAtomic(this.root, stamp, ''); // before the work: others that come meanwhile leave it to us
    return await this.collect(policies, more, job);
  }

  async check(repair: boolean, more: readonly Collectable[]): Promise<readonly Damage[]> {
    const found: Damage[] = [];
    for (const collectable of [new BlobUsage(this.blobs, this.homes, this.root), ...more])
      found.push(...((await collectable.check?.(repair)) ?? []));
    found.push(...this.#checkNames(repair));
    await this.temp.sweep(this.#now());
    this.locks.sweep();
    return found;
  }

  disk(): { readonly totalBytes: number; readonly freeBytes: number } {
    const { blocks, bavail, bsize } = statfsSync(this.root);
    return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
  }

  [Symbol.dispose](): void {
    this.temp.close();
  }

  #scan(more: readonly Collectable[]): Promise<UsageGraph> {
    const collectables = [new BlobUsage(this.blobs, this.homes, this.root), ...more];
    return scanUsage({ collectables, pinned: this.#pinned(), protectedSince: this.#leases.protectedSince() });
  }

  /** What the names of images keep: their blobs, and what was said when they were named. */
  #pinned(): ReadonlySet<string> {
    const ids = new Set<string>();
    for (const { descriptor, keeps } of this.images.list()) {
      for (const digest of blobsBelow(this.blobs, descriptor)) ids.add(blobUsageId(digest));
      for (const id of keeps) ids.add(id);
    }
    return ids;
  }

  /** Names whose manifest is gone; the list of names itself. */
  #checkNames(repair: boolean): readonly Damage[] {
    try {
      const isLost = ({ descriptor }: NamedImage): boolean => !this.blobs.has(descriptor.digest);
      const lost = this.images.list().filter(isLost);
      // A name that was given anew, or taken away, meanwhile is another's now.
      const still = new Set((lost.length === 0 ? [] : this.images.list().filter(isLost)).map(({ name }) => name));
      return lost
        .filter(({ name }) => still.has(name))
        .map(({ name, descriptor }) => {
          if (repair) this.images.remove(name);
          return { subject: `image ${name}`, problem: `its manifest ${descriptor.digest} is not in the store`, repaired: repair };
        });
    } catch (error) {
      if (!isSlipwayError(error, 'STORE_CORRUPT')) throw error;
      if (repair) writeIndex(this.root);
      return [{ subject: LAYOUT_INDEX_FILE, problem: error.message, repaired: repair }];
    }
  }
}

function formatIsOurs(versioned: string): boolean {
  const path = `${versioned}/${FORMAT_FILE}`;
  let format: unknown;
  try {
    format = (JSON.parse(readFileSync(path, 'utf8')) as { readonly format?: unknown }).format;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return false;
    if (!(error instanceof SyntaxError)) throw storeFault(error, versioned, 'opening');
    return false; // cut by a crash while the store was made: made again
  }
  if (typeof format === 'number' && format <= STORE_FORMAT) return true;
  throw new SlipwayError(
    'STORE_FORMAT',
    `the store at ${versioned} was written by a newer slipway (format ${String(format)}, this one reads ${STORE_FORMAT})`,
    {
      hint: 'update slipway, or name another folder with --root',
      facts: { format },
    },
  );
}

/** Makes what every store has. Several processes may do it at once. */
function initialize(root: string): void {
  inStore(root, 'making it', () => {
    try {
      makeFolders(root);
    } catch (error) {
      if (!['ENOENT', 'ENOTDIR', 'EEXIST'].includes(errnoOf(error) ?? '')) throw error;
      throw new SlipwayError('STORE_READ_ONLY', `the store at ${root} cannot be made (${errnoOf(error)})`, {
        hint: 'name a folder that you own with --root; without it, the store of an ordinary user is below HOME',
        facts: { root, doing: 'making it' },
        cause: error,
      });
    }
    for (const folder of ['blobs/sha256', 'tmp', 'locks', 'leases', 'gate']) makeFolders(`${root}/${folder}`);
    writeFileAtomic(root, `${root}/${LAYOUT_FILE}`, LAYOUT_CONTENT);
    if (!existsSync(`${root}/${LAYOUT_INDEX_FILE}`)) writeIndex(root);
    writeFileAtomic(root, `${root}/${FORMAT_FILE}`, `{"format":${STORE_FORMAT}}`);
  });
}

function writeIndex(root: string): void {
  writeFileAtomic(root, `${root}/${LAYOUT_INDEX_FILE}`, serializeIndex({ schemaVersion: 2, mediaType: OCI.index, manifests: [] }));
}
