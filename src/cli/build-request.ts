// From the words after `slipway build` to a BuildRequest. What Docker's command refuses is refused here, in its words and better.

import { existsSync, lstatSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isSlipwayError, SlipwayError } from '../base/index.ts';
import {
  contextKey,
  type AttestRequest,
  type BuildRequest,
  type CacheRequest,
  type ContextInput,
  type DockerfileInput,
  isRemoteContext,
  type OutputRequest,
  parseOutput,
  type ResourceLimits,
  type SecretInput,
  type SshInput,
} from '../build/index.ts';
import { keyValues, type ParsedFlags, splitCsv, usage } from './flags.ts';
import { dockerFolder, homeFolder } from './settings.ts';
import { parseBytes, parseDuration } from './sizes.ts';
import { note, type World } from './world.ts';
import { readStdinContext } from './stdin.ts';

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
  const entitlements = flags.list('allow').flatMap(splitCsv);
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
    tags: flags.list('tag').flatMap(splitCsv),
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

async function readSources(flags: ParsedFlags, world: World): Promise<{ context: ContextInput; dockerfile: DockerfileInput | undefined }> {
  const file = flags.text('file');
  const [word, ...more] = flags.words;
  if (word === undefined) {
    const hint = existsSync(join(world.cwd, 'Dockerfile'))
      ? 'the Dockerfile is in this folder: add a dot, `slipway build … .`'
      : 'name the folder that COPY reads from: `slipway build … .` for this one';
    throw usage('build', '"slipway build" requires 1 argument: the build context', hint);
  }
  if (more.length > 0)
    throw usage(
      'build',
      `"slipway build" requires 1 argument, got ${flags.words.length}: ${flags.words.join(' ')}`,
      'flags that take a value need it right behind them; quote values with spaces',
    );
  if (word === '-' && file === '-') throw usage('build', "can't use stdin for both build context and dockerfile");
  if (word === '-') {
    const stdin = await readStdinContext(world);
    if (stdin.kind === 'archive') return { context: stdin, dockerfile: file === undefined ? undefined : { kind: 'path', path: file } };
    if (file !== undefined) throw usage('build', 'ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles');
    return { context: { kind: 'empty' }, dockerfile: stdin.dockerfile };
  }
  const dockerfile = file === '-' ? await readStdinDockerfile(world) : undefined;
  if (isRemoteContext(word) && !existsSync(resolve(world.cwd, word))) {
    return { context: { kind: 'url', url: word }, dockerfile: dockerfile ?? readFileFlag(file, world, true) };
  }
  const path = resolve(world.cwd, word);
  if (!existsSync(path)) {
    throw new SlipwayError('CONTEXT_NOT_FOUND', `unable to prepare context: path ${JSON.stringify(word)} not found`, {
      hint: 'the context is the folder that COPY reads from; `.` is this one',
    });
  }
  if (!statSync(path).isDirectory()) {
    if (word === '') throw usage('build', 'the build context is empty: name a folder');
    throw new SlipwayError('CONTEXT_NOT_FOUND', `unable to prepare context: ${JSON.stringify(word)} is not a folder`, {
      hint: `name the folder, and the Dockerfile by -f: slipway build -f ${word} .`,
    });
  }
  return { context: { kind: 'folder', path }, dockerfile: dockerfile ?? readFileFlag(file, world, false) };
}

