// What the steps of a build are given: arguments, secrets, agents, hosts, limits.

import { existsSync, lstatSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { SlipwayError, suggest } from '../base/index.ts';
import type { ResourceLimits, SecretInput, SshInput } from '../build/index.ts';
import { keyValues, splitCsv, splitOnce, wrongValue } from './fields.ts';
import { parseBytes } from './sizes.ts';
import { homePath, type Surroundings, variableOf } from './surroundings.ts';

/** One `--secret`. Throws `SECRET_NOT_FOUND`, `SECRET_TOO_BIG`. */
export function readSecret(entry: string, around: Surroundings): SecretInput {
  const fields = keyValues('--secret', entry);
  const { id, type } = fields;
  if (id === undefined || id === '') throw wrongValue(`--secret needs an id: ${JSON.stringify(entry)}`);
  for (const key of Object.keys(fields)) {
    if (!['id', 'type', 'src', 'source', 'env'].includes(key))
      throw wrongValue(`unexpected key '${key}' in --secret ${JSON.stringify(entry)}`);
  }
  if (type !== undefined && type !== 'file' && type !== 'env')
    throw wrongValue(`unsupported secret type ${JSON.stringify(type)}: file or env`);
  // Empty is as if not written: a variable that is not set.
  const source = fields['src'] || fields['source'] || undefined;
  const variable = fields['env'] || (type === 'env' ? (source ?? id) : undefined);
  if (variable !== undefined) return { id, kind: 'env', variable, value: variableOf(around, variable) };
  const given = variableOf(around, id);
  if (source === undefined && type !== 'file' && given !== undefined) return { id, kind: 'env', variable: id, value: given };
  const path = homePath(source ?? id, around);
  if (!existsSync(path))
    throw new SlipwayError('SECRET_NOT_FOUND', `the file of secret ${id} is not there: ${path}`, {
      hint: 'give it by --secret id=NAME,src=FILE or id=NAME,env=VARIABLE',
    });
  if (lstatSync(path).isFile() && statSync(path).size > 500 * 1024)
    throw new SlipwayError('SECRET_TOO_BIG', `secret ${id} is larger than 500 KiB: ${path}`);
  return { id, kind: 'file', path };
}

/** One `--ssh`: a socket of an agent, or keys. Throws `SSH_AGENT_MISSING`, `SSH_KEY_UNREADABLE`. */
export function readSsh(entry: string, around: Surroundings): SshInput {
  const [id, value] = splitOnce(entry);
  if (value === undefined || value === '') {
    const socket = around.env['SSH_AUTH_SOCK'];
    if (socket === undefined || socket === '')
      throw new SlipwayError('SSH_AGENT_MISSING', `invalid empty ssh agent socket: --ssh ${entry} needs SSH_AUTH_SOCK`, {
        hint: 'start ssh-agent, or name a socket or key: --ssh default=PATH',
      });
    return { id: id === '' ? 'default' : id, paths: [socket] };
  }
  const paths = value.split(',').map((path) => homePath(path, around));
  for (const path of paths) needSshFile(id, path);
  return { id, paths };
}

/** A misspelled path is told before the build, whether or not a step asks for the agent. */
function needSshFile(id: string, path: string): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat !== undefined && !stat.isDirectory()) return;
  const why = stat === undefined ? 'no such file or directory' : 'it is a directory';
  throw new SlipwayError('SSH_KEY_UNREADABLE', `cannot use ${path} for --ssh ${id}: ${why}`, {
    hint: "name an agent's socket or a private key: --ssh default=PATH",
  });
}

/** The network of steps that name none. */
export function readNetwork(mode: string): 'default' | 'none' | 'host' {
  if (mode === 'none' || mode === 'host') return mode;
  if (mode === 'default' || mode === '' || mode === 'bridge') return 'default';
  throw wrongValue(`network mode ${JSON.stringify(mode)} is not supported: default, none or host`);
}

/** Each `--add-host`; one may name several, as lists of Docker's command do, and an empty one none. Names are lower-cased, as BuildKit does. */
export function readHosts(entries: readonly string[]): { host: string; ip: string }[] {
  return entries.flatMap((entry) => (entry === '' ? [] : splitCsv(entry).map(readHost)));
}

