// The source room: what a build starts from, brought in from the user's folders, archives, git and http.

export { archiveFault, type ArchivePart, readArchive } from './archive.ts';
export { isArchive } from './archive-head.ts';
export { FileDigester } from './digest-files.ts';
export { FileSpool } from './file-spool.ts';
export { EMPTY_DIGEST, EMPTY_SHA256 } from './file-hash.ts';
export { type FilterVerdict, type FolderFilter, KEEP_ALL } from './filter.ts';
export { folderDigest } from './folder-digest.ts';
export { FolderDirectory, type FolderNode } from './folder-directory.ts';
export { type FolderOptions, FolderTree } from './folder-tree.ts';
export {
  type CheckedOut,
  checkOut,
  fetchCommit,
  findCommit,
  type GitCheckout,
  type GitMirror,
  objectFormat,
  openMirror,
} from './git-checkout.ts';
export { GitCommand, type GitEnvironment } from './git-command.ts';
export type { GitFound, GitWanted } from './git-remote.ts';
export { fetchFile, type HttpExchange, type HttpOutcome, type HttpRecord, type HttpRequest, parseHttpUrl, shownUrl } from './http-file.ts';
export { rememberStats } from './remember-stats.ts';
export { StatCache } from './stat-cache.ts';
export { pausingWalk, type RowVisitor, walkRows } from './walk-rows.ts';
