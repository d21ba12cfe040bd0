// Options of `dockerfile.v0` as clients send them, read once and refused when they are wrong.

import { isIP } from 'node:net';
import type { CacheEntry } from '../backend.ts';
import type { ExecSpec, GraphOptions, Platform } from '../engine.ts';
import { RpcError } from '../wire/rpc-error.ts';
import { splitFields } from './csv.ts';

export type Attributes = Readonly<Record<string, string>>;

/** What the options say, beside where the context and the Dockerfile are. */
export interface DockerfileOptions {
  readonly graph: Omit<GraphOptions, 'context' | 'ignore' | 'report' | 'buildPlatform'>;
  /** Result as a map by platform, even for one. */
  readonly multiPlatform: boolean;
  readonly cacheImports: readonly CacheEntry[];
  /** Session that has a local folder, by the folder's name. */
  readonly localSessions: ReadonlyMap<string, string>;
}

function refuse(message: string): RpcError {
  return new RpcError('invalidArgument', message);
}

/** Reads the options. `platform` reads one platform word. */
export function readAttributes(attributes: Attributes, platform: (text: string) => Platform): DockerfileOptions {
  const platforms =
    (attributes['platform'] ?? '') === '' ? [] : (attributes['platform'] as string).split(',').map((text) => readPlatform(text, platform));
  const multi = attributes['build-arg:BUILDKIT_MULTI_PLATFORM'] || attributes['multi-platform'] || '';
  const multiPlatform = multi === '' ? platforms.length > 1 : readBoolean(multi);
  if (!multiPlatform && platforms.length > 1) throw refuse('conflicting config: returning multiple target platforms is not allowed');
  if ((attributes['override-copy-image'] ?? '') !== '') throw refuse('support for "override-copy-image" was removed in BuildKit 0.11');
  const hostname = attributes['build-arg:BUILDKIT_SANDBOX_HOSTNAME'] || attributes['hostname'] || '';
  const extraHosts = readHosts(attributes['add-hosts'] ?? '');
  const ulimits = readUlimits(attributes['ulimit'] ?? '');
  const shmSize = readInteger(attributes['shm-size'] ?? '', 'shm-size');
  const resources = readResources(attributes);
  const network = readNetwork(attributes['force-network-mode'] ?? '');
  const noCache = attributes['no-cache'];
  return {
    graph: {
      platforms,
      multiPlatform: platforms.length > 1,
      buildArgs: prefixed(attributes, 'build-arg:'),
      labels: prefixed(attributes, 'label:'),
      namedContexts: Object.keys(prefixed(attributes, 'context:')),
      resolveMode: readResolveMode(attributes['image-resolve-mode'] ?? ''),
      ...(noCache !== undefined && { noCache: noCache === '' ? true : noCache.split(',') }),
      ...((attributes['target'] ?? '') !== '' && { target: attributes['target'] as string }),
      ...(hostname !== '' && { hostname }),
      ...(extraHosts.length > 0 && { extraHosts }),
      ...(ulimits.length > 0 && { ulimits }),
      ...(shmSize !== undefined && { shmSize }),
      ...((attributes['cgroup-parent'] ?? '') !== '' && { cgroupParent: attributes['cgroup-parent'] as string }),
      ...(network !== undefined && { network }),
      ...(resources !== undefined && { resources }),
    },
    multiPlatform,
    cacheImports: readCacheImports(attributes),
    localSessions: new Map(Object.entries(prefixed(attributes, 'local-sessionid:'))),
  };
}

function readPlatform(text: string, platform: (text: string) => Platform): Platform {
  try {
    return platform(text.trim());
  } catch (error) {
    throw new RpcError('invalidArgument', `failed to parse target platform ${text}: ${(error as Error).message}`, [], { cause: error });
  }
}

/** Members whose key starts with `prefix`, without it. */
export function prefixed(attributes: Attributes, prefix: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(attributes)
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, value]) => [key.slice(prefix.length), value]),
  );
}

function readBoolean(text: string): boolean {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return false;
  throw refuse(`invalid boolean value for multi-platform: ${text}`);
}