function readFileFlag(file: string | undefined, world: World, remoteContext: boolean): DockerfileInput | undefined {
  if (file === undefined || file === '') return undefined;
  if (/^https?:\/\//.test(file)) return { kind: 'url', url: file };
  const path = resolve(world.cwd, file);
  if (remoteContext && !existsSync(path)) return { kind: 'path', path: file };
  return { kind: 'path', path };
}

async function readStdinDockerfile(world: World): Promise<DockerfileInput> {
  const stdin = await readStdinContext(world);
  if (stdin.kind === 'archive') return { kind: 'text', text: readFileSync(stdin.path, 'utf8'), filename: 'Dockerfile' };
  return stdin.dockerfile;
}

function readOutputs(flags: ParsedFlags, world: World): OutputRequest[] {
  let outputs = flags.list('output').map((entry) => parseOutput(entry));
  if (flags.bool('push')) {
    const at = outputs.findIndex(({ type }) => type === 'image' || type === 'registry');
    if (at < 0) outputs.push({ type: 'registry', attributes: { push: 'true' } });
    else
      outputs = outputs.map((output, index) => (index === at ? { ...output, attributes: { ...output.attributes, push: 'true' } } : output));
  }
  if (flags.bool('load')) {
    if (outputs.some(({ type, attributes }) => type === 'docker' && attributes['dest'] === undefined)) return outputs;
    outputs.push({ type: 'docker', attributes: { load: 'true' } });
  }
  return outputs.map(({ type, attributes }) => {
    const { dest } = attributes;
    return dest === undefined || dest === '' || dest === '-'
      ? { type, attributes }
      : { type, attributes: { ...attributes, dest: resolve(world.cwd, dest) } };
  });
}

function readLabel(entry: string): [string, string] {
  const [key, value = ''] = splitOnce(entry);
  if (key === '') throw emptyKey('label', entry);
  return [key, value];
}

function emptyKey(flag: string, entry: string): SlipwayError {
  return usage('build', `invalid key-value pair ${JSON.stringify(entry)}: empty key`, `write --${flag} NAME=VALUE`);
}

function readBuildArgs(flags: ParsedFlags, world: World): Record<string, string> {
  const args: Record<string, string> = {};
  for (const entry of flags.list('build-arg')) {
    const equals = entry.indexOf('=');
    if (equals === 0) throw emptyKey('build-arg', entry);
    if (equals >= 0) args[entry.slice(0, equals)] = entry.slice(equals + 1);
    else if (world.env[entry] !== undefined) args[entry] = world.env[entry];
    else delete args[entry];
  }
  return args;
}

/** Proxies of Docker's `config.json` for RUN, unless a build argument says otherwise. */
function readProxyEnv(buildArgs: Readonly<Record<string, string>>, world: World): Record<string, string> {
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

function readNamedContext(entry: string, world: World): [string, string] {
  const [written, value] = splitOnce(entry);
  if (written === '' || value === undefined || value === '')
    throw usage('build', `invalid value ${JSON.stringify(entry)} for --build-context: expected NAME=VALUE`);
  const name = contextName(written);
  if (value.includes('://') || isRemoteContext(value)) {
    const layout = /^oci-layout:\/\/(?!\/)(.*)$/.exec(value);
    return [name, layout === null ? value : `oci-layout://${resolve(world.cwd, layout[1] as string)}`];
  }
  const path = resolve(world.cwd, value);
  if (!existsSync(path))
    throw new SlipwayError('CONTEXT_NOT_FOUND', `failed to get build context ${name}: path ${JSON.stringify(value)} not found`);
  if (!statSync(path).isDirectory())
    throw new SlipwayError('CONTEXT_NOT_FOUND', `failed to get build context ${name}: ${JSON.stringify(value)} is not a folder`);
  return [name, path];
}

function contextName(written: string): string {
  try {
    return contextKey(written);
  } catch (error) {
    if (!isSlipwayError(error, 'REFERENCE_INVALID')) throw error;
    throw usage('build', `invalid context name ${written}: ${error.message}`, 'a context is named as an image or a stage is');
  }
}

function readCache(flag: string, entry: string, world: World): CacheRequest[] {
  if (!entry.includes('=')) return splitCsv(entry).map((ref) => ({ type: 'registry', attributes: { ref } }));
  const { type, ...attributes } = keyValues(flag, entry);
  if (type === undefined || type === '') throw usage('build', `type required for ${flag}: ${JSON.stringify(entry)}`);
  for (const key of ['src', 'dest']) {
    if (attributes[key] !== undefined) attributes[key] = resolve(world.cwd, attributes[key]);
  }
  const { env } = world;
  const fallback = (key: string, value: string | undefined): void => {
    if (attributes[key] === undefined && value !== undefined && value !== '') attributes[key] = value;
  };
  if (type === 'gha') {
    fallback('token', env['ACTIONS_RUNTIME_TOKEN']);
    fallback('url', env['ACTIONS_CACHE_URL']);
    fallback('url_v2', env['ACTIONS_RESULTS_URL']);
  } else if (type === 's3') {
    fallback('region', env['AWS_REGION']);
    fallback('bucket', env['AWS_BUCKET']);
    fallback('access_key_id', env['AWS_ACCESS_KEY_ID']);
    fallback('secret_access_key', env['AWS_SECRET_ACCESS_KEY']);
    fallback('session_token', env['AWS_SESSION_TOKEN']);
  }
  return [{ type, attributes }];
}

function readAttests(flags: ParsedFlags): AttestRequest[] {
  const requests: AttestRequest[] = flags.list('attest').map((entry) => {
    const { type, disabled, ...attributes } = keyValues('--attest', entry);
    if (type !== 'sbom' && type !== 'provenance')
      throw usage('build', `unknown attestation type ${JSON.stringify(type ?? '')}: sbom or provenance`);
    return { type, ...(disabled === 'true' ? { disabled: true } : {}), attributes };
  });
  for (const type of ['sbom', 'provenance'] as const) {
    const value = flags.text(type);
    if (value === undefined) continue;
    if (/^(true|1)$/i.test(value)) requests.push({ type, attributes: {} });
    else if (/^(false|0)$/i.test(value)) requests.push({ type, disabled: true, attributes: {} });
    else requests.push({ type, attributes: keyValues(`--${type}`, value, (word) => ['mode', word]) });
  }
  return requests;
}

function readSecret(entry: string, world: World): SecretInput {
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
  if (variable !== undefined) return { id, kind: 'env', variable, value: world.env[variable] };
  if (source === undefined && type !== 'file' && world.env[id] !== undefined)
    return { id, kind: 'env', variable: id, value: world.env[id] };
  const path = expandHome(source ?? id, world);
  if (!existsSync(path))
    throw new SlipwayError('SECRET_NOT_FOUND', `the file of secret ${id} is not there: ${path}`, {
      hint: 'give it by --secret id=NAME,src=FILE or id=NAME,env=VARIABLE',
    });
  if (lstatSync(path).isFile() && statSync(path).size > 500 * 1024)
    throw new SlipwayError('SECRET_TOO_BIG', `secret ${id} is larger than 500 KiB: ${path}`);
  return { id, kind: 'file', path };
}

function readSsh(entry: string, world: World): SshInput {
  const [id, value] = splitOnce(entry);
  if (value === undefined || value === '') {
    const socket = world.env['SSH_AUTH_SOCK'];
    if (socket === undefined || socket === '')
      throw new SlipwayError('SSH_AGENT_MISSING', `invalid empty ssh agent socket: --ssh ${entry} needs SSH_AUTH_SOCK`, {
        hint: 'start ssh-agent, or name a socket or key: --ssh default=PATH',
      });
    return { id: id === '' ? 'default' : id, paths: [socket] };
  }
  return { id, paths: value.split(',').map((path) => expandHome(path, world)) };
}

function expandHome(path: string, world: World): string {
  return path.startsWith('~/') ? join(homeFolder(world) ?? '/', path.slice(2)) : resolve(world.cwd, path);
}

function readNetwork(mode: string): 'default' | 'none' | 'host' {
  if (mode === 'none' || mode === 'host') return mode;
  if (mode === 'default' || mode === '' || mode === 'bridge') return 'default';
  throw usage('build', `network mode ${JSON.stringify(mode)} is not supported: default, none or host`);
}

function readHost(entry: string): { host: string; ip: string } {
  const match = /^([^:=]+)[:=](.+)$/.exec(entry);
  if (match === null) throw usage('build', `bad format for --add-host: ${JSON.stringify(entry)}; write HOST:IP`);
  const ip = (match[2] as string).replace(/^\[(.*)\]$/, '$1');
  if (ip !== 'host-gateway' && !/^[0-9a-f.:]+$/i.test(ip)) throw usage('build', `invalid IP address in --add-host: ${JSON.stringify(ip)}`);
  return { host: match[1] as string, ip: ip === 'host-gateway' ? '127.0.0.1' : ip };
}

function readUlimit(entry: string): { name: string; soft: number; hard: number } {
  const match = /^(\w+)=(-?\d+)(?::(-?\d+))?$/.exec(entry);
  if (match === null) throw usage('build', `invalid ulimit ${JSON.stringify(entry)}: write NAME=SOFT[:HARD]`);
  const soft = Number(match[2]);
  const hard = match[3] === undefined ? soft : Number(match[3]);
  if (hard !== -1 && (soft > hard || soft === -1))
    throw usage('build', `ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
  return { name: match[1] as string, soft, hard };
}

function readResources(flags: ParsedFlags): ResourceLimits | undefined {
  const given: Record<string, string> = Object.assign(
    {},
    ...flags.list('resource').map((entry) => keyValues('--resource', entry)),
  ) as Record<string, string>;
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
  const cpus = flags.text('cpus');
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

function splitOnce(text: string): [string, string | undefined] {
  const equals = text.indexOf('=');
  return equals < 0 ? [text, undefined] : [text.slice(0, equals), text.slice(equals + 1)];
}
