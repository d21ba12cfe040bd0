// What a registry client is told about the world. All of it is handed in: nothing here looks at the environment.

/** How one registry host is reached (`[registry."host"]` of buildkitd.toml). */
export interface RegistrySettings {
  /** Hosts (`mirror.example/prefix`, or with `http://`) that are asked before the registry itself when pulling. */
  readonly mirrors?: readonly string[];
  /** Plain http. Undefined: only for loopback hosts that speak it. */
  readonly http?: boolean;
  /** TLS without verification; plain http where there is no TLS. */
  readonly insecure?: boolean;
  /** PEM files of authorities to trust, beside the system's. */
  readonly ca?: readonly string[];
  /** Client certificates, PEM files. */
  readonly keypair?: readonly { readonly key: string; readonly cert: string }[];
  /** Folders with `*.crt` (authorities), `*.cert` and `*.key` (client certificates). */
  readonly tlsconfigdir?: readonly string[];
}

/** One entry of `auths`. */
export interface AuthEntry {
  /** base64 of `user:password`. */
  readonly auth?: string;
  readonly username?: string;
  readonly password?: string;
  /** OAuth2 refresh token. */
  readonly identitytoken?: string;
  /** Bearer token that is sent as it is. */
  readonly registrytoken?: string;
}

/** The parts of Docker's `config.json` (or of an auth file of the containers tools) that registries need. */
export interface DockerConfig {
  readonly auths?: Readonly<Record<string, AuthEntry>>;
  readonly credsStore?: string;
  readonly credHelpers?: Readonly<Record<string, string>>;
}

/** Proxies for our own requests, as `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say. */
export interface ProxySettings {
  readonly http?: string;
  readonly https?: string;
  readonly no?: string;
}

/** Somebody else's logins: the client of a build server answers for itself. Hosts as in registry addresses (`registry-1.docker.io`). */
export interface CredentialSource {
  /** An empty name goes with an identity token. Undefined: nobody is logged in. */
  credentials(host: string): Promise<{ readonly username: string; readonly secret: string } | undefined>;
  /** Fetches a bearer token where the password is; undefined: fetch it with the credentials. `expiresIn` in seconds. */
  token(request: {
    readonly host: string;
    readonly realm: string;
    readonly service: string;
    readonly scopes: readonly string[];
  }): Promise<{ readonly token: string; readonly expiresIn: number } | undefined>;
}

/** Everything that `openRegistry` can be told. */
export interface RegistryConfig {
  /** Asked before the configuration files. */
  readonly credentialSource?: CredentialSource;
  readonly registries?: Readonly<Record<string, RegistrySettings>>;
  readonly dockerConfig?: DockerConfig;
  /** PEM files to trust beside the system's (`SSL_CERT_FILE`). */
  readonly certificateFiles?: readonly string[];
  /** Folders with one folder of certificates for each host; default `/etc/docker/certs.d`. */
  readonly certsDirs?: readonly string[];
  readonly proxies?: ProxySettings;
  /** Environment of credential helpers; `PATH` is where they are looked for. */
  readonly programEnv?: Readonly<Record<string, string>>;
  /** Blobs at a time, for each host; default 4 and 4. */
  readonly maxDownloads?: number;
  readonly maxUploads?: number;
  /** Tries after the first one for what may be passing trouble; default 5. */
  readonly retries?: number;
  /** Milliseconds of silence after which a connection is given up; default 60,000. */
  readonly idleMs?: number;
  /** Uploads in pieces of this many bytes instead of one; default: only where a registry refuses the whole. */
  readonly uploadChunk?: number;
  readonly userAgent?: string;
  /** The clock for token lifetimes, and what waits between tries; tests hand in their own. */
  readonly now?: () => Date;
  readonly delay?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Limits and clocks with their defaults. */
export interface Limits {
  readonly downloads: number;
  readonly uploads: number;
  readonly retries: number;
  readonly idleMs: number;
  readonly now: () => Date;
  readonly delay: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Fills in the defaults. */
export function limitsOf(config: RegistryConfig): Limits {
  return {
    downloads: Math.max(1, config.maxDownloads ?? 4),
    uploads: Math.max(1, config.maxUploads ?? 4),
    retries: Math.max(0, config.retries ?? 5),
    idleMs: config.idleMs ?? 60_000,
    now: config.now ?? (() => new Date()),
    delay: config.delay ?? wait,
  };
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(
      () => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      },
      ms * (1 + Math.random() / 4),
    ); // not all clients at the same moment
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
