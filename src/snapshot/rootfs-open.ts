// Which driver makes root filesystems here.

import { mkdirSync, rmSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { SlipwayError } from '../base/index.ts';
import { openCopyMounter } from './copy-mounter.ts';
import { openOverlayMounter } from './overlay-mounter.ts';
import { mountOverlay, unmountQuietly } from './overlay-mount.ts';
import { ownRights } from './layer-rights.ts';
import type { MounterSettings, RootfsMounter, RootfsMounterOptions } from './rootfs.ts';

/**
 * Opens the overlay driver where mounts are allowed and the store's filesystem can carry one, else the copy driver. Throws
 * `OVERLAY_UNSUPPORTED` when overlay was asked for and cannot be had.
 */
export function openRootfsMounter(asked: RootfsMounterOptions): RootfsMounter {
  const options = { ...asked, overlay: asked.overlay ?? ownRights().overlay };
  if (options.driver === 'copy') return openCopyMounter(options, 'the copy driver was asked for');
  const reason = options.mounts ? overlayFault(options) : 'this rung cannot mount';
  if (reason === undefined) return openOverlayMounter(options);
  if (options.driver === 'overlay') {
    throw new SlipwayError('OVERLAY_UNSUPPORTED', `no overlay here: ${reason}`, {
      hint: 'put the store on ext4, xfs or btrfs (--root), or leave the driver to be chosen',
    });
  }
  return openCopyMounter(options, reason);
}

/** ext2 to ext4, xfs, btrfs, f2fs: they carry overlays, so that nobody has to try (linux/magic.h). */
const SURE = [0xef53, 0x58465342, 0x9123683e, 0xf2f52010];

/** Tries one overlay where the root filesystems will be: another overlay, NFS and some FUSE filesystems refuse to carry it. */
function overlayFault(options: MounterSettings): string | undefined {
  const folder = options.tempFolder('probe');
  if (SURE.includes(statfsSync(dirname(folder)).type)) return undefined;
  const [lower, upper, work, merged] = ['lower', 'upper', 'work', 'merged'].map((name) => `${folder}/${name}`) as [
    string,
    string,
    string,
    string,
  ];
  for (const path of [lower, upper, work, merged]) mkdirSync(path, { recursive: true });
  try {
    mountOverlay({ lowers: [lower], upper: { upper, work }, target: merged, overlay: options.overlay });
    unmountQuietly(merged);
    return undefined;
  } catch (error) {
    return `the store's filesystem refuses it (${(error as Error).message})`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
