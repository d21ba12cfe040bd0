// `login` and `logout`: Docker's config.json, changed member by member and replaced in one step.

import { chmodSync, readFileSync, realpathSync, renameSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf, type JobContext, SlipwayError } from '../base/index.ts';
import { DOCKER_HUB } from '../oci/index.ts';
import { makeFolders } from '../sys/index.ts';
import { openRegistry } from './client.ts';
import type { AuthEntry, DockerConfig, RegistryConfig } from './config.ts';
import { runHelper } from './credential-helper.ts';
import { serverKey } from './credentials.ts';

export interface LoginRequest {
  /** `docker.io` when the user names none. */
  readonly registry: string;
  readonly username: string;
  readonly password: string;
  /** Path of config.json; made when it is missing. */
  readonly configFile: string;
}

/** Checks a login with the registry and keeps it: in the credential helper that is configured, else in the file. Says where. */
export async function login(request: LoginRequest, config: RegistryConfig, job: JobContext): Promise<{ readonly keptIn: string }> {
  const { username, password, configFile } = request;
  const registry = registryName(request.registry);
  if (username === '' || username.includes(':')) {
    throw new SlipwayError('LOGIN_INVALID', 'a user name must not be empty or contain ":"');
  }
  const entry: AuthEntry = { auth: Buffer.from(`${username}:${password}`).toString('base64') };
  using client = openRegistry({ ...config, dockerConfig: { auths: { [serverKey(registry)]: entry } } });
  await client.ping(registry, job);

  const file = readConfigFile(configFile);
  const helper = helperOf(file, registry);
  if (helper === undefined) {
    writeConfigFile(configFile, { ...file, auths: { ...file.auths, [serverKey(registry)]: entry } });
    return { keptIn: configFile };
  }
  const secret = JSON.stringify({ ServerURL: serverKey(registry), Username: username, Secret: password });
  await runHelper(helper, 'store', secret, config.programEnv ?? {});
  // Docker's tools look for logins only of registries that the file names.
  writeConfigFile(configFile, { ...file, auths: { ...file.auths, [serverKey(registry)]: {} } });
  return { keptIn: `docker-credential-${helper}` };
}

/** Forgets a login. False: there was none. */
export async function logout(registry: string, configFile: string, env: Readonly<Record<string, string>>): Promise<boolean> {
  const key = serverKey(registryName(registry));
  const file = readConfigFile(configFile);
  const helper = helperOf(file, registryName(registry));
  const known = Object.hasOwn(file.auths ?? {}, key);
  if (helper !== undefined) await runHelper(helper, 'erase', key, env);
  if (!known) return helper !== undefined;
  const { [key]: _, ...rest } = file.auths ?? {};
  writeConfigFile(configFile, { ...file, auths: rest });
  return true;
}

/** Users write `https://registry.example/v1/`, `index.docker.io` or nothing at all. */
function registryName(text: string): string {
  const host = text.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  return ['', 'index.docker.io', 'registry-1.docker.io', DOCKER_HUB].includes(host) ? DOCKER_HUB : host;
}

function helperOf(file: DockerConfig, registry: string): string | undefined {
  const name = file.credHelpers?.[registry] ?? file.credHelpers?.[serverKey(registry)] ?? file.credsStore;
  return name === '' ? undefined : name;
}

function readConfigFile(path: string): DockerConfig {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return {};
    throw refused('read', path, error);
  }
  if (text.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch (cause) {
    throw new SlipwayError('REGISTRY_CONFIG_INVALID', `${path} is not valid JSON: ${(cause as Error).message}`, { cause });
  }
  throw new SlipwayError('REGISTRY_CONFIG_INVALID', `${path} is no JSON object`);
}

/** Replaces the file (or what a link points to) whole, readable by its owner only unless it was there with other rights. */
function writeConfigFile(path: string, config: DockerConfig): void {
  try {
    makeFolders(dirname(path), 0o700);
    replaceFile(path, `${JSON.stringify(config, null, '\t')}\n`);
  } catch (error) {
    throw refused('write', path, error);
  }
}

function replaceFile(path: string, text: string): void {
  let target = path;
  let mode = 0o600;
  try {
    target = realpathSync(path);
    mode = statSync(target).mode & 0o777;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  const temporary = `${target}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, text, { mode: 0o600, flag: 'wx' });
    chmodSync(temporary, mode);
    renameSync(temporary, target);
  } catch (error) {
    try {
      unlinkSync(temporary);
    } catch {
      // It was not made, or is already in place.
    }
    throw error;
  }
}

/** The file is the user's own: what the disk says of it is theirs to mend. */
function refused(verb: 'read' | 'write', path: string, cause: unknown): SlipwayError {
  return new SlipwayError('REGISTRY_CONFIG_INVALID', `cannot ${verb} ${path}: ${(cause as Error).message}`, {
    hint: 'name a folder of your own by DOCKER_CONFIG, or a file by REGISTRY_AUTH_FILE',
    cause,
  });
}
