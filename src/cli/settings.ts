// Configuration: flags beat environment beats file. Resolved once, here.

import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { defaultRoot, homeFolder, SlipwayError } from '../base/index.ts';
import type { DockerConfig, RegistrySettings, Settings, TrustPolicy } from '../build/index.ts';
import { type ParsedFlags, usage } from './flags.ts';
import { checkKeys } from './settings-keys.ts';
import { asTable, checkKinds } from './settings-kinds.ts';
import type { World } from './world.ts';

/** Where results are kept, and what the configuration says. */
export interface Configuration {
  readonly root: string;
  readonly settings: Settings;
  /** All tables of the configuration file; empty without one. */
  readonly table: Readonly<Record<string, unknown>>;
}

/**
 * As an ordinary user, starts the command again where it may mount, with the store that it has out here, and with `more` arguments. Resolves
 * with its exit code; undefined: this process goes on.
 */
export async function startRootless(flags: ParsedFlags, world: World, more: readonly string[] = []): Promise<number | undefined> {
  if (world.uid === 0) return undefined;
  const { enterRootless } = await import('../build/index.ts');
  const { root, settings } = await readConfiguration(flags, world);
  return await enterRootless({
    command: [process.execPath, ...process.execArgv, ...process.argv.slice(1), ...more],
    env: { ...world.env, SLIPWAY_ROOT: root },
    rung: settings.rung,
  });
}

/** Resolves store and settings. Throws `CONFIG_INVALID` naming the file and the key. */
export async function readConfiguration(flags: ParsedFlags, world: World): Promise<Configuration> {
  const { env } = world;
  const named = flags.text('config') ?? given(env, 'SLIPWAY_CONFIG');
  const found = named ?? defaultFile(world);
  const file = resolve(world.cwd, found ?? '');
  const table = found === undefined ? {} : await readToml(file, named !== undefined);
  checkKeys(table, file);
  checkKinds(table, file);
  if (flags.text('root') === '') throw usage('build', '--root is empty', 'name a folder, or leave it out for the usual one');
  const root = flags.text('root') ?? given(env, 'SLIPWAY_ROOT') ?? beside(file, asText(table['root'])) ?? defaultRoot(world.uid, env);
  if (root === `/tmp/slipway-${world.uid}`) checkOwner(root, world.uid);
  const rung = flags.text('rung') ?? given(env, 'SLIPWAY_RUNG') ?? asText(table['rung']);
  const gc = asTable(table['gc']);
  const trust = flags.text('trust') ?? given(env, 'SLIPWAY_TRUST') ?? beside(file, asText(table['trust']));
  const proxies = readProxies(env);
  const certificates = env['SSL_CERT_FILE'];
  return {
    root: resolve(world.cwd, root),
    table,
    settings: {
      registries: readRegistries(table['registry'], file),
      dockerConfig: readDockerConfig(world),
      ...(certificates === undefined || certificates === '' ? {} : { certificateFiles: [resolve(world.cwd, certificates)] }),
      ...(proxies === undefined ? {} : { proxies }),
      ...(rung === undefined || rung === '' ? {} : { rung }),
      ...numberField(table, 'max-parallelism', 'maxProcesses'),
      ...numberField(table, 'max-downloads', 'maxDownloads'),
      ...numberField(table, 'max-uploads', 'maxUploads'),
      ...(flags.bool('no-new-privileges') || table['no-new-privileges'] === true ? { noNewPrivileges: true } : {}),
      ...(gc === undefined
        ? {}
        : {
            gc: {
              ...numberField(gc, 'max-bytes', 'maxBytes'),
              ...numberField(gc, 'min-free-bytes', 'minFreeBytes'),
              ...numberField(gc, 'reserved-bytes', 'reservedBytes'),
              ...numberField(gc, 'max-age-ms', 'maxAgeMs'),
              ...(gc['enabled'] === false ? { disabled: true } : {}),
            },
          }),
      ...(trust === undefined || trust === '' ? {} : { trust: await readTrust(resolve(world.cwd, trust)) }),
      programEnv: programEnv(env),
    },
  };
}

/** Whoever made a folder of that name first could put anything into what builds take from it. Throws `STORE_READ_ONLY`. */
function checkOwner(root: string, uid: number): void {
  const stat = lstatSync(root, { throwIfNoEntry: false });
  if (stat === undefined || (stat.isDirectory() && stat.uid === uid)) return;
  throw new SlipwayError('STORE_READ_ONLY', `the store at ${root} is not this user's`, {
    hint: 'set HOME, or name a folder that you own with --root',
    facts: { root },
  });
}

/** A policy's file; its keys are beside it. A policy that cannot be read stops everything that wants it. */
async function readTrust(path: string): Promise<TrustPolicy> {
  if (!existsSync(path)) {
    throw new SlipwayError('TRUST_POLICY', `there is no trust policy ${path}`, {
      hint: 'name a readable TOML file by --trust or SLIPWAY_TRUST',
    });
  }
  const table = await readToml(path, true);
  const { parseTrustPolicy } = await import('../build/index.ts');
  return parseTrustPolicy(table, path, (key) => {
    try {
      return readFileSync(resolve(dirname(path), key), 'utf8');
    } catch (cause) {
      throw new SlipwayError('TRUST_KEY', `cannot read the key ${key} of ${path}: ${(cause as Error).message}`, { cause });
    }
  });
}

/** A variable that is empty is one that is not set: workflows hand on what was not given like that. */
function given(env: World['env'], name: string): string | undefined {
  return env[name] || undefined;
}

/** What a configuration file names is found from where the file is: the folder of a build is not to choose who is trusted. */
function beside<T extends string | undefined>(file: string, path: T): T {
  return (path ? resolve(dirname(file), path) : path) as T;
}

