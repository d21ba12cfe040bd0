// From the words after `slipway build` to a BuildRequest. What Docker's command refuses is refused here, in its words and better.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AttestRequest, type BuildRequest, type OutputRequest, parseOutput, type ResourceLimits } from '../../build/index.ts';
import {
  attestRequest,
  deletesBelow,
  type DockerfileCall,
  keyValues,
  outputFrom,
  parseBytes,
  parseDuration,
  readAttest,
  readCache,
  readCall,
  readEntitlement,
  readHosts,
  readNamedContext,
  readNetwork,
  readPlatforms,
  readResources,
  readSecret,
  readSsh,
  readTag,
  readUlimits,
  RESOURCES,
  splitCsv,
  splitOnce,
  type Surroundings,
  variableOf,
} from '../../request/index.ts';
import { emptyKey, type ParsedFlags, usage } from '../flags.ts';
import { dockerFolder } from '../settings.ts';
import { note, surroundings, type World } from '../world.ts';
import { readSources } from './sources.ts';

/** What `slipway build` was asked: a build, or with `call` something about its Dockerfile. */
export interface BuildCall {
  readonly request: BuildRequest;
  readonly call: DockerfileCall | undefined;
}

/** Reads flags and words. `stdin` is read here when the context or the Dockerfile is `-`. Throws `USAGE` and context errors. */
export async function readBuildCall(flags: ParsedFlags, world: World): Promise<BuildCall> {
  for (const name of ['rm', 'force-rm', 'compress', 'squash', 'builder', 'isolation', 'security-opt']) {
    if (flags.has(name)) note(world, `note: --${name} has no meaning here and is ignored`);
  }
  const around = surroundings(world);
  const { context, dockerfile } = await readSources(flags, world);
  const outputs = readOutputs(flags, around);
  if (flags.has('iidfile') && outputs.some(({ type }) => type === 'local' || type === 'tar')) {
    throw usage('build', 'local and tar exporters are incompatible with image ID file', 'leave --iidfile out, or write type=oci');
  }
  const epoch = world.env['SOURCE_DATE_EPOCH'];
  const buildArgs = readBuildArgs(flags, around);
  if (flags.bool('no-cache') && flags.has('no-cache-filter')) throw usage('build', 'cannot combine --no-cache and --no-cache-filter');
  const noCache = flags.bool('no-cache')
    ? true
    : flags.has('no-cache-filter')
      ? flags.list('no-cache-filter').flatMap(splitCsv)
      : undefined;
  const platforms = readPlatforms(flags.has('platform') ? flags.list('platform') : undefined, around);
  const network = flags.text('network');
  const entitlements = flags.list('allow').flatMap(splitCsv).flatMap(readEntitlement);
  if (deletesBelow(outputs, world.cwd)) entitlements.push('buildx.local.delete');
  const resources = readLimitsOfSteps(flags);
  const text = (name: string): string | undefined => flags.text(name);
  const shm = text('shm-size');
  const target = text('target');
  const cgroupParent = text('cgroup-parent');
  const request: BuildRequest = {
    context,
    ...(context.kind === 'archive' ? { name: 'stdin' } : {}),
    ...(dockerfile === undefined ? {} : { dockerfile }),
    ...(target === undefined || target === '' ? {} : { target }),
    buildArgs:
      epoch !== undefined && epoch !== '' && !('SOURCE_DATE_EPOCH' in buildArgs) ? { ...buildArgs, SOURCE_DATE_EPOCH: epoch } : buildArgs,
    ...(platforms === undefined ? {} : { platforms }),
    labels: Object.fromEntries(flags.list('label').map(readLabel)),
    annotations: flags.list('annotation'),
    namedContexts: Object.fromEntries(flags.list('build-context').map((entry) => readNamedContext(entry, around))),
    ...(noCache === undefined ? {} : { noCache }),
    pull: flags.bool('pull'),
    tags: flags.list('tag').flatMap(splitCsv).map(readTag),
    outputs,
    cacheFrom: flags.list('cache-from').flatMap((entry) => readCache('--cache-from', entry, around)),
    cacheTo: flags.list('cache-to').flatMap((entry) => readCache('--cache-to', entry, around)),
    attests: readAttests(flags),
    secrets: flags.list('secret').flatMap((entry) => (entry === '' ? [] : [readSecret(entry, around)])),
    ssh: flags.list('ssh').flatMap((entry) => (entry === '' ? [] : [readSsh(entry, around)])),
    ...(network === undefined ? {} : { network: readNetwork(network) }),
    extraHosts: readHosts(flags.list('add-host')),
    ...(shm === undefined ? {} : { shmSize: parseBytes('--shm-size', shm) }),
    ulimits: readUlimits(flags.list('ulimit')),
    ...(cgroupParent === undefined ? {} : { cgroupParent }),
    ...(resources === undefined ? {} : { resources }),
    limits: readLimits(flags),
    entitlements: network === 'host' ? [...entitlements, 'network.host'] : entitlements,
    allStages: flags.bool('all-stages'),
    gates: flags.list('gate').flatMap(splitCsv),
    proxyEnv: readProxyEnv(buildArgs, world),
    stdoutIsTerminal: world.stdout.isTTY === true,
    ...(flags.has('device') ? { devices: flags.list('device').map((name) => ({ name, optional: false })) } : {}),
  };
  return { request, call: readCall(askedOf(flags)) };
}

