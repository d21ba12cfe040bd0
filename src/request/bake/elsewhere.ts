// A Bake file that is elsewhere: what its relative paths mean, and how its repository is reached.

import { SlipwayError } from '../../base/index.ts';
import type { BakePlan, BakeTarget } from '../../bake/index.ts';
import { type BuildOptions, isRemoteContext, linkedTarget } from '../../build/index.ts';
import type { Surroundings } from '../surroundings.ts';

/** What lets a repository be read, by the variables that Docker's command reads. */
export function repositoryLogin({ env }: Surroundings): Pick<BuildOptions, 'secrets' | 'ssh'> {
  const secret = (id: string): NonNullable<BuildOptions['secrets']> => {
    const value = env[`BUILDX_BAKE_${id}`];
    return value === undefined || value === '' ? [] : [{ id, kind: 'value', value: Buffer.from(value) }];
  };
  const agent = env['BUILDX_BAKE_GIT_SSH'] || env['SSH_AUTH_SOCK'];
  return {
    secrets: [...secret('GIT_AUTH_TOKEN'), ...secret('GIT_AUTH_HEADER')],
    ssh: agent === undefined || agent === '' ? [] : [{ id: 'default', paths: agent.split(',') }],
  };
}

/** The plan of a file from `url`: relative contexts are folders beside it. Throws `BAKE_CONTEXT`. */
export function contextsElsewhere(plan: BakePlan, url: string): BakePlan {
  const there = (path: string, target: BakeTarget): string => {
    if (linkedTarget(path) !== undefined || path.startsWith('cwd://') || path.includes('://') || isRemoteContext(path)) return path;
    if (path.startsWith('/')) throw beyond(target, path, url);
    return folderOf(url, path) ?? raise(target, path, url);
  };
  const targets = [...plan.targets].map(([name, target]) => {
    const contexts = Object.entries(target.contexts ?? {}).map(([context, path]) => [context, there(path, target)] as const);
    return [
      name,
      {
        ...target,
        ...(target.context === undefined ? {} : { context: there(target.context, target) }),
        ...(contexts.length === 0 ? {} : { contexts: Object.fromEntries(contexts) }),
      },
    ] as const;
  });
  return { ...plan, targets: new Map(targets) };
}

function raise(target: BakeTarget, path: string, url: string): never {
  throw beyond(target, path, url);
}

function beyond({ name, location }: BakeTarget, path: string, url: string): SlipwayError {
  return new SlipwayError('BAKE_CONTEXT', `the context ${path} of target ${name} is not a folder of ${url}`, {
    hint: 'a folder of a git repository, or cwd://PATH for one of the current folder',
    ...(location === undefined ? {} : { location }),
  });
}

/** The address of a folder at a path from what `url` names; undefined: there is no way to say it. */
function folderOf(url: string, path: string): string | undefined {
  const [address = '', fragment = ''] = url.split('#', 2);
  const colon = fragment.indexOf(':');
  const [ref, subdir] = colon < 0 ? [fragment, ''] : [fragment.slice(0, colon), fragment.slice(colon + 1)];
  const parts: string[] = [];
  for (const part of `${subdir}/${path}`.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  if (parts.join('/') === subdir.replace(/^\/+|\/+$/g, '')) return url;
  return address.includes('?') || !isRepository(address) ? undefined : `${address}#${ref}:${parts.join('/')}`;
}

/** An address over http is a repository's when it says so. */
function isRepository(address: string): boolean {
  return !/^https?:\/\//.test(address) || address.endsWith('.git');
}
