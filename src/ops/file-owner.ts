// `--chown`: names are looked up in the tree's own /etc/passwd and /etc/group; numbers are taken as they are.

import { fromBytePath, SlipwayError } from '../base/index.ts';
import type { Owner } from '../graph/index.ts';
import type { Tree } from '../layer/index.ts';
import { readSource, sourceOf } from './file-draft.ts';
import { resolvePath } from './file-path.ts';

/** Numeric owner. */
export interface Ids {
  readonly uid: number;
  readonly gid: number;
}

/** As BuildKit: more is not read. */
const MAX_USER_FILE = 10 << 20;

/**
 * The ids of an owner. A user without group has its primary group (a number: the same number). A name that the files do not have is 0,
 * as BuildKit has it; `unknown` is told. `treeOf` gives the tree of a file action's input.
 */
export function resolveOwner(owner: Owner, treeOf: (input: number) => Tree, unknown: (kind: 'user' | 'group', name: string) => void): Ids {
  let uid = 0;
  let gid = 0;
  const { user, group } = owner;
  if (user !== undefined && 'id' in user) uid = gid = user.id;
  else if (user !== undefined) {
    const line = findLine(treeOf, user, 'user');
    if (line === undefined) unknown('user', user.name);
    uid = number(line?.[2]);
    gid = number(line?.[3]);
  }
  if (group !== undefined && 'id' in group) gid = group.id;
  else if (group !== undefined) {
    const line = findLine(treeOf, group, 'group');
    if (line !== undefined) gid = number(line[2]);
    else if (group.name !== '') unknown('group', group.name);
  }
  return { uid, gid };
}

/** The fields of the first line with that name. */
function findLine(
  treeOf: (input: number) => Tree,
  who: { readonly name: string; readonly input: number },
  kind: 'user' | 'group',
): readonly string[] | undefined {
  const file = kind === 'user' ? '/etc/passwd' : '/etc/group';
  if (who.input < 0) {
    throw new SlipwayError(
      'CHOWN_NO_FILES',
      `no ${file} to find ${kind} ${JSON.stringify(who.name)} in: the copy starts from an empty filesystem`,
      {
        hint: 'use numeric ids: --chown=1000:1000',
      },
    );
  }
  const tree = treeOf(who.input);
  const path = resolvePath(tree, file, { followLast: true });
  const entry = tree.lookup(path);
  if (entry === undefined) return undefined;
  if (entry.kind !== 'file') throw new SlipwayError('CHOWN_FILE', `/${fromBytePath(path)} is not a regular file`);
  const text = readSource(sourceOf(tree, entry), MAX_USER_FILE, file).toString('utf8');
  for (const line of text.split('\n')) {
    const fields = line.trim().split(':');
    if (fields.length > 1 && fields[0] === who.name) return fields;
  }
  return undefined;
}

function number(field: string | undefined): number {
  const value = Number.parseInt(field ?? '', 10);
  return Number.isInteger(value) && value >= 0 ? value : 0;
}
