// Layers of this store and root filesystems made of them.

export * from './types.ts';
export type { MountedRootfs, MountedView, MountRequest, RootfsMounter, RootfsMounterOptions, ViewRequest } from './rootfs.ts';
export { openRootfsMounter } from './rootfs-open.ts';
export { openLayerStore, type LayerStoreOptions } from './layer-store.ts';
export type { LayerSurroundings } from './layer-files.ts';
export { shownAs } from './shown-fetch.ts';
