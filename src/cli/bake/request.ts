// From a target of a Bake file to a BuildRequest: its attributes are the flags of `slipway build` by other names.

import { isAbsolute, join, resolve } from 'node:path';
import { type BakeTarget, csvOf } from '../../bake/index.ts';
import { type BuildRequest, contextKey, linkedTarget } from '../../build/index.ts';
import { ParsedFlags } from '../flags.ts';
import { type BuildCall, readBuildCall } from '../request/build-call.ts';
import type { World } from '../world.ts';
import { localPath } from './rights.ts';

/** Reads a target. `common`: flags of the whole bake. Throws what reading the flags of a build throws. */
export async function readTarget(target: BakeTarget, common: ParsedFlags, world: World): Promise<BuildCall> {
  const linked = Object.entries(target.contexts ?? {}).filter(([, value]) => linkedTarget(value) !== undefined);
  const { request, call } = await readBuildCall(new ParsedFlags(flagsOf(target, common), [contextOf(target)]), world);
  const dockerfile = dockerfileOf(target, world);
  return {
    call,
    request: {
      ...request,
      name: target.name,
      ...(dockerfile === undefined ? {} : { dockerfile }),
      namedContexts: { ...request.namedContexts, ...Object.fromEntries(linked.map(([name, value]) => [contextKey(name), value])) },
    },
  };
}

/** Flags of `slipway build` that mean the same for every target of a bake. */
const COMMON = ['log-limit', 'no-new-privileges', 'step-timeout', 'trust', 'root', 'config'];

function flagsOf(target: BakeTarget, common: ParsedFlags): ReadonlyMap<string, readonly string[]> {
  const { outputs = [], cacheFrom = [], cacheTo = [], secrets = [], ssh = [] } = target;
  const contexts = Object.entries(target.contexts ?? {}).filter(([, value]) => linkedTarget(value) === undefined);
  const pairs = (record: Readonly<Record<string, string>> = {}): string[] =>
    Object.entries(record).map(([name, value]) => `${name}=${value}`);
  const one = (value: string | undefined): readonly string[] => (value === undefined ? [] : [value]);
  const yes = (value: boolean | undefined): readonly string[] => (value === true ? ['true'] : []);
  const values: Readonly<Record<string, readonly string[]>> = {
    'add-host': pairs(target.extraHosts),
    allow: [...(target.entitlements ?? []), ...common.list('allow').filter((right) => right === 'buildx.local.delete')],
    annotation: target.annotations ?? [],
    attest: (target.attest ?? []).map(csvOf),
    'build-arg': pairs(target.args),
    'build-context': contexts.map(([name, value]) => `${name}=${value.startsWith('cwd://') ? (localPath(value) as string) : value}`),
    'cache-from': cacheFrom.map(csvOf),
    'cache-to': cacheTo.map(csvOf),
    call: one(target.call),
    file: target.dockerfileInline === undefined ? one(fileOf(target)) : [],
    label: pairs(target.labels),
    network: one(target.network),
    'no-cache': yes(target.noCache),
    'no-cache-filter': target.noCache === true ? [] : (target.noCacheFilter ?? []),
    output: outputs.map(csvOf),
    platform: target.platforms ?? [],
    pull: yes(target.pull),
    resource: pairs(target.resources),
    secret: secrets.map(csvOf),
    'shm-size': one(target.shmSize),
    ssh: ssh.map(({ id, paths }) => (paths.length === 0 ? id || 'default' : `${id}=${paths.join(',')}`)),
    tag: target.tags ?? [],
    target: one(target.target),
    ulimit: target.ulimits ?? [],
    ...Object.fromEntries(COMMON.map((name) => [name, common.list(name)])),
  };
  return new Map(Object.entries(values).filter(([, list]) => list.length > 0));
}

function contextOf({ context = '.' }: BakeTarget): string {
  return context.startsWith('cwd://') ? (localPath(context) as string) : context;
}

/** The Dockerfile's path, which a target tells from its context. The usual one need not be named. */
function fileOf({ dockerfile, ...target }: BakeTarget): string | undefined {
  if (dockerfile === undefined || dockerfile === 'Dockerfile') return undefined;
  if (dockerfile.startsWith('cwd://')) return localPath(dockerfile);
  const folder = localPath(contextOf(target));
  return folder === undefined || isAbsolute(dockerfile) ? dockerfile : join(folder, dockerfile);
}

/** A Dockerfile that is no file of this machine. */
function dockerfileOf({ dockerfile, dockerfileInline, ...target }: BakeTarget, { cwd }: World): BuildRequest['dockerfile'] {
  if (dockerfileInline !== undefined) return { kind: 'text', text: dockerfileInline, filename: 'Dockerfile' };
  const remote = localPath(contextOf(target)) === undefined;
  if (!remote || dockerfile === undefined || dockerfile === 'Dockerfile') return undefined;
  return { kind: 'path', path: dockerfile.startsWith('cwd://') ? resolve(cwd, localPath(dockerfile) as string) : dockerfile };
}
