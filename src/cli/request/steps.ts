// What the steps of a build are given: arguments, secrets, agents, hosts, limits.

import { existsSync, lstatSync, readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { SlipwayError, suggest } from '../../base/index.ts';
import type { ResourceLimits, SecretInput, SshInput } from '../../build/index.ts';
import { emptyKey, keyValues, type ParsedFlags, splitOnce, usage } from '../flags.ts';
import { dockerFolder, homeFolder } from '../settings.ts';
import { parseBytes } from '../sizes.ts';
import type { World } from '../world.ts';

/** `--build-arg`; a name alone takes its value from the environment, and no value where that has none. */
export function readBuildArgs(flags: ParsedFlags, world: World): Record<string, string> {
  const args = new Map<string, string>();
  for (const entry of flags.list('build-arg')) {
    const equals = entry.indexOf('=');
    if (equals === 0 || entry === '') throw emptyKey('build-arg', entry);
    const [name, value] = equals < 0 ? [entry, variableOf(world, entry)] : [entry.slice(0, equals), entry.slice(equals + 1)];
    if (value === undefined) args.delete(name);
    else args.set(name, value);
  }
  return Object.fromEntries(args);
}

/** A variable that a user names: every object has a `constructor`, the environment mostly has not. */
function variableOf({ env }: World, name: string): string | undefined {
  return Object.hasOwn(env, name) ? env[name] : undefined;
}

/** Proxies of Docker's `config.json` for RUN, unless a build argument says otherwise. */
export function readProxyEnv(buildArgs: Readonly<Record<string, string>>, world: World): Record<string, string> {
  const folder = dockerFolder(world);
  if (folder === undefined) return {};
  let proxies: Readonly<Record<string, string>> = {};
  try {
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as { proxies?: Record<string, Record<string, string>> };
    proxies = config.proxies?.['default'] ?? {};
  } catch {
    return {}; // No client configuration, no proxies; a broken one was reported when the settings were read.
  }
  const env: Record<string, string> = {};
  for (const [key, name] of [
    ['httpProxy', 'HTTP_PROXY'],
    ['httpsProxy', 'HTTPS_PROXY'],
    ['ftpProxy', 'FTP_PROXY'],
    ['noProxy', 'NO_PROXY'],
    ['allProxy', 'ALL_PROXY'],
  ] as const) {
    const value = proxies[key];
    if (value === undefined || name in buildArgs || name.toLowerCase() in buildArgs) continue;
    env[name] = value;
    env[name.toLowerCase()] = value;
  }
  return env;
}

/** One `--secret`. Throws `SECRET_NOT_FOUND`, `SECRET_TOO_BIG`. */
export function readSecret(entry: string, world: World): SecretInput {
  const fields = keyValues('--secret', entry);
  const { id, type } = fields;
  if (id === undefined || id === '') throw usage('build', `--secret needs an id: ${JSON.stringify(entry)}`);
  for (const key of Object.keys(fields)) {
    if (!['id', 'type', 'src', 'source', 'env'].includes(key))
      throw usage('build', `unexpected key '${key}' in --secret ${JSON.stringify(entry)}`);
  }
  if (type !== undefined && type !== 'file' && type !== 'env')
    throw usage('build', `unsupported secret type ${JSON.stringify(type)}: file or env`);
  const source = fields['src'] ?? fields['source'];
  const variable = fields['env'] ?? (type === 'env' ? (source ?? id) : undefined);
  if (variable !== undefined) return { id, kind: 'env', variable, value: variableOf(world, variable) };
  const given = variableOf(world, id);
  if (source === undefined && type !== 'file' && given !== undefined) return { id, kind: 'env', variable: id, value: given };
  const path = expandHome(source ?? id, world);
  if (!existsSync(path))
    throw new SlipwayError('SECRET_NOT_FOUND', `the file of secret ${id} is not there: ${path}`, {
      hint: 'give it by --secret id=NAME,src=FILE or id=NAME,env=VARIABLE',
    });
  if (lstatSync(path).isFile() && statSync(path).size > 500 * 1024)
    throw new SlipwayError('SECRET_TOO_BIG', `secret ${id} is larger than 500 KiB: ${path}`);
  return { id, kind: 'file', path };
}

/** One `--ssh`: a socket of an agent, or keys. Throws `SSH_AGENT_MISSING`, `SSH_KEY_UNREADABLE`. */
export function readSsh(entry: string, world: World): SshInput {
  const [id, value] = splitOnce(entry);
  if (value === undefined || value === '') {
    const socket = world.env['SSH_AUTH_SOCK'];
    if (socket === undefined || socket === '')
      throw new SlipwayError('SSH_AGENT_MISSING', `invalid empty ssh agent socket: --ssh ${entry} needs SSH_AUTH_SOCK`, {
        hint: 'start ssh-agent, or name a socket or key: --ssh default=PATH',
      });
    return { id: id === '' ? 'default' : id, paths: [socket] };
  }
  const paths = value.split(',').map((path) => expandHome(path, world));
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

function expandHome(path: string, world: World): string {
  return path.startsWith('~/') ? join(homeFolder(world) ?? '/', path.slice(2)) : resolve(world.cwd, path);
}

/** The network of steps that name none. */
export function readNetwork(mode: string): 'default' | 'none' | 'host' {
  if (mode === 'none' || mode === 'host') return mode;
  if (mode === 'default' || mode === '' || mode === 'bridge') return 'default';
  throw usage('build', `network mode ${JSON.stringify(mode)} is not supported: default, none or host`);
}

/** One `--add-host`. */
export function readHost(entry: string): { host: string; ip: string } {
  const match = /^([^:=]+)[:=](.+)$/.exec(entry);
  if (match === null) throw usage('build', `bad format for --add-host: ${JSON.stringify(entry)}; write HOST:IP`);
  const ip = (match[2] as string).replace(/^\[(.*)\]$/, '$1');
  if (ip !== 'host-gateway' && isIP(ip) === 0) throw usage('build', `invalid IP address in --add-host: ${JSON.stringify(ip)}`);
  return { host: match[1] as string, ip };
}

/** One `--ulimit`. */
export function readUlimit(entry: string): { name: string; soft: number; hard: number } {
  const match = /^(\w+)=(-?\d+)(?::(-?\d+))?$/.exec(entry);
  if (match === null) throw usage('build', `invalid ulimit ${JSON.stringify(entry)}: write NAME=SOFT[:HARD]`);
  const soft = Number(match[2]);
  const hard = match[3] === undefined ? soft : Number(match[3]);
  if (hard !== -1 && (soft > hard || soft === -1))
    throw usage('build', `ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
  return { name: match[1] as string, soft, hard };
}

const RESOURCES = ['memory', 'memory-swap', 'cpu-shares', 'cpu-period', 'cpu-quota', 'cpus', 'cpuset-cpus', 'cpuset-mems', 'pids-limit'];

/** Limits of steps: by flags of their own, or by `--resource`. Undefined: none is set. Throws `USAGE`. */
export function readResources(flags: ParsedFlags): ResourceLimits | undefined {
  const given: Record<string, string> = Object.assign(
    {},
    ...flags.list('resource').map((entry) => keyValues('--resource', entry)),
  ) as Record<string, string>;
  const unknown = Object.keys(given).find((name) => !RESOURCES.includes(name));
  if (unknown !== undefined) {
    const near = suggest(unknown, RESOURCES);
    throw usage(
      'build',
      `unknown limit in --resource: ${unknown}`,
      near === undefined ? `there are ${RESOURCES.join(', ')}` : `did you mean ${near}?`,
    );
  }
  const pick = (name: string): string | undefined => flags.text(name) ?? given[name];
  const number = (name: string): number | undefined => {
    const value = pick(name);
    if (value === undefined) return undefined;
    if (!/^-?\d+$/.test(value)) throw usage('build', `invalid number ${JSON.stringify(value)} for --${name}`);
    return Number(value);
  };
  const bytes = (name: string): number | undefined => {
    const value = pick(name);
    return value === undefined ? undefined : value === '-1' ? -1 : parseBytes(`--${name}`, value);
  };
  const cpus = pick('cpus');
  if (cpus !== undefined && !/^\d+(\.\d+)?$/.test(cpus))
    throw usage('build', `invalid number ${JSON.stringify(cpus)} for --cpus`, 'write how many processors, as in 2 or 0.5');
  const limits: Record<string, number | string | undefined> = {
    memory: bytes('memory'),
    memorySwap: bytes('memory-swap'),
    cpuShares: number('cpu-shares'),
    cpuPeriod: number('cpu-period') ?? (cpus === undefined ? undefined : 100_000),
    cpuQuota: number('cpu-quota') ?? (cpus === undefined ? undefined : Math.round(Number(cpus) * 100_000)),
    cpusetCpus: pick('cpuset-cpus'),
    cpusetMems: pick('cpuset-mems'),
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
  if (ENTITLEMENTS.includes(name)) throw usage('build', `${name} does not accept a value: ${text}`, `write --allow ${name}`);
  const near = suggest(name, ENTITLEMENTS);
  throw usage(
    'build',
    `unknown entitlement ${text}`,
    near === undefined ? `there are ${ENTITLEMENTS.join(', ')}` : `did you mean ${near}?`,
  );
}
