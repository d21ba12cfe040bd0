// What is left out of a user's folder. The patterns' language lives in the Dockerfile room; this is all a folder needs of it.

import type { BytePath } from '../base/index.ts';

/** `search`: the directory itself is out, but something below may be in; it then shows with only that. */
export type FilterVerdict = 'keep' | 'drop' | 'search';

/** Asked from the top down. */
export interface FolderFilter {
  /** Equal for filters that say the same of everything. Without it nothing is remembered of what this one leaves. */
  readonly id?: string;
  /** `parent` is the state that this gave for the directory of `path`; undefined at the top. */
  check(path: BytePath, isDirectory: boolean, parent: unknown): { readonly verdict: FilterVerdict; readonly state: unknown };
}

/** Leaves nothing out. */
export const KEEP_ALL: FolderFilter = { id: '', check: () => KEEP };

const KEEP = { verdict: 'keep', state: undefined } as const;