function readHost(entry: string): { host: string; ip: string } {
  const match = /^([^:=]+)[:=](.+)$/.exec(entry);
  if (match === null) throw wrongValue(`bad format for --add-host: ${JSON.stringify(entry)}; write HOST:IP`);
  const ip = (match[2] as string).replace(/^\[(.*)\]$/, '$1');
  if (ip !== 'host-gateway' && isIP(ip) === 0) throw wrongValue(`invalid IP address in --add-host: ${JSON.stringify(ip)}`);
  return { host: (match[1] as string).toLowerCase(), ip };
}

/** Each `--ulimit`: of those for one resource the last. */
export function readUlimits(entries: readonly string[]): { name: string; soft: number; hard: number }[] {
  return [...new Map(entries.map(readUlimit).map((limit) => [limit.name, limit])).values()];
}

function readUlimit(entry: string): { name: string; soft: number; hard: number } {
  const match = /^(\w+)=(-?\d+)(?::(-?\d+))?$/.exec(entry);
  if (match === null) throw wrongValue(`invalid ulimit ${JSON.stringify(entry)}: write NAME=SOFT[:HARD]`);
  const soft = Number(match[2]);
  const hard = match[3] === undefined ? soft : Number(match[3]);
  if (hard !== -1 && (soft > hard || soft === -1))
    throw wrongValue(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
  return { name: match[1] as string, soft, hard };
}

/** Names of `--resource`. */
export const RESOURCES = [
  'memory',
  'memory-swap',
  'cpu-shares',
  'cpu-period',
  'cpu-quota',
  'cpus',
  'cpuset-cpus',
  'cpuset-mems',
  'pids-limit',
];

/** Limits of steps by the names of `--resource`. Undefined: none is set. Throws `USAGE`. */
export function readResources(given: Readonly<Record<string, string>>): ResourceLimits | undefined {
  const unknown = Object.keys(given).find((name) => !RESOURCES.includes(name));
  if (unknown !== undefined) {
    const near = suggest(unknown, RESOURCES);
    throw wrongValue(
      `unknown limit in --resource: ${unknown}`,
      near === undefined ? `there are ${RESOURCES.join(', ')}` : `did you mean ${near}?`,
    );
  }
  const number = (name: string): number | undefined => {
    const value = given[name];
    if (value === undefined) return undefined;
    if (!/^-?\d+$/.test(value)) throw wrongValue(`invalid number ${JSON.stringify(value)} for --${name}`);
    return Number(value);
  };
  const bytes = (name: string): number | undefined => {
    const value = given[name];
    return value === undefined ? undefined : value === '-1' && name === 'memory-swap' ? -1 : parseBytes(`--${name}`, value);
  };
  const cpus = given['cpus'];
  if (cpus !== undefined && !/^\d+(\.\d+)?$/.test(cpus))
    throw wrongValue(`invalid number ${JSON.stringify(cpus)} for --cpus`, 'write how many processors, as in 2 or 0.5');
  const limits: Record<string, number | string | undefined> = {
    memory: bytes('memory'),
    memorySwap: bytes('memory-swap'),
    cpuShares: number('cpu-shares'),
    cpuPeriod: number('cpu-period') ?? (cpus === undefined ? undefined : 100_000),
    cpuQuota: number('cpu-quota') ?? (cpus === undefined ? undefined : Math.round(Number(cpus) * 100_000)),
    cpusetCpus: given['cpuset-cpus'],
    cpusetMems: given['cpuset-mems'],
    pids: number('pids-limit'),
  };
  const set = Object.entries(limits).filter(([, value]) => value !== undefined);
  return set.length === 0 ? undefined : Object.fromEntries(set);
}

const ENTITLEMENTS = ['network.host', 'security.insecure', 'device', 'buildx.local.delete'];

/** One right of `--allow`; a device may be named (`device=vendor.com/class`). Throws `USAGE` for one that does not exist. */
export function readEntitlement(text: string): string[] {
  if (text === '') return [];
  const [name] = splitOnce(text);
  if (name === 'device' || ENTITLEMENTS.includes(text)) return [text];
  if (ENTITLEMENTS.includes(name)) throw wrongValue(`${name} does not accept a value: ${text}`, `write --allow ${name}`);
  const near = suggest(name, ENTITLEMENTS);
  throw wrongValue(`unknown entitlement ${text}`, near === undefined ? `there are ${ENTITLEMENTS.join(', ')}` : `did you mean ${near}?`);
}
