// The copy driver, for places where nothing can be mounted: a root filesystem is a copy of all layers (by reflinks where the filesystem has
// them), and what a step changed is found afterwards by looking at every file.

import { chmodSync, mkdirSync, renameSync } from 'node:fs';
import { AsyncDisposableStack, type JobContext, toBytePath } from '../base/index.ts';
import { dropTree } from '../sys/index.ts';
import { type CopyThread, CopyThreads, openCopyThread } from './copy-thread.ts';
import { openFolderView } from './folder-view.ts';
import { makeLasting } from './overlay-stubs.ts';
import { missingSource } from './overlay-view.ts';
import type { MountedRootfs, MountedView, MountRequest, RootfsMounter, MounterSettings, ViewRequest } from './rootfs.ts';

/** Opens the driver. `reason` says why it is not overlay. */
export function openCopyMounter(options: MounterSettings, reason: string): RootfsMounter {
  const kept = new KeptRoots();
  const threads = new CopyThreads();
  return {
    driver: 'copy',
    driverReason: reason,
    mount: (request, job) => mountCopy(request, options, kept, job),
    view: (request, job) => viewCopy(request, options, threads, job),
    inFolder: (within, selector) => openFolderView(within, selector, options),
    [Symbol.asyncDispose]: async () => {
      await threads[Symbol.asyncDispose]();
      await kept[Symbol.asyncDispose]();
    },
  };
}

/** How many finished roots wait for a next step: as many stages may be under way. */
const MAX_KEPT = 4;

/** Roots of finished steps, by the identity of the stack that they equal. Each is taken over at most once. */
class KeptRoots implements AsyncDisposable {
  readonly #roots = new Map<string, string>();

  take(key: string | undefined): string | undefined {
    if (key === undefined) return undefined;
    const folder = this.#roots.get(key);
    this.#roots.delete(key);
    return folder;
  }

  async put(key: string, folder: string): Promise<void> {
    const before = this.#roots.get(key);
    this.#roots.delete(key);
    this.#roots.set(key, folder);
    if (before !== undefined) await dropTree(before);
    for (const [oldest, path] of this.#roots) {
      if (this.#roots.size <= MAX_KEPT) break;
      this.#roots.delete(oldest);
      await dropTree(path);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const path of this.#roots.values()) await dropTree(path);
    this.#roots.clear();
  }
}

async function mountCopy(request: MountRequest, options: MounterSettings, kept: KeptRoots, job: JobContext): Promise<MountedRootfs> {
  await using stack = new AsyncDisposableStack();
  const folder = options.tempFolder('rootfs');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  stack.defer(() => dropTree(folder));
  const root = `${folder}/root`;
  const thread: CopyThread = stack.use(openCopyThread());
  const taken = kept.take(request.key);
  if (taken === undefined) {
    await thread.run({ type: 'copy', lowers: request.lowers, target: root }, job.signal);
    // As the overlay driver: what a process sees as `/` is open to all.
    chmodSync(root, 0o755);
  } else {
    renameSync(taken, root);
  }
  await thread.run({ type: 'scan', root }, job.signal);
  makeLasting(root, [root], request.mountPoints ?? []);
  const owned = stack.move();
  let keepAs: string | undefined;
  return {
    root: toBytePath(root),
    commit: async () => {
      const upper = `${folder}/upper`;
      mkdirSync(upper, { mode: 0o755 });
      await thread.run({ type: 'difference', root, target: upper, overlay: options.overlay }, job.signal);
      return upper;
    },
    keep: (key) => (keepAs = key),
    [Symbol.asyncDispose]: async () => {
      if (keepAs !== undefined) {
        const place = options.tempFolder('kept');
        renameSync(root, place);
        await kept.put(keepAs, place);
      }
      await owned[Symbol.asyncDispose]();
    },
  };
}

async function viewCopy(request: ViewRequest, options: MounterSettings, threads: CopyThreads, job: JobContext): Promise<MountedView> {
  await using stack = new AsyncDisposableStack();
  const folder = options.tempFolder('view');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  stack.defer(() => dropTree(folder));
  const path = `${folder}/view`;
  if (request.lowers.length === 0 && request.selector.split('/').every((name) => name === '')) mkdirSync(path);
  else {
    const kind = await threads.run({ type: 'select', lowers: request.lowers, selector: request.selector, target: path }, job.signal);
    if (kind === undefined) throw missingSource(request.selector);
    if (kind === 'file') return { path: toBytePath(path), kind, ...disposer(stack.move()) };
  }
  return { path: toBytePath(path), kind: 'dir', ...disposer(stack.move()) };
}

function disposer(stack: AsyncDisposableStack): AsyncDisposable {
  return { [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose]() };
}
