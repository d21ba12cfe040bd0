// Cache mounts: folders that outlive builds, by id, with BuildKit's three ways of sharing, across processes.
//
//   <dir>/<key>/id.json            what it is, for people and for exports
//   <dir>/<key>/<generation>.<slot>/data   the folder that is mounted
//   <dir>/<key>/<generation>.<slot>/lock   held (flock) while it is

import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type BytePath, errnoOf, type JobContext, SlipwayError, toBytePath } from '../base/index.ts';
import { removeTree, tryLock } from '../sys/index.ts';

/** What a step asks for. */
export interface CacheMountRequest {
  readonly id: string;
  readonly sharing: 'shared' | 'private' | 'locked';
  /** Identity of what a new cache starts from: caches of one id with different beginnings are different caches. */
  readonly base?: string;
  /** Fills a new, empty folder with the initial content. */
  readonly fill?: (folder: string) => Promise<void>;
  /** Owner and mode of a new cache without `fill`. */
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  /** Whoever holds the cache already gets it again: one step that mounts it twice. */
  readonly owner?: object;
  /** It can be in one place at a time only (the chroot rungs move it into the root): `shared` waits as `locked` does. */
  readonly exclusive?: boolean;
}

/** A cache in use. Disposing lets others have it. */
export interface CacheMount extends AsyncDisposable {
  /** The folder to mount. */
  readonly path: BytePath;
}

/** One kept cache folder. */
export interface KeptCache {
  readonly id: string;
  readonly base?: string;
  /** Unique name in the store: `<key>/<generation>.<slot>`. */
  readonly name: string;
  readonly path: string;
  /** Milliseconds since the epoch. */
  readonly lastUsed: number;
  readonly inUse: boolean;
}

const POLL_MS = 50;

/** The caches of one store. One object per build: `fresh` counts once for each id in it. */
export class CacheMounts {
  readonly #dir: string;
  readonly #fresh: (id: string) => boolean;
  readonly #renewed = new Map<string, string>();
  readonly #held = new WeakMap<object, Map<string, CacheMount>>();

  /** `fresh` (`--no-cache`): every cache, or those of some ids, starts empty, once in this build, and the new one stays. */
  constructor(dir: string, options: { readonly fresh?: boolean | ((id: string) => boolean) } = {}) {
    this.#dir = dir;
    const { fresh = false } = options;
    this.#fresh = typeof fresh === 'function' ? fresh : () => fresh;
  }

  /**
   * Takes a cache. `shared`: together with other shared users; `private`: a folder that nobody else uses now, a new one if need be;
   * `locked`: waits until nobody else uses it.
   */
  async acquire(request: CacheMountRequest, job: JobContext): Promise<CacheMount> {
    const key = keyOf(request);
    if (request.owner === undefined) return this.#take(key, request, job);
    const owned = this.#held.get(request.owner) ?? new Map<string, CacheMount>();
    this.#held.set(request.owner, owned);
    const held = owned.get(key);
    // Given back by its first holder, who lets go of all at the same time.
    if (held !== undefined) return { path: held.path, [Symbol.asyncDispose]: () => Promise.resolve() };
    const taken = await this.#take(key, request, job);
    owned.set(key, taken);
    return taken;
  }

  async #take(key: string, request: CacheMountRequest, job: JobContext): Promise<CacheMount> {
    const sharing = request.exclusive === true && request.sharing === 'shared' ? 'locked' : request.sharing;
    const folder = join(this.#dir, key);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const about = join(folder, 'id.json');
    if (!existsSync(about)) publish(about, JSON.stringify({ id: request.id, base: request.base }));
    const generation = this.#generation(key, request.id, folder);
    for (let slot = 0; ;) {
      job.signal.throwIfAborted();
      const place = join(folder, `${generation}.${slot}`);
      const lock = takeSlot(place, sharing);
      if (lock !== undefined) return await ready(place, lock, request, job);
      if (sharing === 'private') slot += 1;
      else await pause(job.signal);
    }
  }

  /** All kept caches of the newest generation of each id. */
  list(): readonly KeptCache[] {
    return names(this.#dir).flatMap((key) => {
      const folder = join(this.#dir, key);
      const about = readAbout(join(folder, 'id.json'));
      if (about === undefined) return [];
      return slots(folder).map((name) => {
        const place = join(folder, name);
        return { ...about, name: `${key}/${name}`, path: join(place, 'data'), lastUsed: usedAt(place), inUse: isHeld(place) };
      });
    });
  }