/** What to answer instead of building, by the last of the flags that ask it. Empty: nothing. */
export function askedOf(flags: ParsedFlags): string {
  const last = flags.lastOf('call', 'print', ...(flags.bool('check') ? ['check'] : []));
  return last === 'check' ? last : ((last && flags.text(last)) ?? '');
}

function readLabel(entry: string): [string, string] {
  const [key, value = ''] = splitOnce(entry);
  if (key === '') throw emptyKey('label', entry);
  return [key, value];
}

/** `--step-timeout` and `--log-limit`. */
export function readLimits(flags: ParsedFlags): NonNullable<BuildRequest['limits']> {
  const timeout = flags.text('step-timeout');
  const logLimit = flags.text('log-limit');
  return {
    ...(timeout === undefined ? {} : { timeoutMs: parseDuration('--step-timeout', timeout) }),
    ...(logLimit === undefined ? {} : { logBytes: logLimit === '-1' ? -1 : parseBytes('--log-limit', logLimit) }),
  };
}

/** By flags of their own, or by `--resource`. */
function readLimitsOfSteps(flags: ParsedFlags): ResourceLimits | undefined {
  const given = flags.list('resource').map((entry) => keyValues('--resource', entry));
  const own = RESOURCES.flatMap((name) => (flags.has(name) ? [[name, flags.text(name) as string]] : []));
  return readResources(Object.assign({}, ...given, Object.fromEntries(own)) as Record<string, string>);
}

/** `--output`, with what `--push` and `--load` add to it. Paths are absolute in the answer. */
function readOutputs(flags: ParsedFlags, around: Surroundings): OutputRequest[] {
  let outputs = flags.list('output').map((entry) => parseOutput(entry));
  if (flags.bool('push')) {
    const at = outputs.findIndex(({ type }) => type === 'image' || type === 'registry');
    if (at < 0) outputs.push({ type: 'registry', attributes: { push: 'true' } });
    else
      outputs = outputs.map((output, index) => (index === at ? { ...output, attributes: { ...output.attributes, push: 'true' } } : output));
  }
  const loads = outputs.some(({ type, attributes }) => type === 'docker' && attributes['dest'] === undefined);
  if (flags.bool('load') && !loads) outputs.push({ type: 'docker', attributes: { load: 'true' } });
  return outputs.map((output) => outputFrom(around, output));
}

/** `--attest`, then `--sbom` and `--provenance`. Of those for one type the first counts, as in Docker's command. */
export function readAttests(flags: ParsedFlags): AttestRequest[] {
  const requests = flags.list('attest').map(readAttest);
  for (const type of ['sbom', 'provenance'] as const) {
    const value = flags.text(type);
    if (value === undefined || value === '') continue; // a variable that is not set
    if (/^(true|t|1)$/i.test(value)) requests.push({ type, attributes: {} });
    else if (/^(false|f|0)$/i.test(value)) requests.push({ type, disabled: true, attributes: {} });
    // Provenance alone has modes.
    else requests.push(attestRequest(type, keyValues(`--${type}`, value, type === 'sbom' ? undefined : (word) => ['mode', word])));
  }
  return requests.filter(({ type }, index) => requests.findIndex((other) => other.type === type) === index);
}

/** `--build-arg`; a name alone takes its value from the environment, and changes nothing where that has none. */
export function readBuildArgs(flags: ParsedFlags, around: Surroundings): Record<string, string> {
  const args = new Map<string, string>();
  for (const entry of flags.list('build-arg')) {
    const equals = entry.indexOf('=');
    if (equals === 0 || entry === '') throw emptyKey('build-arg', entry);
    const [name, value] = equals < 0 ? [entry, variableOf(around, entry)] : [entry.slice(0, equals), entry.slice(equals + 1)];
    if (value !== undefined) args.set(name, value);
  }
  if (args.get('BUILDKIT_SYNTAX') === '')
    throw usage(
      'build',
      'empty BUILDKIT_SYNTAX build-arg is invalid',
      'write --build-arg BUILDKIT_SYNTAX without = for a value that may be missing',
    );
  return Object.fromEntries(args);
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
