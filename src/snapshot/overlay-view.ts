// A path inside a stack as a mount of its own. The kernel resolves the path inside the stack, so no symlink leads out, not even one
// that somebody changes at that moment; what was resolved is what gets mounted.

import { closeSync, constants, fstatSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { type BytePath, errnoOf, fromBytePath, SlipwayError, toBytePath } from '../base/index.ts';
import { attachMount, cloneTreeOf, dropTree, MountAttribute, openScoped, Resolve, setMountAttributes } from '../sys/index.ts';
import { makePlace } from './overlay-place.ts';
import { mountOverlay, unmountQuietly } from './overlay-mount.ts';
import type { MountedView, MounterSettings, ViewRequest } from './rootfs.ts';

const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;

/** Mounts the stack and the selected path of it. */
export function openView(request: ViewRequest, options: MounterSettings): MountedView {
  const folder = options.tempFolder('view');
  const place = makePlace(folder, request.lowers);
  const empty = `${folder}/empty`;
  mkdirSync(empty, { mode: 0o755 });
  const targets: string[] = [];
  const release = (): void => {
    for (const target of targets.reverse()) unmountQuietly(target);
    targets.length = 0;
  };
  try {
    // An overlay without an upper folder needs two lower ones.
    const lowers = [empty, ...(request.lowers.length === 0 ? [`${folder}/upper`] : request.lowers)];
    const upper = request.writable && request.lowers.length > 0 ? { upper: place } : {};
    mountOverlay({ lowers, ...upper, target: place.merged, overlay: options.overlay });
    targets.push(place.merged);
    const view = request.selector.split('/').every((name) => name === '' || name === '.')
      ? { path: toBytePath(place.merged), kind: 'dir' as const }
      : bindSelected(toBytePath(place.merged), request, folder, targets);
    return {
      ...view,
      [Symbol.asyncDispose]: async () => {
        release();
        await dropTree(folder);
      },
    };
  } catch (error) {
    release();
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** What `selector` leads to inside `within`, mounted below `folder`. What is mounted is added to `targets`. */
export function bindSelected(
  within: BytePath,
  { selector, writable }: Pick<ViewRequest, 'selector' | 'writable'>,
  folder: string,
  targets: string[],
): { readonly path: BytePath; readonly kind: 'dir' | 'file' } {
  const root = openScoped(-100, within, O_PATH | O_CLOEXEC | constants.O_DIRECTORY, 0);
  let selected: number | undefined;
  let mountFd: number | undefined;
  try {
    selected = openScoped(root, selector, O_PATH | O_CLOEXEC, Resolve.inRoot | Resolve.noMagicLinks);
    const stat = fstatSync(selected);
    const kind = stat.isDirectory() ? 'dir' : 'file';
    const path = `${folder}/view`;
    if (kind === 'dir') mkdirSync(path);
    else writeFileSync(path, '');
    mountFd = cloneTreeOf(selected, false);
    if (!writable) setReadonly(mountFd);
    attachMount(mountFd, toBytePath(path));
    targets.push(path);
    return { path: toBytePath(path), kind };
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') throw missingSource(selector, error);
    throw error;
  } finally {
    for (const fd of [mountFd, selected, root]) if (fd !== undefined) closeSync(fd);
  }
}

/** A stack without an upper folder refuses writes by itself; this says so for the mount, where the kernel (5.12) can. */
function setReadonly(mountFd: number): void {
  try {
    setMountAttributes(mountFd, MountAttribute.readonly, 0, false);
  } catch (error) {
    if (errnoOf(error) !== 'ENOSYS') throw error;
  }
}

/** The error for a selector that leads nowhere. */
export function missingSource(selector: BytePath, cause?: unknown): SlipwayError {
  return new SlipwayError('MOUNT_SOURCE_MISSING', `"${fromBytePath(selector)}": not found in what is mounted`, {
    ...(cause === undefined ? {} : { cause }),
    facts: { path: fromBytePath(selector) },
  });
}
