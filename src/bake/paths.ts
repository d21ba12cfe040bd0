// Paths of contexts: which are folders of this machine, and how they are written when cleaned.

import type { Definitions, TargetDefinition } from './definition.ts';

/** An http or git address. */
export function isRemote(path: string): boolean {
  return /^(?:https?:\/\/|(?:ssh|git):\/\/|github\.com\/|[\w-]+@[\w.-]+:)/i.test(path);
}

function isPlain(path: string): boolean {
  return !/^(?:cwd:\/\/|target:|docker-image:|oci-layout:\/\/)/.test(path) && !isRemote(path);
}

/** Without `.`, `..` and doubled slashes, as far as that can be said without looking. */
export function cleanPath(path: string): string {
  const absolute = path.startsWith('/');
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (part !== '..' || !absolute) parts.push(part);
  }
  if (absolute) return `/${parts.join('/')}`;
  return parts.length === 0 ? '.' : parts.join('/');
}

/** As the path of a context is shown: a folder of the caller's without its scheme. */
export function shownContext(path: string): string {
  if (path.startsWith('cwd://')) return cleanPath(path.slice('cwd://'.length));
  return isRemote(path) ? path : cleanPath(path);
}

/** `path`, seen from `base`, as it is from the working directory. */
export function rebase(base: string, path: string): string {
  return base === '' || path === '' || path.startsWith('/') || !isPlain(path) ? path : cleanPath(`${base}/${path}`);
}

/** Gives contexts the folder that they start from. Targets that name none are built in the folder of their file. */
export function rebaseContexts({ targets, groups }: Definitions): Definitions {
  const moved = new Map(targets.map((target) => [target.name, target.bases ?? {}]));
  return { groups, targets: targets.map((target) => rebaseTarget(target, moved)) };
}

function rebaseTarget(target: TargetDefinition, moved: Map<string, NonNullable<TargetDefinition['bases']>>): TargetDefinition {
  const { bases = {}, context, contexts } = target;
  const taken = bases.contextOf === undefined ? undefined : moved.get(bases.contextOf);
  const base = taken?.context ?? taken?.folder ?? bases.context;
  if (taken !== undefined && base !== undefined) moved.set(target.name, { ...bases, context: base });
  return {
    ...target,
    ...(context === undefined || base === undefined ? {} : { context: rebase(base, context) }),
    ...(contexts === undefined
      ? {}
      : {
          contexts: Object.fromEntries(Object.entries(contexts).map(([name, path]) => [name, rebase(bases.contexts?.[name] ?? '', path)])),
        }),
  };
}
