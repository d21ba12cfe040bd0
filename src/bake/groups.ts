// Names that a call gives, to targets: patterns, groups, groups in groups.

import { SlipwayError } from '../base/index.ts';
import type { Definitions } from './definition.ts';
import { mistake, nearHint } from './mistake.ts';
import { isPattern, namePattern } from './name-pattern.ts';
import type { BakeGroup } from './target.ts';

/** Targets, and the groups on the way to them, each once. */
export interface Members {
  readonly targets: readonly string[];
  readonly groups: readonly string[];
}

/** A service of a Compose project may have a dot in its name, a target may not. */
export function targetName(name: string): string {
  return name.replaceAll('.', '_');
}

/** The names that `pattern` stands for, groups first. A plain name stands for itself, whether it is defined or not. */
export function matchNames(pattern: string, { targets, groups }: Definitions): readonly string[] {
  if (!isPattern(pattern)) return [pattern];
  const test = namePattern(pattern);
  const names = [...groups, ...targets].map(({ name }) => name).filter(test);
  if (names.length > 0) return [...new Set(names)];
  throw new SlipwayError('BAKE_TARGET_UNKNOWN', `could not find any target matching ${JSON.stringify(pattern)}`, {
    hint: whatThereIs(definedNames({ targets, groups })),
  });
}

/** What a name is made of. A name that is no group is a target's. A group that contains itself ends there. */
export function membersOf(name: string, { groups }: Definitions, seen = new Map<string, Members>()): Members {
  const known = seen.get(name);
  if (known !== undefined) return known;
  const group = groups.find((one) => one.name === name);
  if (group === undefined) return { targets: [name], groups: [] };
  seen.set(name, { targets: [], groups: [] });
  const inner = (group.targets ?? []).map((member) => ({ member, ...membersOf(member, { groups, targets: [] }, seen) }));
  const members = {
    targets: [...new Set(inner.flatMap(({ member, targets }) => (targets.length > 0 ? targets : [member])))],
    groups: [...new Set([name, ...inner.flatMap((one) => one.groups)])],
  };
  seen.set(name, members);
  return members;
}

/** The group `default` as it is printed: its own members, and all names of the call. */
export function defaultGroup(names: readonly string[], own: BakeGroup | undefined): BakeGroup | undefined {
  let group = own;
  for (const name of names) {
    // A target may be called `default` too: it is a member where nothing came before it.
    if (group !== undefined && name === 'default') continue;
    group = { ...(group ?? { name: 'default' }), targets: [...(group?.targets ?? []), name] };
  }
  if (group?.targets === undefined) return group;
  return { ...group, targets: [...new Set(group.targets)].sort() };
}

const NO_FOLDER = 'words behind bake are names of targets; files of this folder are read, and -f names another';

/** For a name that the call gave: what there is. For one that a group gave: the group's place. */
export function unknownTarget(name: string, asked: readonly string[], definitions: Definitions): SlipwayError {
  const names = definedNames(definitions);
  const group = definitions.groups.find(({ targets = [] }) => targets.includes(name));
  if (!asked.includes(name) && group !== undefined) {
    const circle = definitions.groups.some((one) => one.name === name);
    const hint = circle ? 'take one of the groups out of the other' : nearHint(name, names);
    return mistake(`failed to find target ${name}, a member of the group ${group.name}`, { hint, location: group.location });
  }
  const hint = name === 'default' ? whatThereIs(names) : /^_*$|\//.test(name) ? NO_FOLDER : nearHint(name, names);
  return new SlipwayError('BAKE_TARGET_UNKNOWN', `failed to find target ${name}`, hint === undefined ? {} : { hint });
}

function definedNames({ targets, groups }: Definitions): readonly string[] {
  return [...new Set([...groups, ...targets].map(({ name }) => name))];
}

function whatThereIs(names: readonly string[]): string {
  if (names.length === 0) return 'the files define no targets';
  return `name what to build, or define a group "default"; there are ${names.slice(0, 12).join(', ')}${names.length > 12 ? ', …' : ''}`;
}
