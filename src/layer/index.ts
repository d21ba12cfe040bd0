// The layer room: what a change set is, and its tar form.

export { compareEntryPaths, type Entry, type EntryKind } from './entry.ts';
export type { FileBytes, LayerIndex, Tree } from './tree.ts';
