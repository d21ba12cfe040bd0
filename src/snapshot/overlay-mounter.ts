// The overlay driver: a stack of layer folders with an upper folder on top, in this process's own mount namespace.

import { chmodSync, chownSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { errnoOf, type JobContext, SlipwayError, toBytePath } from '../base/index.ts';
import { MAX_LOWERS, mountOverlay, unmountQuietly } from './overlay-mount.ts';
import { removeCopiedStubs, stubLayer } from './overlay-stubs.ts';
import { openView } from './overlay-view.ts';
import { flattenLowest } from './copy-flatten.ts';
import type { MountedRootfs, MountRequest, RootfsMounter, MounterSettings } from './rootfs.ts';

/** Opens the driver. The process must be in a mount namespace of its own. */
export function openOverlayMounter(options: MounterSettings): RootfsMounter {
  const flattened = new Map<string, Promise<string>>();
  const dropping = new Set<Promise<void>>();
  // Nobody waits for folders to go, but for the mounter's end.
  const drop = (folder: string): void => {
    const gone = rm(folder, { recursive: true, force: true })
      .catch(() => rmSync(folder, { recursive: true, force: true }))
      .finally(() => dropping.delete(gone));
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
    [Symbol.asyncDispose]: async () => {
      await Promise.all(dropping);
      for (const made of await Promise.allSettled(flattened.values())) {
        if (made.status === 'fulfilled') await rm(made.value, { recursive: true, force: true });
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

/** Folders of one mount. */
export interface OverlayPlace {
  readonly upper: string;
  readonly work: string;
  readonly merged: string;
}

/** Makes the folders. The upper one is what a process sees as `/`, so it has the mode and the owner of a root folder. */
export function makePlace(folder: string, lowers: readonly string[]): OverlayPlace {
  const place = { upper: `${folder}/upper`, work: `${folder}/work`, merged: `${folder}/merged` };
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const path of Object.values(place)) mkdirSync(path);
  chmodSync(place.upper, 0o755);
  const top = lowers.at(-1);
  if (top !== undefined) {
    const { uid, gid } = statTop(top);
    if (uid !== process.geteuid?.() || gid !== process.getegid?.()) ownQuietly(place.upper, uid, gid);
  }
  return place;
}

/** An owner that is not mapped into our user namespace cannot be given: the root folder stays ours. */
function ownQuietly(path: string, uid: number, gid: number): void {
  try {
    chownSync(path, uid, gid);
  } catch (error) {
    if (errnoOf(error) !== 'EINVAL' && errnoOf(error) !== 'EPERM') throw error;
  }
}

function statTop(folder: string): { readonly uid: number; readonly gid: number } {
  try {
    return statSync(folder);
  } catch (cause) {
    throw new SlipwayError('LAYER_FOLDER_MISSING', `the folder of a layer is gone: ${folder}`, {
      cause,
      hint: 'check the store: slipway store check',
    });
  }
}
