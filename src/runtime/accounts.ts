// Who USER means: looked up in the root filesystem's own /etc/passwd and /etc/group, with the rules of Docker and BuildKit.

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { type BytePath, errnoOf, fsPath, SlipwayError } from '../base/index.ts';
import { holdInRoot } from '../sys/index.ts';

/** A resolved user. `groups` always has `gid` in it (CVE-2022-2990, CVE-2023-25173). */
export interface Account {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  /** Home directory from /etc/passwd, empty where it names none; `/` when the user is not in it. */
  readonly home: string;
}

const MAX_FILE_BYTES = 10 << 20;
/** The kernel's own limit, NGROUPS_MAX. */
const MAX_GROUPS = 65_536;
const MAX_ID = 2 ** 31 - 1;
/** Of 32 bits, and not the one that means none. */
const NO_ID = 2 ** 32 - 1;

/**
 * Resolves `user` as written after USER (`''` is root): `name`, `uid`, `name:group`, `uid:gid`, …
 * - `uid:gid` in numbers is taken as it is, without supplementary groups;
 * - a number alone takes group and supplementary groups from the entry with that uid, else group 0;
 * - a name must exist, and so must a group's name; supplementary groups are those that list the user, unless a group is given.
 * Throws `USER_UNKNOWN`.
 */
export function resolveAccount(root: BytePath, user: string): Account {
  const [name = '', groupName = ''] = user.split(':');
  const passwd = (): readonly Passwd[] => readPasswd(root);
  if (user.includes(':')) {
    const [uid, gid] = [plainId(name), plainId(groupName)];
    if (uid !== undefined && gid !== undefined) return account(uid, gid, [], homeOf(uid, passwd()));
  }
  const uid = numericId(name);
  const gid = numericId(groupName);
  const entries = passwd();
  const entry = entries.find((each) => (name === '' ? each.uid === 0 : uid === undefined ? each.name === name : each.uid === uid));
  if (entry === undefined && name !== '' && uid === undefined) {
    throw unknown(`unable to find user ${name}: no matching entries in passwd file`, 'user', name);
  }
  const id = entry?.uid ?? uid ?? 0;
  if (groupName !== '') {
    const group = readGroups(root).find((each) => (gid === undefined ? each.name === groupName : each.gid === gid));
    if (group === undefined && gid === undefined) {
      throw unknown(`unable to find group ${groupName}: no matching entries in group file`, 'group', groupName);
    }
    return account(id, group?.gid ?? gid ?? 0, [], homeOf(id, entries));
  }
  const member = entry === undefined || entry.name === '' ? [] : readGroups(root).filter((group) => group.members.includes(entry.name));
  return account(
    id,
    entry?.gid ?? 0,
    member.map((group) => group.gid),
    homeOf(id, entries),
  );
}

/** Who has the id decides, not who was named: of several accounts with one id, runc takes the first one's. */
function homeOf(uid: number, entries: readonly Passwd[]): string | undefined {
  return entries.find((entry) => entry.uid === uid)?.home;
}

/** Numbers of the files that no id can be would come out as another one, root's among them (CVE-2024-40635). */
function account(uid: number, gid: number, groups: readonly number[], home: string | undefined): Account {
  if (groups.length > MAX_GROUPS)
    throw unknown(`the user is in ${groups.length} groups, and no process can be in more than ${MAX_GROUPS}`, 'user', String(uid));
  for (const id of [uid, gid, ...groups]) {
    if (id < 0 || id >= NO_ID) throw unknown(`${id} is no user or group id (0-${NO_ID - 1})`, 'id', String(id));
  }
  const all = groups.includes(gid) ? groups : [gid, ...groups];
  return { uid, gid, groups: all, home: home ?? '/' };
}

function unknown(message: string, kind: string, name: string): SlipwayError {
  return new SlipwayError('USER_UNKNOWN', message, {
    hint: `create the ${kind} in an earlier RUN, or write its number`,
    facts: { [kind]: name },
  });
}

/** For the fast way of `uid:gid`: digits, or root. */
function plainId(text: string): number | undefined {
  if (text === 'root') return 0;
  return /^\d+$/.test(text) && Number(text) <= 0xffff_ffff ? Number(text) : undefined;
}

/** Undefined: a name. Throws for a number that is out of range. */
function numericId(text: string): number | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined;
  const id = Number(text);
  if (id < 0 || id > MAX_ID) throw unknown(`uids and gids must be in range 0-${MAX_ID}, got ${text}`, 'user', text);
  return id;
}

interface Passwd {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

function readPasswd(root: BytePath): readonly Passwd[] {
  return lines(root, '/etc/passwd').map((line) => {
    const [name = '', , uid = '', gid = '', , home = ''] = line.split(':');
    return { name, uid: looseNumber(uid), gid: looseNumber(gid), home };
  });
}

function readGroups(root: BytePath): readonly Group[] {
  return lines(root, '/etc/group')
    .filter((line) => !line.startsWith('#'))
    .map((line) => {
      const [name = '', , gid = '', members = ''] = line.split(':');
      return { name, gid: looseNumber(gid), members: members === '' ? [] : members.split(',') };
    });
}

/** Broken numbers count as 0, as the peers read them. */
function looseNumber(text: string): number {
  return /^[+-]?\d+$/.test(text) ? Number(text) : 0;
}

/** Trimmed, non-empty lines. What is absent, or no regular file, is empty; one too large is refused. */
function lines(root: BytePath, path: BytePath): readonly string[] {
  const fd = openInRoot(root, path);
  if (fd === undefined) return [];
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) return [];
    if (stat.size > MAX_FILE_BYTES) throw new SlipwayError('USER_UNKNOWN', `${path} exceeds ${MAX_FILE_BYTES} bytes`);
    const bytes = Buffer.alloc(stat.size);
    const length = readSync(fd, bytes, 0, bytes.length, 0);
    return bytes
      .toString('utf8', 0, length)
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
  } finally {
    closeSync(fd);
  }
}

/** A file of the root, whatever symlinks lead to it inside. Undefined: it is not there, or cannot be read. */
function openInRoot(root: BytePath, path: BytePath): number | undefined {
  try {
    using place = holdInRoot(root, path);
    if (!place.there || place.names.length !== 1) return undefined;
    return openSync(fsPath(`${place.folder}/${place.names[0]}`), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'ENXIO'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}
