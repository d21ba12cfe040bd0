// A build request in the words of BuildKit's frontends: what `docker buildx build` would send them.

import { SlipwayError } from '../base/index.ts';
import { HOST_GATEWAY, hostAddress } from '../runtime/index.ts';
import type { BuildRequest } from './options.ts';

/** Options for a frontend, without where the context and its file are. Throws `FRONTEND_OPTION` for what only the built-in one knows. */
export function frontendAttributes(request: BuildRequest): Readonly<Record<string, string>> {
  refuseOwnWords(request);
  return requestAttributes(request);
}

/** The same, as far as frontends have words for it. */
export function requestAttributes(request: BuildRequest): Readonly<Record<string, string>> {
  const { noCache, platforms, extraHosts = [], ulimits = [], resources = {}, shmSize, sourceDateEpoch } = request;
  const epoch = sourceDateEpoch === undefined ? {} : { SOURCE_DATE_EPOCH: String(sourceDateEpoch) };
  return {
    ...prefixed('build-arg:', { ...request.proxyEnv, ...epoch, ...request.buildArgs }),
    ...prefixed('label:', request.labels),
    ...given('target', request.target),
    ...given('platform', platforms?.join(',')),
    ...(noCache === undefined || noCache === false ? {} : { 'no-cache': noCache === true ? '' : noCache.join(',') }),
    ...(request.pull === true ? { 'image-resolve-mode': 'pull' } : {}),
    ...given('add-hosts', list(extraHosts.map(({ host, ip }) => `${host}=${ip === HOST_GATEWAY ? hostAddress() : ip}`))),
    ...given('ulimit', list(ulimits.map(({ name, soft, hard }) => `${name}=${soft}:${hard}`))),
    ...given('hostname', request.hostname),
    ...given('shm-size', shmSize?.toString()),
    ...given('cgroup-parent', request.cgroupParent),
    ...given('force-network-mode', request.network === 'default' ? undefined : request.network),
    ...given('memory', resources.memory?.toString()),
    ...given('memswap', resources.memorySwap?.toString()),
    ...given('cpushares', resources.cpuShares?.toString()),
    ...given('cpuperiod', resources.cpuPeriod?.toString()),
    ...given('cpuquota', resources.cpuQuota?.toString()),
    ...given('cpusetcpus', resources.cpusetCpus),
    ...given('cpusetmems', resources.cpusetMems),
  };
}

/** Frontends have no words for these, and none may be dropped silently. */
function refuseOwnWords({ gates = [], allStages, devices = [], resources }: BuildRequest): void {
  const [unknown] = [
    ...(gates.length > 0 ? ['gates'] : []),
    ...(allStages === true ? ['all stages'] : []),
    ...(devices.length > 0 ? ['devices of every step'] : []),
    ...(resources?.pids === undefined ? [] : ['a limit of processes']),
  ];
  if (unknown === undefined) return;
  throw new SlipwayError('FRONTEND_OPTION', `a frontend image cannot be asked for ${unknown}`, {
    hint: 'only the built-in Dockerfile frontend knows them: leave the option away, or take "# syntax=" out',
  });
}

function prefixed(prefix: string, values: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}${name}`, value]));
}

function given(name: string, value: string | undefined): Readonly<Record<string, string>> {
  return value === undefined || value === '' ? {} : { [name]: value };
}

/** One line of CSV: frontends read these with quotes. */
function list(fields: readonly string[]): string {
  return fields.map((field) => (/[",]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(',');
}
