// The engine: vertices, keys, scheduler. Knows nothing of containers.

export * from './types.ts';