function readResolveMode(text: string): 'default' | 'pull' | 'local' {
  if (text === '' || text === 'default') return 'default';
  if (text === 'pull' || text === 'local') return text;
  throw refuse(`invalid image-resolve-mode: ${text}`);
}

function readNetwork(text: string): 'default' | 'none' | 'host' | undefined {
  if (text === '') return undefined;
  if (text === 'sandbox') return 'default';
  if (text === 'none' || text === 'host') return text;
  throw refuse(`invalid netmode ${text}`);
}

function readHosts(text: string): { host: string; ip: string }[] {
  return splitFields(text).map((field) => {
    const equals = field.indexOf('=');
    if (equals < 0) throw refuse(`failed to parse additional hosts: invalid key-value pair ${field}`);
    const ip = field.slice(equals + 1).toLowerCase();
    if (isIP(ip) === 0) throw refuse(`failed to parse additional hosts: failed to parse IP ${ip}`);
    return { host: field.slice(0, equals).toLowerCase(), ip };
  });
}

const ULIMITS = /^(core|cpu|data|fsize|locks|memlock|msgqueue|nice|nofile|nproc|rss|rtprio|rttime|sigpending|stack)$/;

function readUlimits(text: string): NonNullable<ExecSpec['ulimits']>[number][] {
  return splitFields(text).map((field) => {
    const match = /^([^=]+)=(-?\d+)(?::(-?\d+))?$/.exec(field);
    if (match === null || !ULIMITS.test(match[1] as string)) throw refuse(`failed to parse ulimit: invalid ulimit argument: ${field}`);
    const soft = Number(match[2]);
    const hard = match[3] === undefined ? soft : Number(match[3]);
    if (hard !== -1 && (soft === -1 || soft > hard))
      throw refuse(`failed to parse ulimit: ulimit soft limit must be less than or equal to hard limit: ${field}`);
    return { name: match[1] as string, soft, hard };
  });
}

function readInteger(text: string, key: string): number | undefined {
  if (text === '') return undefined;
  const value = Number(text);
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value)) throw refuse(`invalid ${key} value: ${text}`);
  return value;
}

function readResources(attributes: Attributes): ExecSpec['resources'] | undefined {
  const read = (key: string, valid: (value: number) => boolean, rule: string): number | undefined => {
    const value = readInteger(attributes[key] ?? '', key);
    if (value !== undefined && !valid(value))
      throw refuse(`failed to parse resource limits: invalid ${key} value: ${value}: must be ${rule}`);
    return value;
  };
  const positive = (value: number): boolean => value > 0;
  const set = (key: string): string | undefined => {
    const value = attributes[key] ?? '';
    if (value === '') return undefined;
    if (!/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(value)) throw refuse(`failed to parse resource limits: invalid ${key} value: ${value}`);
    return value;
  };
  const entries = {
    memory: read('memory', positive, '> 0'),
    memorySwap: read('memswap', (value) => value === -1 || value > 0, '-1 (unlimited) or > 0'),
    cpuShares: read('cpushares', positive, '> 0'),
    cpuPeriod: read('cpuperiod', positive, '> 0'),
    cpuQuota: read('cpuquota', positive, '> 0'),
    cpusetCpus: set('cpusetcpus'),
    cpusetMems: set('cpusetmems'),
  };
  const given = Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined));
  return Object.keys(given).length === 0 ? undefined : given;
}

function readCacheImports(attributes: Attributes): CacheEntry[] {
  const imports: CacheEntry[] = [];
  const json = attributes['cache-imports'] ?? '';
  if (json !== '') {
    let entries: unknown;
    try {
      entries = JSON.parse(json);
    } catch (error) {
      throw new RpcError('invalidArgument', `failed to unmarshal cache-imports (${JSON.stringify(json)})`, [], { cause: error });
    }
    for (const entry of Array.isArray(entries) ? (entries as { Type?: string; Attrs?: Record<string, string> }[]) : []) {
      if (typeof entry.Type === 'string') imports.push({ type: entry.Type, attributes: entry.Attrs ?? {} });
    }
  }
  for (const ref of (attributes['cache-from'] ?? '').split(',')) if (ref !== '') imports.push({ type: 'registry', attributes: { ref } });
  return imports;
}