  /** Removes a cache that nobody uses. False: somebody does, or it is gone already. */
  remove(name: string): boolean {
    const place = join(this.#dir, name);
    const lock = existsSync(place) ? takeSlot(place, 'locked') : undefined;
    if (lock === undefined) return false;
    const doomed = `${place}.gone-${randomBytes(4).toString('hex')}`;
    renameSync(place, doomed);
    closeSync(lock);
    removeTree(toBytePath(doomed));
    return true;
  }

  /** The generation to use; a fresh build begins one, and drops the slots of older ones that nobody uses. */
  #generation(key: string, id: string, folder: string): string {
    const file = join(folder, 'generation');
    const known = this.#renewed.get(key);
    if (known !== undefined) return known;
    if (!this.#fresh(id)) return readText(file) ?? 'a';
    const generation = randomBytes(6).toString('hex');
    publish(file, generation);
    this.#renewed.set(key, generation);
    for (const name of slots(folder)) if (!name.startsWith(`${generation}.`)) this.remove(`${key}/${name}`);
    return generation;
  }
}

function keyOf(request: CacheMountRequest): string {
  return createHash('sha256')
    .update(JSON.stringify([request.id, request.base ?? '']))
    .digest('hex')
    .slice(0, 40);
}

/** The lock's descriptor, or undefined when somebody else's use forbids ours. */
function takeSlot(place: string, sharing: CacheMountRequest['sharing']): number | undefined {
  mkdirSync(place, { recursive: true, mode: 0o700 });
  const file = join(place, 'lock');
  let fd: number;
  try {
    fd = openSync(file, 'a', 0o600);
  } catch (error) {
    // Removed between the two calls: as good as held.
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  // The slot may have been moved away for removal after we opened it.
  if (tryLock(fd, sharing === 'shared' ? 'shared' : 'exclusive') && sameFile(fd, file)) return fd;
  closeSync(fd);
  return undefined;
}

function sameFile(fd: number, path: string): boolean {
  try {
    return fstatSync(fd).ino === statSync(path).ino;
  } catch {
    return false;
  }
}

async function ready(place: string, lock: number, request: CacheMountRequest, job: JobContext): Promise<CacheMount> {
  try {
    const data = join(place, 'data');
    if (!existsSync(data)) await begin(place, data, request);
    const now = job.now();
    utimesSync(join(place, 'lock'), now, now);
    let held = true;
    return {
      path: toBytePath(data),
      [Symbol.asyncDispose]: () => {
        if (held) closeSync(lock);
        held = false;
        return Promise.resolve();
      },
    };
  } catch (error) {
    closeSync(lock);
    throw error;
  }
}

/** Makes the folder under another name first: a kill leaves no half-filled cache. Losing the race to another shared user is success. */
async function begin(place: string, data: string, request: CacheMountRequest): Promise<void> {
  const draft = join(place, `new-${randomBytes(6).toString('hex')}`);
  mkdirSync(draft, { mode: 0o700 });
  try {
    if (request.fill !== undefined) await request.fill(draft);
    else {
      own(draft, request);
      chmodSync(draft, request.mode & 0o7777);
    }
    renameSync(draft, data);
  } catch (error) {
    const code = errnoOf(error);
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

function own(folder: string, { uid, gid, id }: CacheMountRequest): void {
  try {
    chownSync(folder, uid, gid);
  } catch (cause) {
    if (errnoOf(cause) !== 'EINVAL') throw cause;
    throw new SlipwayError(
      'ID_UNMAPPED',
      `cache mount ${id} cannot belong to ${uid}:${gid}: that id is not mapped into our user namespace`,
      {
        cause,
        hint: 'give the user subordinate ids (/etc/subuid, /etc/subgid), or leave uid and gid away',
      },
    );
  }
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, POLL_MS);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

function publish(file: string, text: string): void {
  const temporary = `${file}.${process.pid}-${randomBytes(4).toString('hex')}`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, file);
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function readAbout(file: string): { readonly id: string; readonly base?: string } | undefined {
  try {
    const { id, base } = JSON.parse(readText(file) ?? '') as { id?: unknown; base?: unknown };
    return typeof id === 'string' ? { id, ...(typeof base === 'string' ? { base } : {}) } : undefined;
  } catch {
    return undefined;
  }
}

function names(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Names of the slots that have been filled. */
function slots(folder: string): readonly string[] {
  return names(folder).filter((name) => /^[0-9a-f]+\.\d+$/.test(name) && existsSync(join(folder, name, 'data')));
}

function usedAt(place: string): number {
  try {
    return statSync(join(place, 'lock')).mtimeMs;
  } catch {
    return 0;
  }
}

/** Changes nothing, so that a store that may only be read can be listed. */
function isHeld(place: string): boolean {
  let fd: number;
  try {
    fd = openSync(join(place, 'lock'), 'r');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
  try {
    return !tryLock(fd, 'exclusive');
  } finally {
    closeSync(fd);
  }
}