function numberField<K extends string>(table: Readonly<Record<string, unknown>>, key: string, name: K): Partial<Record<K, number>> {
  const value = table[key];
  return typeof value === 'number' ? ({ [name]: value } as Partial<Record<K, number>>) : {};
}

function defaultFile(world: World): string | undefined {
  const home = homeFolder(world.uid, world.env);
  const own = world.env['XDG_CONFIG_HOME'] ?? (home === undefined ? undefined : join(home, '.config'));
  return [...(own === undefined ? [] : [join(own, 'slipway/config.toml')]), '/etc/slipway/config.toml'].find((path) => existsSync(path));
}

async function readToml(path: string, asked: boolean): Promise<Readonly<Record<string, unknown>>> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (!asked) return {};
    throw new SlipwayError('CONFIG_INVALID', `cannot read the configuration ${path}: ${(cause as Error).message}`, {
      cause,
      hint: 'name a readable TOML file by --config or SLIPWAY_CONFIG',
    });
  }
  const { parse } = await import('smol-toml');
  try {
    return parse(text);
  } catch (cause) {
    throw new SlipwayError('CONFIG_INVALID', `${path} is not valid TOML: ${(cause as Error).message}`, { cause });
  }
}

function readRegistries(value: unknown, file: string): Record<string, RegistrySettings> {
  const registries: Record<string, RegistrySettings> = {};
  for (const [host, entry] of Object.entries(asTable(value) ?? {})) {
    const table = asTable(entry);
    if (table === undefined) throw new SlipwayError('CONFIG_INVALID', `${file}: [registry."${host}"] must be a table`);
    const keypair = Array.isArray(table['keypair']) ? table['keypair'].map((pair) => asTable(pair) ?? {}) : undefined;
    registries[host] = {
      ...(Array.isArray(table['mirrors']) ? { mirrors: table['mirrors'].map(String) } : {}),
      ...(typeof table['http'] === 'boolean' ? { http: table['http'] } : {}),
      ...(typeof table['insecure'] === 'boolean' ? { insecure: table['insecure'] } : {}),
      ...(table['ca'] === undefined ? {} : { ca: [table['ca']].flat().map((path) => beside(file, String(path))) }),
      ...(keypair === undefined
        ? {}
        : { keypair: keypair.map(({ key, cert }) => ({ key: beside(file, String(key)), cert: beside(file, String(cert)) })) }),
    };
  }
  return registries;
}

/** Docker's `config.json` (`DOCKER_CONFIG`), with the credentials of `REGISTRY_AUTH_FILE` over it. */
function readDockerConfig(world: World): DockerConfig {
  const { env, cwd } = world;
  const folder = dockerFolder(world);
  const config = folder === undefined ? {} : readJson(join(folder, 'config.json'));
  const authFile = given(env, 'REGISTRY_AUTH_FILE');
  if (authFile === undefined) return config;
  const more = readJson(resolve(cwd, authFile));
  return { ...config, auths: { ...config.auths, ...more.auths }, credHelpers: { ...config.credHelpers, ...more.credHelpers } };
}

function readJson(path: string): DockerConfig {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return {};
  }
  try {
    return JSON.parse(text) as DockerConfig;
  } catch (cause) {
    throw new SlipwayError('CONFIG_INVALID', `${path} is not valid JSON: ${(cause as Error).message}`, { cause });
  }
}

/** Where `login` writes: the file of Docker's client configuration. Throws `USAGE` when the caller has no place for it. */
export function loginFile(world: World): string {
  const { env, cwd } = world;
  const authFile = given(env, 'REGISTRY_AUTH_FILE');
  if (authFile !== undefined) return resolve(cwd, authFile);
  const folder = dockerFolder(world);
  if (folder !== undefined) return join(folder, 'config.json');
  throw new SlipwayError('USAGE', 'there is no home folder that logins could be kept in', {
    hint: 'set HOME, or name a folder by DOCKER_CONFIG',
  });
}

/** Folder of Docker's client configuration; undefined: the caller has no home for it. */
export function dockerFolder(world: World): string | undefined {
  const { env, cwd } = world;
  const named = given(env, 'DOCKER_CONFIG');
  if (named !== undefined) return resolve(cwd, named);
  const home = homeFolder(world.uid, world.env);
  return home === undefined ? undefined : join(home, '.docker');
}

function readProxies(env: World['env']): { http?: string; https?: string; no?: string } | undefined {
  const pick = (name: string): string | undefined => env[name] ?? env[name.toLowerCase()];
  const http = pick('HTTP_PROXY');
  const https = pick('HTTPS_PROXY');
  const no = pick('NO_PROXY');
  if (http === undefined && https === undefined) return undefined;
  return { ...(http === undefined ? {} : { http }), ...(https === undefined ? {} : { https }), ...(no === undefined ? {} : { no }) };
}

/** What git, ssh and credential helpers need of the environment. */
function programEnv(env: World['env']): Record<string, string> {
  const names = [
    'PATH',
    'HOME',
    'USER',
    'LANG',
    'SSH_AUTH_SOCK',
    'SSL_CERT_FILE',
    'XDG_RUNTIME_DIR',
    'XDG_CONFIG_HOME',
    'GNUPGHOME',
    'HTTP_PROXY',
    'HTTPS_PROXY',
    'NO_PROXY',
    'http_proxy',
    'https_proxy',
    'no_proxy',
    'GIT_SSH_COMMAND',
    'DBUS_SESSION_BUS_ADDRESS',
    'AWS_PROFILE',
    'AWS_REGION',
    'AWS_ACCESS_KEY_ID',
    'AWS_SECRET_ACCESS_KEY',
    'AWS_SESSION_TOKEN',
    'GOOGLE_APPLICATION_CREDENTIALS',
  ];
  return Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
}

function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
