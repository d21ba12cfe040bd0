// Layers of this store and root filesystems made of them.

export * from './types.ts';
