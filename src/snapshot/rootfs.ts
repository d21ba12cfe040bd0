// Root filesystems for processes: a stack of layer folders with something to write on top, and read-only looks into such stacks.

import type { BytePath, JobContext } from '../base/index.ts';
import type { OverlayNamespace } from '../layer/index.ts';
import type { StubPoint } from './overlay-stubs.ts';

/** Makes root filesystems. One per builder; any number at a time. */
export interface RootfsMounter extends AsyncDisposable {
  readonly driver: 'overlay' | 'copy';
  /** Why it is not overlay, when it is not. */
  readonly driverReason?: string;
  /** A stack with a place for changes. */
  mount(request: MountRequest, job: JobContext): Promise<MountedRootfs>;
  /** A path inside a stack, to be mounted into a process. Rejects with `MOUNT_SOURCE_MISSING` when the stack has no such path. */
  view(request: ViewRequest, job: JobContext): Promise<MountedView>;
  /**
   * The same for a path inside the folder `within`, where what a process writes stays. One process at a time may have it where nothing can be
   * mounted. Throws `MOUNT_SOURCE_MISSING`.
   */
  inFolder(within: BytePath, selector: BytePath): MountedView;
}

export interface MountRequest {
  /** Folders in overlay's form, lowest first; empty: an empty root. */
  readonly lowers: readonly string[];
  /** Identity of the stack: a root that `keep` named so is taken over instead of being made. */
  readonly key?: string;
  /**
   * Where things will be mounted in it (`Executor.mountPoints`): they exist from the start without being part of the changes, unless the
   * step writes into them, or they are `lasting`: see StubPoint.
   */
  readonly mountPoints?: readonly StubPoint[];
}

/** Disposing throws away what was not committed. */
export interface MountedRootfs extends AsyncDisposable {
  /** The root folder, absolute. */
  readonly root: BytePath;
  /**
   * Ends the mount and gives the changes as a folder in overlay's form, for `LayerStore.commitFolder`, which moves it away. No process may use
   * the root any more.
   */
  commit(): Promise<string>;
  /** After `commit`: the tree as it stands is what `key` names from now on. A hint: the copy driver saves the next copy. */
  keep(key: string): void;
}

export interface ViewRequest {
  readonly lowers: readonly string[];
  /** Path inside the stack; `''` or `/` is all of it. Symlinks are followed inside the stack, whoever made them. */
  readonly selector: BytePath;
  /** Writes are allowed, and thrown away. */
  readonly writable: boolean;
}

/** Disposing takes it away; no process may use it any more. */
export interface MountedView extends AsyncDisposable {
  /** A folder or file, absolute; through no symlink. */
  readonly path: BytePath;
  readonly kind: 'dir' | 'file';
}

export interface RootfsMounterOptions {
  /** Forced driver; default: overlay where `folder` allows it. */
  readonly driver?: 'overlay' | 'copy';
  /** Whether this process may mount (every rung but the chroot ones). */
  readonly mounts: boolean;
  /** Namespace of overlay's attributes in the layer folders. Default: the one that the layer store of this process uses. */
  readonly overlay?: OverlayNamespace;
  /** A new path for a temporary folder, on the layers' filesystem and removed by the store when this process dies. */
  readonly tempFolder: (hint: string) => string;
  /** Folder of the store for small things that outlive a build (stubs of mount points). */
  readonly workDir: string;
}

/** Options with all decided. */
export type MounterSettings = RootfsMounterOptions & { readonly overlay: OverlayNamespace };
