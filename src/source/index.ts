// The source room: what a build starts from, brought in from the user's folders, archives, git and http.

export { digestFiles } from './digest-files.ts';
export { type FolderFilter, type FilterVerdict, KEEP_ALL } from './filter.ts';
export { type FolderNode, type FolderOptions, FolderTree } from './folder-tree.ts';
export { rememberStats } from './remember-stats.ts';
export { StatCache } from './stat-cache.ts';
