// The user an image runs as, looked up in the image, and what that user may open.

import type { BytePath } from '../base/index.ts';
import type { Entry, Tree } from '../layer/index.ts';
import { textAt } from './tree-files.ts';

/** Who the image's processes are; `problem`: the runtime refuses to start them. */
export interface ImageUser {
  readonly uid: number;
  readonly gids: ReadonlySet<number>;
  readonly problem?: string;
}

/** Reads `name|uid[:group|gid]` against /etc/passwd and /etc/group. */
export function imageUser(tree: Tree, text: string): ImageUser {
  const [user = '', group] = text.split(':', 2) as [string, string | undefined];
  const rows = (path: BytePath): string[][] => (textAt(tree, path) ?? '').split('\n').map((line) => line.split(':'));
  const accounts = rows('etc/passwd');
  const numeric = /^\d+$/.test(user);
  const account =
    user === '' ? accounts.find((row) => row[2] === '0') : accounts.find((row) => row[0] === user || (numeric && row[2] === user));
  if (account === undefined && user !== '' && !numeric)
    return { uid: 0, gids: new Set([0]), problem: `user ${user} is not in /etc/passwd` };
  const uid = Number(account?.[2] ?? (numeric ? user : 0));
  const groups = rows('etc/group');
  if (group !== undefined && group !== '') {
    const row = groups.find((candidate) => candidate[0] === group || (/^\d+$/.test(group) && candidate[2] === group));
    if (row === undefined && !/^\d+$/.test(group)) return { uid, gids: new Set([0]), problem: `group ${group} is not in /etc/group` };
    return { uid, gids: new Set([Number(row?.[2] ?? group)]) };
  }
  const more = account === undefined ? [] : groups.filter((row) => (row[3] ?? '').split(',').includes(account[0] as string));
  return { uid, gids: new Set([Number(account?.[3] ?? 0), ...more.map((row) => Number(row[2]))]) };
}

/** Whether the user has all of `bits` (4 read, 2 write, 1 execute or enter) on an entry. Root needs one x bit for programs only. */
export function mayUse(user: ImageUser, { uid, gid, mode, kind }: Entry, bits: number): boolean {
  if (user.uid === 0) return kind === 'dir' || (bits & 1) === 0 || (mode & 0o111) !== 0;
  const own = user.uid === uid ? mode >> 6 : user.gids.has(gid) ? mode >> 3 : mode;
  return (own & bits) === bits;
}

/** The first directory on the way to a path that the user may not enter. */
export function closedDirectory(tree: Tree, user: ImageUser, path: BytePath): Entry | undefined {
  const parts = path.split('/');
  for (let length = 0; length < parts.length; length += 1) {
    const entry = tree.lookup(parts.slice(0, length).join('/'));
    if (entry?.kind === 'dir' && !mayUse(user, entry, 1)) return entry;
  }
  return undefined;
}
