// System calls that node:fs lacks, through koffi, loaded at the first call. Paths are BytePaths; failures carry `.code` like node's.

export { DirectoryReader, type KnownStamps, openDirectoryAt } from './directory-reader.ts';
export { type SysError, sysError } from './errno.ts';
export { copyRange, lockBlocking, openMemoryFile, sealedCopy, openScoped, Resolve, tryLock } from './file.ts';
export { expectFolder, makeFolders } from './make-folders.ts';
export { closeFile, dateOpen, hasXattrs, openAt, stampOfOpen } from './many-files.ts';
export { fillStamp, sameStamp, Stamp, STAMP, STAMP_WORDS } from './stamp.ts';
export { dropTree, removeTree } from './remove-tree.ts';
export {
  type AsyncForeignFunction,
  type ForeignFunction,
  type Library,
  libcHas,
  libraryVersion,
  loadLibrary,
  openLibrary,
  openProcess,
} from './library.ts';
export { attachMount, fsmount, fsopen, makeMount, mount, MountAttribute, MountFlag, setMountAttributes, unmount } from './mount.ts';
export {
  deviceMajor,
  deviceMinor,
  type FileTime,
  makeDevice,
  mknod,
  renameExchange,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  setTimes,
  setTimesOf,
  type Statx,
  statx,
} from './node.ts';
export { becomeSubreaper, chroot, joinNamespace, Namespace, prctl, setNoNewPrivileges, unshare } from './process.ts';
export { getXattr, listXattrs, readXattrs, setXattr, setXattrOf } from './xattr.ts';
export { makeTerminalRaw, openTerminal, setTerminalSize, type Terminal } from './terminal.ts';
export {
  getProcessLimit,
  openPipe,
  openSocketPair,
  peerUser,
  type ExitStatus,
  reapChild,
  replaceProcess,
  setProcessLimit,
  takeExit,
  setThreadIds,
  type ThreadIds,
} from './child.ts';
export { type SpawnRequest, spawnProcess } from './spawn.ts';
export { type HeldPlace, holdInRoot } from './held-place.ts';
export { cloneTreeOf } from './tree-fd.ts';
