// From a target of a Bake file to a BuildRequest: its attributes are the flags of `slipway build` by other names.

import { isAbsolute, join, resolve } from 'node:path';
import { SlipwayError } from '../../base/index.ts';
import { type BakeTarget, csvOf } from '../../bake/index.ts';
import { type BuildRequest, type ContextInput, contextKey, isRemoteContext, linkedTarget, parseOutput } from '../../build/index.ts';
import { type DockerfileCall, readCall } from '../call.ts';
import { splitCsv } from '../fields.ts';
import { readPlatforms, readTag } from '../names.ts';
import { deletesBelow, outputFrom, readAttest, readCache } from '../results.ts';
import { parseBytes } from '../sizes.ts';
import { readContext, readDockerfile, readNamedContext } from '../sources.ts';
import { readEntitlement, readHosts, readNetwork, readResources, readSecret, readSsh, readUlimits } from '../steps.ts';
import type { Surroundings } from '../surroundings.ts';
import { localPath } from './rights.ts';

/** A build, or what is asked of its Dockerfile in place of it. */
export interface TargetRequest {
  readonly request: BuildRequest;
  readonly call: DockerfileCall | undefined;
}

/** Reads a target. `granted`: rights that the caller has given. Throws `CONTEXT_NOT_FOUND`, `USAGE`, and what its secrets and agents lack. */
export function readTarget(target: BakeTarget, granted: readonly string[], around: Surroundings): TargetRequest {
  const { network, shmSize, noCache = false, noCacheFilter = [] } = target;
  const context = contextOf(target, around);
  const dockerfile = dockerfileOf(target, context, around);
  const outputs = (target.outputs ?? []).map((fields) => outputFrom(around, parseOutput(csvOf(fields))));
  const platforms = readPlatforms(target.platforms, around);
  const resources = readResources(target.resources ?? {});
  const request: BuildRequest = {
    name: target.name,
    context,
    ...(dockerfile === undefined ? {} : { dockerfile }),
    ...(target.target === undefined || target.target === '' ? {} : { target: target.target }),
    buildArgs: target.args ?? {},
    ...(platforms === undefined ? {} : { platforms }),
    labels: target.labels ?? {},
    annotations: target.annotations ?? [],
    namedContexts: Object.fromEntries(Object.entries(target.contexts ?? {}).map(([name, value]) => namedContextOf(name, value, around))),
    ...(noCache ? { noCache } : noCacheFilter.length === 0 ? {} : { noCache: noCacheFilter.flatMap(splitCsv) }),
    pull: target.pull ?? false,
    tags: (target.tags ?? []).flatMap(splitCsv).map(readTag),
    outputs,
    cacheFrom: (target.cacheFrom ?? []).flatMap((fields) => readCache('cache-from', csvOf(fields), around)),
    cacheTo: (target.cacheTo ?? []).flatMap((fields) => readCache('cache-to', csvOf(fields), around)),
    attests: (target.attest ?? []).map((fields) => readAttest(csvOf(fields))),
    secrets: (target.secrets ?? []).map(csvOf).flatMap((entry) => (entry === '' ? [] : [readSecret(entry, around)])),
    ssh: (target.ssh ?? []).map(({ id, paths }) => readSsh(paths.length === 0 ? id || 'default' : `${id}=${paths.join(',')}`, around)),
    ...(network === undefined ? {} : { network: readNetwork(network) }),
    extraHosts: readHosts(Object.entries(target.extraHosts ?? {}).map(([host, ip]) => `${host}=${ip}`)),
    ...(shmSize === undefined ? {} : { shmSize: parseBytes('shm-size', shmSize) }),
    ulimits: readUlimits(target.ulimits ?? []),
    ...(resources === undefined ? {} : { resources }),
    entitlements: [
      ...(target.entitlements ?? []).flatMap(readEntitlement),
      ...(granted.includes('buildx.local.delete') || deletesBelow(outputs, around.cwd) ? ['buildx.local.delete'] : []),
    ],
  };
  return { request, call: target.call === undefined ? undefined : readCall(target.call) };
}

/**
 * What is an address by its form is one, whatever folder there may be by that name: as a path it would lead where no right was asked for
 * (`https://../../etc`).
 */
function contextOf({ context = '.' }: BakeTarget, around: Surroundings): Extract<ContextInput, { kind: 'folder' | 'url' }> {
  if (isRemoteContext(context)) return { kind: 'url', url: context };
  const path = localPath(context);
  if (path !== undefined && !context.startsWith('oci-layout://')) return readContext(path, around);
  throw new SlipwayError('CONTEXT_NOT_FOUND', `the context ${context} is neither a folder nor an address of one`, {
    hint: 'an image or another target is a named context: contexts = { NAME = … }',
  });
}

/** A link to another target stays as it is: `buildTogether()` knows what it means. */
function namedContextOf(name: string, value: string, around: Surroundings): readonly [string, string] {
  if (linkedTarget(value) !== undefined) return [contextKey(name), value];
  return readNamedContext(`${name}=${value.startsWith('cwd://') ? (localPath(value) as string) : value}`, around);
}

/** The Dockerfile, whose path starts at the context. The usual one need not be named. */
function dockerfileOf(
  { dockerfile = 'Dockerfile', dockerfileInline: text }: BakeTarget,
  context: ContextInput,
  around: Surroundings,
): BuildRequest['dockerfile'] {
  if (text !== undefined) return { kind: 'text', text, filename: 'Dockerfile' };
  if (dockerfile === 'Dockerfile') return undefined;
  if (dockerfile.startsWith('cwd://')) return { kind: 'path', path: resolve(around.cwd, localPath(dockerfile) as string) };
  if (context.kind !== 'folder') return { kind: 'path', path: dockerfile };
  return readDockerfile(isAbsolute(dockerfile) ? dockerfile : join(context.path, dockerfile), context, around);
}
