// The overlay driver: a stack of layer folders with an upper folder on top, in this process's own mount namespace.

import { rmSync } from 'node:fs';
import { type JobContext, toBytePath } from '../base/index.ts';
import { dropTree } from '../sys/index.ts';
import { MAX_LOWERS, mountOverlay, unmountQuietly } from './overlay-mount.ts';
import { makeLasting, removeCopiedStubs, stubLayer } from './overlay-stubs.ts';
import { openFolderView } from './folder-view.ts';
import { makePlace } from './overlay-place.ts';
import { openView } from './overlay-view.ts';
import { flattenLowest } from './copy-flatten.ts';
import type { MountedRootfs, MountRequest, RootfsMounter, MounterSettings } from './rootfs.ts';

/** Opens the driver. The process must be in a mount namespace of its own. */
export function openOverlayMounter(options: MounterSettings): RootfsMounter {
  const flattened = new Map<string, Promise<string>>();
  const dropping = new Set<Promise<void>>();
  // Nobody waits for folders to go, but for the mounter's end.
  const drop = (folder: string): void => {
    const gone = dropTree(folder).finally(() => dropping.delete(gone));
    dropping.add(gone);
  };
  const limited = (all: readonly string[], job: JobContext): Promise<readonly string[]> => {
    const lowers = topmost(all);
    return lowers.length < MAX_LOWERS - 1 ? Promise.resolve(lowers) : flattenLowest(lowers, MAX_LOWERS / 2, options, flattened, job);
  };
  return {
    driver: 'overlay',
    mount: async (request, job) => {
      job.signal.throwIfAborted();
      return mountRoot({ ...request, lowers: await limited(request.lowers, job) }, options, drop);
    },
    view: async (request, job) => {
      job.signal.throwIfAborted();
      return openView({ ...request, lowers: await limited(request.lowers, job) }, options);
    },
    inFolder: (within, selector) => openFolderView(within, selector, options),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(dropping);
      for (const made of await Promise.allSettled(flattened.values())) {
        if (made.status === 'fulfilled') await dropTree(made.value);
      }
    },
  };
}

/**
 * Each folder once, where it is highest: the kernel refuses a layer twice (ELOOP), and two steps that did the same have the same layer. What the
 * lower one has, the upper one says again.
 */
function topmost(lowers: readonly string[]): readonly string[] {
  return lowers.filter((lower, index) => lowers.lastIndexOf(lower) === index);
}

function mountRoot(request: MountRequest, options: MounterSettings, drop: (folder: string) => void): MountedRootfs {
  const folder = options.tempFolder('rootfs');
  const place = makePlace(folder, request.lowers);
  const points = request.mountPoints ?? [];
  const stubs = stubLayer(options.workDir, points);
  makeLasting(place.upper, request.lowers, points);
  try {
    mountOverlay({ lowers: [stubs, ...request.lowers], upper: place, target: place.merged, overlay: options.overlay });
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  let mounted = true;
  return {
    root: toBytePath(place.merged),
    commit: () => {
      if (!mounted) return Promise.reject(new Error('internal: committed twice'));
      unmountQuietly(place.merged);
      mounted = false;
      removeCopiedStubs(place.upper, request.lowers, points);
      return Promise.resolve(place.upper);
    },
    keep: () => {},
    [Symbol.asyncDispose]: () => {
      if (mounted) unmountQuietly(place.merged);
      mounted = false;
      drop(folder);
      return Promise.resolve();
    },
  };
}
