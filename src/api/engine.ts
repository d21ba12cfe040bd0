// The engine's words as this room uses them. One place to see what is taken from below.

export type * from '../build/parts.ts';
