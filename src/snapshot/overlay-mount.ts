// Mounting overlayfs: by the new mount API, which takes layers one by one, or by mount(2), whose options must fit into a page.

import { closeSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { type BytePath, errnoOf, fsPath, SlipwayError, toBytePath } from '../base/index.ts';
import type { OverlayNamespace } from '../layer/index.ts';
import { attachMount, makeMount, mount, unmount } from '../sys/index.ts';

export interface OverlayRequest {
  /** Lowest first; at least one, and two without `upper`. */
  readonly lowers: readonly string[];
  /** Where changes go; undefined: read-only. Both on one filesystem. */
  readonly upper?: { readonly upper: string; readonly work: string };
  readonly target: string;
  readonly overlay: OverlayNamespace;
  /** Take mount(2) though the kernel has more: for tests. */
  readonly onlyText?: boolean;
}

/** The kernel's limit of lower layers (`OVL_MAX_STACK`). */
export const MAX_LOWERS = 500;

let appendable: boolean | undefined;

/**
 * Mounts. Redirects and metacopy are off so that the upper folder is a layer by itself; index is off so that it may be taken apart. `volatile`: nobody
 * needs it after a crash, so nothing is flushed.
 */
export function mountOverlay(request: OverlayRequest): void {
  if (appendable !== false && request.onlyText !== true) {
    try {
      mountByParts(request);
      appendable = true;
      return;
    } catch (error) {
      // Without `lowerdir+` (before Linux 6.5) and without the mount API the answer is EINVAL or ENOSYS; an old kernel may not know `volatile` either.
      if (appendable === true || !['EINVAL', 'ENOSYS', 'EPERM'].includes(errnoOf(error) ?? '')) throw explained(error, request);
    }
  }
  try {
    mountByText(request);
    if (request.onlyText !== true) appendable = false;
  } catch (error) {
    throw explained(error, request);
  }
}

function options(request: OverlayRequest): readonly (readonly [key: string, value?: BytePath])[] {
  const { upper, overlay } = request;
  return [
    ...(upper === undefined ? [] : [['upperdir', toBytePath(upper.upper)] as const, ['workdir', toBytePath(upper.work)] as const]),
    ['index', 'off'],
    // In a user namespace `userxattr` already rules both out, and the kernel refuses to hear of them.
    ...(overlay === 'user'
      ? [['userxattr'] as const]
      : [['redirect_dir', upper === undefined ? 'nofollow' : 'off'] as const, ['metacopy', 'off'] as const]),
    ...(upper === undefined ? [] : [['volatile'] as const]),
  ];
}

function mountByParts(request: OverlayRequest): void {
  const lowers = [...request.lowers].reverse().map((lower) => ['lowerdir+', toBytePath(lower)] as const);
  // Of these the kernel takes backslashes off, of `lowerdir+` it does not.
  const others = options(request).map((option) => {
    const [key, value] = option;
    if (value === undefined || (key !== 'upperdir' && key !== 'workdir')) return option;
    return [key, value.replaceAll('\\', '\\\\')] as const;
  });
  const fd = makeMount('overlay', [...lowers, ...others]);
  try {
    attachMount(fd, toBytePath(request.target));
  } finally {
    closeSync(fd);
  }
}

/** Long paths become links with one to three letters in a folder that is this thread's working directory for the moment. */
function mountByText(request: OverlayRequest): void {
  const folder = `${request.target}.l`;
  mkdirSync(folder);
  const before = process.cwd();
  try {
    const names = request.lowers.map((lower, index) => {
      const name = index.toString(36);
      symlinkSync(fsPath(toBytePath(lower)), `${folder}/${name}`);
      return name;
    });
    const parts = options(request).map(([key, value]) => {
      if (key === 'upperdir' || key === 'workdir') symlinkSync(value ?? '', `${folder}/_${key[0]}`);
      return value === undefined ? key : `${key}=${key.endsWith('dir') && key !== 'redirect_dir' ? `_${key[0]}` : value}`;
    });
    process.chdir(folder);
    mount('overlay', toBytePath(request.target), 'overlay', 0, [`lowerdir=${names.reverse().join(':')}`, ...parts].join(','));
  } finally {
    process.chdir(before);
    rmSync(folder, { recursive: true, force: true });
  }
}

function explained(error: unknown, request: OverlayRequest): unknown {
  if (errnoOf(error) === undefined) return error;
  return new SlipwayError('OVERLAY_MOUNT', `overlay of ${request.lowers.length} layers cannot be mounted: ${(error as Error).message}`, {
    cause: error,
  });
}

/** Detaches a mount at once; what still uses it keeps it until then. Nothing happens when nothing is mounted there. */
export function unmountQuietly(target: string): void {
  try {
    unmount(toBytePath(target), true);
  } catch (error) {
    const code = errnoOf(error);
    if (code !== 'EINVAL' && code !== 'ENOENT') throw error;
  }
}
