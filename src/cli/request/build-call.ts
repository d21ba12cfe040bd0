// From the words after `slipway build` to a BuildRequest. What Docker's command refuses is refused here, in its words and better.

import { isSlipwayError } from '../../base/index.ts';
import { type BuildRequest, familiarName } from '../../build/index.ts';
import { emptyKey, type ParsedFlags, splitCsv, splitOnce, usage } from '../flags.ts';
import { parseBytes, parseDuration } from '../sizes.ts';
import { note, type World } from '../world.ts';
import { deletesBelow, readAttests, readCache, readOutputs } from './results.ts';
import { readNamedContext, readSources } from './sources.ts';
import {
  readBuildArgs,
  readEntitlement,
  readHost,
  readNetwork,
  readProxyEnv,
  readResources,
  readSecret,
  readSsh,
  readUlimit,
} from './steps.ts';

/** What `slipway build` was asked beside the build itself. */
export interface BuildCall {
  readonly request: BuildRequest;
  /** `check`, `outline`, `targets`, `subrequests.describe`, or undefined for a build. */
  readonly call: { readonly method: string; readonly format: 'json' | 'text' | 'default'; readonly ignoreStatus: boolean } | undefined;
}

/** Reads flags and words. `stdin` is read here when the context or the Dockerfile is `-`. Throws `USAGE` and context errors. */
export async function readBuildCall(flags: ParsedFlags, world: World): Promise<BuildCall> {
  for (const name of ['rm', 'force-rm', 'compress', 'squash', 'builder', 'isolation', 'security-opt']) {
    if (flags.has(name)) note(world, `note: --${name} has no meaning here and is ignored`);
  }
  const { context, dockerfile } = await readSources(flags, world);
  const outputs = readOutputs(flags, world);
  if (flags.has('iidfile') && outputs.some(({ type }) => type === 'local' || type === 'tar')) {
    throw usage('build', 'local and tar exporters are incompatible with image ID file', 'leave --iidfile out, or write type=oci');
  }
  const epoch = world.env['SOURCE_DATE_EPOCH'];
  const buildArgs = readBuildArgs(flags, world);
  if (flags.bool('no-cache') && flags.has('no-cache-filter')) throw usage('build', 'cannot combine --no-cache and --no-cache-filter');
  const noCache = flags.bool('no-cache')
    ? true
    : flags.has('no-cache-filter')
      ? flags.list('no-cache-filter').flatMap(splitCsv)
      : undefined;
  const platforms = readPlatforms(flags, world);
  const network = flags.text('network');
  const entitlements = flags.list('allow').flatMap(splitCsv).flatMap(readEntitlement);
  if (deletesBelow(outputs, world.cwd)) entitlements.push('buildx.local.delete');
  const resources = readResources(flags);
  const text = (name: string): string | undefined => flags.text(name);
  const shm = text('shm-size');
  const timeout = text('step-timeout');
  const logLimit = text('log-limit');
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
    namedContexts: Object.fromEntries(flags.list('build-context').map((entry) => readNamedContext(entry, world))),
    ...(noCache === undefined ? {} : { noCache }),
    pull: flags.bool('pull'),
    tags: flags.list('tag').flatMap(splitCsv).map(readTag),
    outputs,
    cacheFrom: flags.list('cache-from').flatMap((entry) => readCache('--cache-from', entry, world)),
    cacheTo: flags.list('cache-to').flatMap((entry) => readCache('--cache-to', entry, world)),
    attests: readAttests(flags),
    secrets: flags.list('secret').flatMap((entry) => (entry === '' ? [] : [readSecret(entry, world)])),
    ssh: flags.list('ssh').map((entry) => readSsh(entry, world)),
    ...(network === undefined ? {} : { network: readNetwork(network) }),
    extraHosts: flags.list('add-host').map(readHost),
    ...(shm === undefined ? {} : { shmSize: parseBytes('--shm-size', shm) }),
    ulimits: flags.list('ulimit').map(readUlimit),
    ...(cgroupParent === undefined ? {} : { cgroupParent }),
    ...(resources === undefined ? {} : { resources }),
    limits: {
      ...(timeout === undefined ? {} : { timeoutMs: parseDuration('--step-timeout', timeout) }),
      ...(logLimit === undefined ? {} : { logBytes: logLimit === '-1' ? -1 : parseBytes('--log-limit', logLimit) }),
    },
    entitlements: network === 'host' ? [...entitlements, 'network.host'] : entitlements,
    allStages: flags.bool('all-stages'),
    gates: flags.list('gate').flatMap(splitCsv),
    proxyEnv: readProxyEnv(buildArgs, world),
    stdoutIsTerminal: world.stdout.isTTY === true,
    ...(flags.has('device') ? { devices: flags.list('device').map((name) => ({ name, optional: false })) } : {}),
  };
  return { request, call: readCall(flags) };
}

function readCall(flags: ParsedFlags): BuildCall['call'] {
  const written = flags.bool('check') ? 'check' : (flags.text('call') ?? flags.text('print'));
  if (written === undefined || written === '') return undefined;
  const [method = '', ...fields] = splitCsv(written);
  if (method === 'build') return undefined;
  let format: 'json' | 'text' | 'default' = 'default';
  let ignoreStatus = false;
  for (const field of fields) {
    const [key, value = 'true'] = splitOnce(field);
    if (key === 'format' && (value === 'json' || value === 'text' || value === 'default')) format = value;
    else if (key === 'ignorestatus') ignoreStatus = value === 'true' || value === '1';
    else throw usage('build', `invalid option ${JSON.stringify(field)} of --call: format=json|text|default, ignorestatus=true|false`);
  }
  const known: Readonly<Record<string, string>> = {
    lint: 'check',
    check: 'check',
    outline: 'outline',
    targets: 'targets',
    describe: 'subrequests.describe',
    'subrequests.describe': 'subrequests.describe',
  };
  return { method: known[method] ?? method, format, ignoreStatus };
}

function readLabel(entry: string): [string, string] {
  const [key, value = ''] = splitOnce(entry);
  if (key === '') throw emptyKey('label', entry);
  return [key, value];
}

/** One `--tag`, refused before anything is asked of a registry. */
function readTag(tag: string): string {
  try {
    familiarName(tag);
    return tag;
  } catch (error) {
    if (!isSlipwayError(error, 'REFERENCE_INVALID')) throw error;
    throw usage('build', `invalid value for --tag: ${error.message}`, error.hint);
  }
}

function readPlatforms(flags: ParsedFlags, world: World): string[] | undefined {
  const written = flags.has('platform')
    ? flags.list('platform')
    : world.env['DOCKER_DEFAULT_PLATFORM']
      ? [world.env['DOCKER_DEFAULT_PLATFORM']]
      : [];
  const platforms = written.flatMap((entry) => entry.split(','));
  if (platforms.includes('')) throw usage('build', 'invalid value "" for --platform', 'write it as linux/arm64, or leave it out');
  return platforms.length === 0 ? undefined : platforms;
}
