// The parameters of `POST /build` as a build request.

import { isIP } from 'node:net';
import type { BuildRequest } from '../../build/index.ts';
import { RpcError } from '../wire/rpc-error.ts';

/** Reads them. Throws InvalidArgument. `context` is the archive that came as the body. */
export function readBuildQuery(query: URLSearchParams, context: NonNullable<BuildRequest['context']>): BuildRequest {
  const flag = (name: string): boolean => /^(1|true|yes|on)$/i.test(query.get(name) ?? '');
  const text = (name: string): string | undefined => query.get(name) || undefined;
  const number = (name: string): number | undefined => {
    const value = text(name);
    if (value === undefined || value === '0') return undefined;
    if (!/^-?\d+$/.test(value)) throw new RpcError('invalidArgument', `${name} is no number: ${JSON.stringify(value)}`);
    return Number(value);
  };
  const table = (name: string): Record<string, string> => {
    const value = json(query, name);
    if (value === undefined || value === null) return {};
    if (typeof value !== 'object' || Array.isArray(value)) throw new RpcError('invalidArgument', `${name} is no table`);
    return Object.fromEntries(Object.entries(value).flatMap(([key, item]) => (typeof item === 'string' ? [[key, item]] : [])));
  };
  const dockerfile = text('dockerfile');
  const target = text('target');
  const platform = text('platform');
  const shmSize = number('shmsize');
  const cgroupParent = text('cgroupparent');
  const network = text('networkmode');
  const resources = {
    memory: number('memory'),
    memorySwap: number('memswap'),
    cpuShares: number('cpushares'),
    cpuPeriod: number('cpuperiod'),
    cpuQuota: number('cpuquota'),
    cpusetCpus: text('cpusetcpus'),
    cpusetMems: text('cpusetmems'),
  };
  const limits = Object.fromEntries(Object.entries(resources).filter(([, value]) => value !== undefined));
  const tags = query.getAll('t').filter((tag) => tag !== '');
  if (network !== undefined && !['default', 'bridge', 'none', 'host'].includes(network))
    throw new RpcError('invalidArgument', `network mode ${JSON.stringify(network)} is not supported`);
  return {
    context,
    ...(dockerfile !== undefined && { dockerfile: { kind: 'path', path: dockerfile } }),
    ...(target !== undefined && { target }),
    ...(platform !== undefined && { platforms: [platform] }),
    buildArgs: table('buildargs'),
    labels: table('labels'),
    noCache: flag('nocache'),
    pull: flag('pull'),
    tags,
    outputs: [{ type: 'image', attributes: tags.length === 0 ? {} : { name: tags.join(',') } }],
    cacheFrom: cacheFrom(json(query, 'cachefrom')),
    extraHosts: query.getAll('extrahosts').map(readHost),
    ulimits: readUlimits(json(query, 'ulimits')),
    ...(shmSize !== undefined && { shmSize }),
    ...(cgroupParent !== undefined && { cgroupParent }),
    ...(network !== undefined && { network: network === 'none' || network === 'host' ? network : 'default' }),
    ...(network === 'host' && { entitlements: ['network.host'] }),
    ...(Object.keys(limits).length > 0 && { resources: limits }),
    allStages: true,
  };
}

function json(query: URLSearchParams, name: string): unknown {
  const text = query.get(name) ?? '';
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new RpcError('invalidArgument', `${name} is no JSON: ${(error as Error).message}`);
  }
}

function cacheFrom(value: unknown): NonNullable<BuildRequest['cacheFrom']> {
  if (!Array.isArray(value)) return [];
  return value.filter((ref) => typeof ref === 'string').map((ref) => ({ type: 'registry', attributes: { ref } }));
}

function readHost(text: string): { host: string; ip: string } {
  const match = /^([^:=]+)[:=](.+)$/.exec(text);
  if (match === null) throw new RpcError('invalidArgument', `bad format for add-host: ${JSON.stringify(text)}`);
  const ip = (match[2] as string).replace(/^\[(.*)\]$/, '$1');
  if (ip !== 'host-gateway' && isIP(ip) === 0)
    throw new RpcError('invalidArgument', `invalid IP address in add-host: ${JSON.stringify(ip)}`);
  return { host: match[1] as string, ip };
}

function readUlimits(value: unknown): NonNullable<BuildRequest['ulimits']> {
  if (!Array.isArray(value)) return [];
  return (value as { Name?: string; Soft?: number; Hard?: number }[]).flatMap(({ Name, Soft, Hard }) =>
    typeof Name === 'string' && typeof Soft === 'number' ? [{ name: Name, soft: Soft, hard: Hard ?? Soft }] : [],
  );
}
