// ADD of an archive: its members are laid into a directory that acts as the root, as `tar -x` in a chroot would.

import { baseName, type BytePath, fromBytePath, parentPath, SlipwayError } from '../base/index.ts';
import { type Entry, isLayerXattr, type TarMember } from '../layer/index.ts';
import { type EntryTime, makeDirectories, shown } from './file-actions.ts';
import type { EntryMeta } from './entry-meta.ts';
import type { ByteSource, Draft, DraftNode, Inode } from './file-draft.ts';
import type { Ids } from './file-owner.ts';
import { cleanPath, resolvePath } from './file-path.ts';

/** A member with its bytes at hand. */
export interface ArchiveMember {
  readonly member: TarMember;
  readonly bytes: ByteSource | undefined;
}

/**
 * Lays members into `directory`, which exists. Owners are the archive's unless `owner` is given; directories that the archive does not
 * name are root's. Whiteout names mean nothing here. Nothing outside `directory` is reached, whatever names and links say.
 */
export function unpackInto(
  draft: Draft,
  directory: BytePath,
  members: Iterable<ArchiveMember>,
  owner: Ids | undefined,
  now: EntryTime,
): void {
  for (const { member, bytes } of members) {
    const path = cleanPath(member.name);
    const implied = { mode: 0o755, owner: undefined, time: now };
    const parent = resolvePath(draft, parentPath(path), { followLast: true, root: directory });
    makeDirectories(draft, parent, implied);
    const node = path === '' ? draft.at(directory) : draft.at(parent === '' ? baseName(path) : `${parent}/${baseName(path)}`);
    // The root of the archive says nothing about the directory it is laid into.
    if (path === '' && node.entry?.kind === 'dir') continue;
    if (node.entry !== undefined && !(node.entry.kind === 'dir' && member.kind === 'dir')) node.remove();
    if (member.kind === 'hardlink') linkTo(draft, directory, node, member, owner);
    else node.put({ meta: metaOfMember(member, node.entry, owner), bytes });
  }
}

function linkTo(draft: Draft, directory: BytePath, node: DraftNode, member: TarMember, owner: Ids | undefined): void {
  const link = cleanPath(member.link);
  const parent = resolvePath(draft, parentPath(link), { followLast: true, root: directory });
  const target = draft.at(parent === '' ? baseName(link) : `${parent}/${baseName(link)}`);
  const inode: Inode | undefined = target.entry === undefined || target.entry.kind === 'dir' ? undefined : target.inode();
  if (inode === undefined) {
    throw new SlipwayError('ARCHIVE_LINK', `link ${shown(link)} ${shown(cleanPath(member.name))}: no such file or directory`, {
      hint: 'the archive has a hard link to a file that neither it nor the destination has',
      facts: { link: fromBytePath(link) },
    });
  }
  // As chown, chmod and utime on the new name do: they reach the file itself.
  if (inode.meta.kind !== 'symlink') inode.meta = { ...inode.meta, mode: member.mode };
  const xattrs = { ...inode.meta.xattrs, ...keptXattrs(member) };
  inode.meta = {
    ...inode.meta,
    ...(owner ?? { uid: member.uid, gid: member.gid }),
    mtime: member.mtime,
    mtimeNs: member.mtimeNs,
    ...(Object.keys(xattrs).length > 0 && { xattrs }),
  };
  node.put(inode);
}

function metaOfMember(member: TarMember, before: Entry | undefined, owner: Ids | undefined): EntryMeta {
  if (member.kind === 'hardlink') throw new Error('internal: a hard link is no file of its own');
  const xattrs = { ...before?.xattrs, ...keptXattrs(member) };
  return {
    kind: member.kind,
    mode: member.kind === 'symlink' ? 0o777 : member.mode,
    uid: owner?.uid ?? member.uid,
    gid: owner?.gid ?? member.gid,
    size: member.kind === 'file' ? member.size : 0,
    mtime: member.mtime,
    mtimeNs: member.mtimeNs,
    ...(member.kind === 'symlink' && { link: member.link }),
    ...((member.kind === 'char' || member.kind === 'block') && { devMajor: member.devMajor, devMinor: member.devMinor }),
    ...(Object.keys(xattrs).length > 0 && { xattrs }),
  };
}

/** What may label a file of an image: never overlay's own steering, nor labels of some machine. */
function keptXattrs(member: TarMember): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(member.xattrs ?? {})) if (isLayerXattr(name)) kept[name] = value;
  return kept;
}
