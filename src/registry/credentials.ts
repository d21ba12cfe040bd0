// Who we are at a registry: Docker's `auths`, credential helpers, and the auth files of the containers tools.

import { SlipwayError } from '../base/index.ts';
import { DOCKER_HUB, type Reference } from '../oci/index.ts';
import type { AuthEntry, CredentialSource, DockerConfig, RegistryConfig } from './config.ts';
import { runHelper } from './credential-helper.ts';

/** A login. `identity` is an OAuth2 refresh token, `token` a bearer token that is sent as it is. */
export type Credential =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'identity'; readonly token: string }
  | { readonly kind: 'token'; readonly token: string };

/** The credential for a repository, and why there is none when a helper did not work. */
export interface CredentialAnswer {
  readonly credential?: Credential;
  readonly note?: string;
}

/** The key under which Docker keeps logins of Docker Hub. */
const HUB_KEY = 'https://index.docker.io/v1/';

/** The key under which Docker keeps logins of a registry. */
export function serverKey(registry: string): string {
  return registry === DOCKER_HUB ? HUB_KEY : registry;
}

/** The name of a registry that clients of build servers know. */
function sourceHost(registry: string): string {
  return registry === DOCKER_HUB ? 'registry-1.docker.io' : registry;
}

/** Looks up credentials; each helper is asked once per registry. */
export class CredentialStore {
  readonly #config: DockerConfig;
  readonly #env: Readonly<Record<string, string>>;
  readonly #source: CredentialSource | undefined;
  readonly #helped = new Map<string, Promise<CredentialAnswer>>();

  constructor(config: RegistryConfig) {
    this.#source = config.credentialSource;
    this.#config = config.dockerConfig ?? {};
    this.#env = config.programEnv ?? {};
  }

  /** The login for a repository of a registry. Undefined members: nobody is logged in. */
  async find({ registry, repository }: Pick<Reference, 'registry' | 'repository'>): Promise<CredentialAnswer> {
    const told = await this.#askSource(registry);
    if (told.credential !== undefined) return told;
    const helper = this.#helperFor(registry);
    const helped = helper === undefined ? {} : await this.#askHelper(helper, registry);
    if (helped.credential !== undefined) return helped;
    const entry = findEntry(this.#config.auths ?? {}, registry, repository);
    const credential = entry === undefined ? undefined : readEntry(entry, registry);
    return credential === undefined ? helped : { credential };
  }

  /** A token fetched by whoever has the password, when somebody offers that. */
  token(registry: string, request: { realm: string; service: string; scopes: readonly string[] }): ReturnType<CredentialSource['token']> {
    return this.#source === undefined ? Promise.resolve(undefined) : this.#source.token({ host: sourceHost(registry), ...request });
  }

  #askSource(registry: string): Promise<CredentialAnswer> {
    const source = this.#source;
    if (source === undefined) return Promise.resolve({});
    const key = ` ${registry}`;
    let asked = this.#helped.get(key);
    if (asked === undefined) {
      asked = source.credentials(sourceHost(registry)).then((answer) => {
        if (answer === undefined || answer.secret === '') return {};
        if (answer.username === '' || answer.username === '<token>') return { credential: { kind: 'identity', token: answer.secret } };
        return { credential: { kind: 'password', username: answer.username, password: answer.secret } };
      });
      this.#helped.set(key, asked);
    }
    return asked;
  }

  #helperFor(registry: string): string | undefined {
    const helpers = this.#config.credHelpers ?? {};
    const own = hostKeys(registry).find((key) => Object.hasOwn(helpers, key));
    return own === undefined ? this.#config.credsStore : helpers[own];
  }

  #askHelper(helper: string, registry: string): Promise<CredentialAnswer> {
    const key = `${helper} ${registry}`;
    let asked = this.#helped.get(key);
    if (asked === undefined) {
      asked = askHelper(helper, registry, this.#env);
      this.#helped.set(key, asked);
    }
    return asked;
  }
}

/** A helper that is not there or fails leaves us anonymous: public images must not need it. The note is shown when that is not enough. */
async function askHelper(helper: string, registry: string, env: Readonly<Record<string, string>>): Promise<CredentialAnswer> {
  try {
    const answer = await runHelper(helper, 'get', serverKey(registry), env);
    if (answer === undefined) return {};
    const { Username: username, Secret: secret } = JSON.parse(answer) as { Username?: unknown; Secret?: unknown };
    if (typeof username !== 'string' || typeof secret !== 'string' || secret === '') return {};
    if (username === '<token>') return { credential: { kind: 'identity', token: secret } };
    return { credential: { kind: 'password', username, password: secret } };
  } catch (error) {
    return { note: error instanceof SlipwayError ? error.message : `docker-credential-${helper} gave no readable answer` };
  }
}

/** The names a registry may have in configuration files. */
function hostKeys(registry: string): readonly string[] {
  if (registry !== DOCKER_HUB) return [registry];
  return [DOCKER_HUB, HUB_KEY, 'index.docker.io', 'registry-1.docker.io'];
}

/** The most specific entry: auth files of the containers tools may name repositories and what is above them. */
function findEntry(auths: Readonly<Record<string, AuthEntry>>, registry: string, repository: string): AuthEntry | undefined {
  const byName = new Map(Object.entries(auths).map(([key, entry]) => [key === HUB_KEY ? key : stripKey(key), entry] as const));
  const parts = repository.split('/').filter((part) => part !== '');
  for (let length = parts.length; length > 0; length -= 1) {
    const entry = byName.get(`${registry}/${parts.slice(0, length).join('/')}`);
    if (entry !== undefined) return entry;
  }
  return hostKeys(registry)
    .map((key) => byName.get(key))
    .find((entry) => entry !== undefined);
}

/** Docker's older keys are URLs: `https://host/v1/` means the host. */
function stripKey(key: string): string {
  const plain = key.replace(/^https?:\/\//, '');
  return plain === key ? key : plain.replace(/\/.*$/, '');
}

function readEntry(entry: AuthEntry, registry: string): Credential | undefined {
  if (typeof entry.identitytoken === 'string' && entry.identitytoken !== '') return { kind: 'identity', token: entry.identitytoken };
  if (typeof entry.registrytoken === 'string' && entry.registrytoken !== '') return { kind: 'token', token: entry.registrytoken };
  if (typeof entry.auth === 'string' && entry.auth !== '') {
    const pair = Buffer.from(entry.auth, 'base64').toString('utf8').replace(/\0+$/, '');
    const colon = pair.indexOf(':');
    if (colon <= 0) {
      throw new SlipwayError('REGISTRY_CONFIG_INVALID', `the stored login for ${registry} cannot be read`, {
        hint: `log in again: slipway login ${registry}`,
      });
    }
    return { kind: 'password', username: pair.slice(0, colon), password: pair.slice(colon + 1) };
  }
  if (typeof entry.username === 'string' && entry.username !== '' && typeof entry.password === 'string') {
    return { kind: 'password', username: entry.username, password: entry.password };
  }
  return undefined;
}

/** The header of a login by name and password. */
export function basicHeader(credential: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${credential.username}:${credential.password}`).toString('base64')}`;
}
